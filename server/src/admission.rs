//! The service that appends, and the only one: it checks tenants and reserved names, makes retries idempotent, and
//! keeps events in order. It knows no protocol.

mod caller;
mod idempotency;
mod admitted;
mod events;
mod terms;
mod order;
mod import;

use allsource_engine::error::AppendError;
use allsource_engine::{Batch, Commit};

use crate::budget::Charge;
use crate::problem::Problem;
use crate::store::Store;

pub use admitted::Admitted;
pub use caller::Caller;
pub(crate) use caller::contradiction;
pub use events::Events;
pub use idempotency::{KEY_RULE, Key};
pub use import::Import;
pub use order::{Ended, InOrder, Settled};
pub use terms::Terms;

/// Attempts at a batch that concurrent appends of the same ids keep overtaking.
const TRIES: u32 = 3;

/// Events that take this many bytes are encoded on a worker thread.
const LARGE_BYTES: usize = 64 << 10;

/// The service that appends.
#[derive(Clone)]
pub struct Admission {
    store: Store,
}

impl Admission {
    /// The service that appends to `store`.
    pub fn to(store: Store) -> Self {
        Self { store }
    }

    /// Refuses a key that was used before with more events. For requests that are not atomic: an earlier attempt may
    /// have appended only some of its events, and a retry appends the others.
    ///
    /// # Errors
    /// When the key was used with more events, or the store cannot be read.
    pub async fn check_key(&self, terms: &Terms, events: &[Admitted], count: usize) -> Result<(), Problem> {
        for (tenant, id) in terms.ids_after(events, count) {
            if self.store.has_events(tenant, vec![id]).await?.contains(&true) {
                return Err(Key::reused("another number of events"));
            }
        }
        Ok(())
    }

    /// Appends all events of a request, or none. With a key, the same append checks that any earlier request under the
    /// key had the same number of events.
    ///
    /// # Errors
    /// When the events are refused, or their outcome is unknown.
    pub async fn append(&self, terms: &Terms, events: &Events) -> Result<Commit, AppendError> {
        let absent = terms.ids_after(events, events.len());
        self.append_batch(events, move |batch| {
            let batch = if absent.is_empty() { batch } else { batch.alone() };
            absent.iter().fold(batch, |batch, (tenant, id)| batch.expect_absent(tenant, *id))
        })
        .await
    }

    /// Appends all events, or none.
    ///
    /// # Errors
    /// When the events are refused, or their outcome is unknown.
    pub async fn append_all(&self, events: &Events) -> Result<Commit, AppendError> {
        self.append_batch(events, |batch| batch).await
    }

    async fn append_batch(
        &self,
        events: &Events,
        condition: impl Fn(Batch) -> Batch + Clone + Send + 'static,
    ) -> Result<Commit, AppendError> {
        if events.is_empty() {
            return Err(AppendError::Empty);
        }
        let is_large = events.bytes() >= LARGE_BYTES;
        let mut tries = TRIES;
        loop {
            tries -= 1;
            let outcome = if is_large {
                let (events, condition) = (events.clone(), condition.clone());
                self.store.append_large(move || condition(events.batch())).await
            } else {
                self.store.append(condition(events.batch())).await
            };
            match outcome {
                Err(AppendError::Overtaken { .. }) if tries > 0 => {}
                outcome => return outcome,
            }
        }
    }

    /// Appends events in order, each accepted or refused on its own. The first failure that is not about an event
    /// itself stops the run: nothing after that event is appended.
    pub async fn append_in_order(&self, events: &Events) -> InOrder {
        order::append(self, events, order::Patience::None).await
    }

    /// Starts an import, which appends lines in order and grows `charge` with what it holds.
    pub fn import(&self, terms: Terms, charge: Charge) -> Import {
        Import::new(self.clone(), terms, charge)
    }
}
