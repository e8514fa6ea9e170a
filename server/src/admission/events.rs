//! Admitted events in order, shared with the thread that encodes them.

use std::ops::{Deref, Range};
use std::sync::Arc;

use allsource_engine::event::Payload;
use allsource_engine::{Batch, ExpectedVersion};

use super::Admitted;
use crate::budget::Hold;

/// Bytes of an event besides its payload and metadata, as an estimate.
const EVENT_BYTES: usize = 256;

/// Admitted events, in order. Clones and parts share them.
#[derive(Debug, Clone)]
pub struct Events {
    all: Arc<Vec<Admitted>>,
    range: Range<usize>,
    /// Kept until the last clone is gone: a worker may use the events after their request has ended.
    charge: Option<Hold>,
}

impl From<Vec<Admitted>> for Events {
    fn from(events: Vec<Admitted>) -> Self {
        let range = 0..events.len();
        Self { all: Arc::new(events), range, charge: None }
    }
}

impl Deref for Events {
    type Target = [Admitted];

    fn deref(&self) -> &[Admitted] {
        #[expect(clippy::expect_used, reason = "a part lies within the events that it is a part of")]
        self.all.get(self.range.clone()).expect("the range lies within the events")
    }
}

impl Events {
    /// The same events, with the charge for them.
    #[must_use]
    pub fn charged_to(self, charge: Hold) -> Self {
        Self { charge: Some(charge), ..self }
    }

    /// At most `size` of these events, from one of them on.
    pub(super) fn part(&self, from: usize, size: usize) -> Self {
        assert!(from <= self.len(), "a part begins within the events");
        let start = self.range.start + from;
        let end = start.saturating_add(size).min(self.range.end);
        Self { all: Arc::clone(&self.all), range: start..end, charge: self.charge.clone() }
    }

    /// About how many bytes they take.
    pub(super) fn bytes(&self) -> usize {
        self.iter().map(|one| bytes_of(one) + EVENT_BYTES).sum()
    }

    /// The events as one batch.
    ///
    /// # Panics
    /// When there are none.
    pub(super) fn batch(&self) -> Batch {
        #[expect(clippy::expect_used, reason = "callers have checked that there are events")]
        let mut last = self.first().expect("a batch holds an event").entity();
        let mut batch = Batch::to(last);
        for one in self.iter() {
            if one.entity() != last {
                batch = batch.and_to(one.entity());
                last = one.entity();
            }
            if one.expected() != ExpectedVersion::Any {
                batch = batch.expect(one.expected());
            }
            batch = batch.event(one.event().clone());
        }
        batch
    }
}

fn bytes_of(one: &Admitted) -> usize {
    let payload = match one.event().payload() {
        Payload::Json(text) => text.len(),
        Payload::Bytes(bytes) => bytes.len(),
    };
    payload + one.event().given_metadata().map_or(0, str::len)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use allsource_engine::Options;
    use allsource_engine::event::{Entity, NewEvent};

    use super::*;
    use crate::admission::Caller;
    use crate::budget::{BYTES_MIN, Budget};
    use crate::store::Store;

    const PATIENCE: Duration = Duration::from_secs(10);

    #[tokio::test(flavor = "multi_thread")]
    async fn what_a_worker_encodes_stays_charged_after_its_client_has_gone() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Options::default()).unwrap();
        let budget = Budget::new(BYTES_MIN);
        let mut charge = budget.charge();
        charge.grow_to(1 << 20).unwrap();
        let (entity, event) = (Entity::new("e").unwrap(), NewEvent::json("t", "{}").unwrap());
        let event = Admitted::new(&Caller::client(None), entity, ExpectedVersion::Any, event).unwrap();
        let events = Events::from(vec![event]).charged_to(charge.into());
        let (begun, has_begun) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let request = tokio::spawn(async move {
            let of_worker = events.clone();
            let encode = move || {
                begun.send(()).unwrap();
                released.recv_timeout(PATIENCE).unwrap();
                of_worker.batch()
            };
            let commit = store.append_large(encode).await;
            drop(events);
            commit
        });
        has_begun.recv_timeout(PATIENCE).unwrap();
        request.abort();
        assert!(request.await.unwrap_err().is_cancelled());
        assert_eq!(budget.charged(), 1 << 20, "the worker has the events");
        release.send(()).unwrap();
        let returned = async {
            while budget.charged() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, returned).await.expect("the charge is returned with the events");
    }
}
