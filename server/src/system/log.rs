//! The system log: appends that return once they are folded.

use std::sync::Arc;

use allsource_engine::event::{Entity, EventRef, NewEvent};
use allsource_engine::{ExpectedVersion, Start, Version};

use crate::admission::{Admission, Admitted, Caller};
use crate::background::{Follower, Tasks, Worker};
use crate::problem::{Kind, Problem};
use crate::store::Store;

/// Handles to the log and to the worker that folds it.
#[derive(Clone)]
pub(super) struct Log {
    admission: Admission,
    folding: Follower,
}

/// What folds the events of one kind of definition.
pub(super) trait Fold: Send + Sync {
    /// Applies an event, if it is of this kind.
    fn apply(&self, event: &EventRef) -> Result<(), String>;
}

/// Hands every event to each kind of definition.
struct Folds(Vec<Arc<dyn Fold>>);

impl Worker for Folds {
    fn take(&mut self, event: &EventRef) -> Result<(), String> {
        self.0.iter().try_for_each(|fold| fold.apply(event))
    }
}

impl Log {
    /// Starts to fold the log from its beginning.
    pub(super) fn over(store: Store, tasks: &Tasks, folds: Vec<Arc<dyn Fold>>) -> Self {
        let admission = Admission::to(store.clone());
        let folding = Follower::start("system_log", tasks, store, Start::Beginning, Folds(folds));
        Self { admission, folding }
    }

    /// The worker that folds the log.
    pub(super) fn folding(&self) -> &Follower {
        &self.folding
    }

    /// Waits until the log is folded as far as it reached when it was opened.
    pub(super) async fn folded(&self) -> Result<(), Problem> {
        self.folding.caught_up().await.map_err(unreadable)
    }

    /// Appends an event, and waits until it is folded.
    pub(super) async fn append(
        &self,
        entity: Entity,
        event: NewEvent,
        expected: ExpectedVersion,
    ) -> Result<Version, Problem> {
        let event = Admitted::new(&Caller::system(), entity, expected, event)?;
        let commit = self.admission.append_all(&vec![event].into()).await?;
        #[expect(clippy::expect_used, reason = "a commit has an entry for each event")]
        let committed = commit.events.first().expect("one event was appended");
        let folded = self.folding.reached(committed.position).await;
        folded
            .map_err(|problem| unreadable(problem).within("the change is stored, but not in effect yet"))?;
        Ok(committed.version)
    }
}

fn unreadable(problem: String) -> Problem {
    Problem::new(Kind::UNAVAILABLE, problem).within("the system log")
}
