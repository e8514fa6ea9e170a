//! Ids and keys on the command line, checked before anything is sent.

use uuid::Uuid;

use crate::admission::{KEY_RULE, Key};

/// The id of an event.
pub(super) fn event_id(text: &str) -> Result<Uuid, String> {
    let example = "9b2f8c1e-6a53-4f6e-9f2b-1d1f5a0c7e11";
    Uuid::try_parse(text.trim()).map_err(|_| format!("the id of an event is a UUID, like {example}"))
}

/// An idempotency key.
pub(super) fn key(text: &str) -> Result<String, String> {
    if Key::new(text).is_some() { Ok(text.to_owned()) } else { Err(format!("a key is {KEY_RULE}")) }
}
