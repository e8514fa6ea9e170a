//! The gate every event passes on its way into the store, free of any protocol: whose the event is, which names are
//! reserved, what makes a repetition harmless, and in which order events are appended. The only place that appends.

mod caller;
mod idempotency;
mod admitted;
mod terms;
mod order;
mod import;

use allsource_engine::error::AppendError;
use allsource_engine::{Batch, Commit};

use crate::problem::Problem;
use crate::store::Store;

pub use admitted::Admitted;
pub use caller::Caller;
pub(crate) use caller::contradiction;
pub use idempotency::Key;
pub use import::Import;
pub use order::{Ended, InOrder, Settled};
pub use terms::Terms;

/// How many times a batch is appended that is overtaken by an event of one of its ids.
const TRIES: u32 = 3;

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

    /// Refuses a key that was used before with more events, whose request is not atomic: fewer of them may have been
    /// accepted, and then the others are appended now.
    ///
    /// # Errors
    /// When the key was used otherwise, or that cannot be read.
    pub async fn check_key(&self, terms: &Terms, events: &[Admitted], count: usize) -> Result<(), Problem> {
        for (tenant, id) in terms.ids_after(events, count) {
            if self.store.has_events(tenant, vec![id]).await?.contains(&true) {
                return Err(Key::reused("another number of events"));
            }
        }
        Ok(())
    }

    /// Appends all events of a request, or none. If the request has a key, the store decides together with the append
    /// that the key was used with the same number of events before, or with none.
    ///
    /// # Errors
    /// Why they were not accepted, or that their outcome is unknown.
    pub async fn append(&self, terms: &Terms, events: &[Admitted]) -> Result<Commit, AppendError> {
        let absent = terms.ids_after(events, events.len());
        self.append_batch(events, |batch| {
            let batch = if absent.is_empty() { batch } else { batch.alone() };
            absent.iter().fold(batch, |batch, (tenant, id)| batch.expect_absent(tenant, *id))
        })
        .await
    }

    /// Appends all events, or none.
    ///
    /// # Errors
    /// Why they were not accepted, or that their outcome is unknown.
    pub async fn append_all(&self, events: &[Admitted]) -> Result<Commit, AppendError> {
        self.append_batch(events, |batch| batch).await
    }

    async fn append_batch(
        &self,
        events: &[Admitted],
        condition: impl Fn(Batch) -> Batch,
    ) -> Result<Commit, AppendError> {
        let mut tries = TRIES;
        loop {
            let Some(batch) = Admitted::batch(events) else { return Err(AppendError::Empty) };
            tries -= 1;
            match self.store.append(condition(batch)).await {
                Err(AppendError::Overtaken { .. }) if tries > 0 => {}
                outcome => return outcome,
            }
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
