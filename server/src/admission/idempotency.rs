//! Idempotency keys. Event ids are derived from the key, so a key lasts as long as its events and needs no table.

use allsource_engine::event::TenantId;
use uuid::Uuid;

use crate::problem::{Kind, Problem};

/// The UUID namespace of ids that are derived from keys.
const NAMESPACE: Uuid = Uuid::from_u128(0x8a0e_73c6_54d1_4b7e_9d2b_1f6a_c3e0_5b94);
const KEY_BYTES_MAX: usize = 255;
/// What [`Key::new`] accepts, as a part of a sentence.
pub const KEY_RULE: &str = "1 to 255 visible ASCII characters, without spaces";

/// What a caller sends so that repeating its request changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// The key that `text` spells; `None` if it breaks [`KEY_RULE`].
    pub fn new(text: &str) -> Option<Self> {
        let is_valid =
            (1..=KEY_BYTES_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        is_valid.then(|| Self(text.to_owned()))
    }

    /// The id of the event at `index`, counted from 0, of the request with this key.
    pub fn event_id(&self, tenant: &TenantId, index: u64) -> Uuid {
        Uuid::new_v5(&NAMESPACE, format!("{tenant}\n{index}\n{}", self.0).as_bytes())
    }

    /// The problem of a key that was used before with `what`.
    pub(super) fn reused(what: &str) -> Problem {
        Problem::new(Kind::KEY_REUSED, format!("this Idempotency-Key was used before with {what}"))
    }
}
