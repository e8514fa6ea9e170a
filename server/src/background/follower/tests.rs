//! Tests of workers that follow a log.

use std::sync::Arc;

use allsource_engine::event::{Entity, NewEvent};
use allsource_engine::{Batch, Options};
use parking_lot::Mutex;

use super::*;

/// Notes what it takes, and fails as often as asked.
#[derive(Clone, Default)]
struct Notes {
    taken: Arc<Mutex<Vec<u64>>>,
    failures: Arc<Mutex<Vec<&'static str>>>,
}

impl Worker for Notes {
    fn take(&mut self, event: &EventRef) -> Result<(), String> {
        match self.failures.lock().pop() {
            Some("panic") => panic!("a panic for a test"),
            Some(problem) => return Err(problem.to_owned()),
            None => {}
        }
        self.taken.lock().push(event.position().value());
        Ok(())
    }
}

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = Store::open(folder.path(), Options::default()).expect("an empty folder opens");
    (folder, store)
}

async fn append(store: &Store) -> Position {
    let entity = Entity::new("order-1").expect("a name");
    let event = NewEvent::json("order.placed", "{}").expect("an event");
    let commit = store.append(Batch::to(&entity).event(event)).await.expect("it is appended");
    commit.events.first().expect("one event").position
}

#[tokio::test]
async fn a_worker_takes_every_event_once_and_in_order() {
    let ((_folder, store), tasks, notes) = (store(), Tasks::default(), Notes::default());
    append(&store).await;
    let follower = Follower::start("notes", &tasks, store.clone(), Start::Beginning, notes.clone());
    follower.caught_up().await.expect("it works");
    let last = append(&store).await;
    follower.reached(last).await.expect("it works");
    assert_eq!(*notes.taken.lock(), [1, 2]);
    assert_eq!(follower.progress().through, Some(last));
    assert!(tasks.stop(Duration::MAX).await);
    let stopped = follower.reached(append(&store).await).await;
    assert_eq!(
        stopped,
        Err("the server is stopping".to_owned()),
        "a worker that has ended keeps no caller waiting"
    );
}

#[tokio::test]
async fn an_event_that_a_worker_fails_on_is_reported_and_offered_again() {
    let ((_folder, store), notes) = (store(), Notes::default());
    for problem in ["panic", "no room"] {
        let tasks = Tasks::default();
        notes.failures.lock().push(problem);
        let position = append(&store).await;
        let follower = Follower::start("notes", &tasks, store.clone(), Start::At(position), notes.clone());
        let failure = follower.reached(position).await.expect_err("the worker rests");
        assert!(failure.contains(problem), "{failure}");
        let mut progress = follower.progress.clone();
        let recovered = progress.wait_for(|progress| progress.through == Some(position)).await;
        assert_eq!(recovered.expect("it is tried again").failure, None);
        assert!(tasks.stop(Duration::MAX).await);
    }
    assert_eq!(*notes.taken.lock(), [1, 2], "no event was skipped, and none was taken twice");
}
