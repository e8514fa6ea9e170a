//! The gate every event passes on its way into the store, free of any protocol: whose the event is, which names are
//! reserved, what makes a repetition harmless, and in which order events are appended. The only place that appends.

mod caller;
mod idempotency;
mod admitted;
mod terms;
mod order;
mod import;

use allsource_engine::Commit;
use allsource_engine::error::AppendError;

use crate::problem::Problem;
use crate::store::Store;

pub use admitted::Admitted;
pub use caller::Caller;
pub(crate) use caller::contradiction;
pub use idempotency::Key;
pub use import::Import;
pub use order::{Ended, InOrder, Settled};
pub use terms::Terms;

/// Whether some events of a request may have been refused while others were appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MayLack {
    /// Each event was appended on its own.
    Some,
    /// All were appended, or none.
    None,
}

/// The service that appends.
#[derive(Clone)]
pub struct Admission {
    store: Store,
}

impl Admission {
    /// Lets events into a store.
    pub fn to(store: Store) -> Self {
        Self { store }
    }

    /// Refuses a key that was used before with another number of events. What `may_lack` some was not atomic: the
    /// events missing at its end may have been refused.
    ///
    /// # Errors
    /// When the key was used otherwise, or that cannot be read.
    pub async fn check_key(
        &self,
        terms: &Terms,
        events: &[Admitted],
        count: usize,
        may_lack: MayLack,
    ) -> Result<(), Problem> {
        let Some(key) = terms.key() else { return Ok(()) };
        let mut tenants: Vec<_> = events.iter().map(|event| event.entity().tenant()).collect();
        tenants.sort();
        tenants.dedup();
        let count = count as u64;
        // With several tenants the first and last event may belong to different ones: only the end is checked then.
        for tenant in tenants {
            let mut indexes = vec![count];
            if may_lack == MayLack::None && count > 1 {
                indexes.extend([0, count - 1]);
            }
            let ids = indexes.into_iter().map(|index| key.event_id(tenant, index)).collect();
            let has = self.store.has_events(tenant.clone(), ids).await?;
            if matches!(has.as_slice(), [true, ..] | [_, true, false]) {
                return Err(Key::reused("another number of events"));
            }
        }
        Ok(())
    }

    /// Appends one event.
    ///
    /// # Errors
    /// Why it was not accepted, or that its outcome is unknown.
    pub async fn append(&self, event: Admitted) -> Result<Commit, AppendError> {
        self.store.append(event.into_batch()).await
    }

    /// Appends all events, or none.
    ///
    /// # Errors
    /// Why they were not accepted, or that their outcome is unknown.
    pub async fn append_all(&self, events: &[Admitted]) -> Result<Commit, AppendError> {
        match Admitted::batch(events) {
            Some(batch) => self.store.append(batch).await,
            None => Err(AppendError::Empty),
        }
    }

    /// Appends events in their order, each accepted or refused on its own. The first failure that is not about an
    /// event itself ends it: nothing after that event is appended.
    pub async fn append_in_order(&self, events: &[Admitted]) -> InOrder {
        order::append(self, events, order::Patience::None).await
    }

    /// Begins to append lines in their order.
    pub fn import(&self, terms: Terms) -> Import {
        Import::new(self.clone(), terms)
    }
}
