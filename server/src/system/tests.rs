//! Tests of the system log.

use std::sync::Arc;
use std::time::Duration;

use allsource_engine::event::{Entity, NewEvent, Timestamp};
use allsource_engine::{Batch, ExpectedVersion, Incarnation};
use serde::{Deserialize, Serialize};

use super::*;
use crate::problem::Kind;

fn store(folder: &Path) -> Store {
    System::open(folder, &Options::default()).expect("it opens")
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn start(number: u8) -> Incarnation {
    Incarnation::from_bytes([number; 16])
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

#[tokio::test]
async fn starts_survive_a_restart_and_say_which_did_not_end_in_order() {
    let folder = folder();
    for number in 1..=3 {
        let (store, tasks) = (store(folder.path()), Tasks::default());
        let system = System::over(store.clone(), &tasks);
        system.folded().await.expect("the log can be read");
        system.starts().begin(start(number), at(number.into())).await.expect("it is recorded");
        if number != 2 {
            system.starts().end(start(number), at(100)).await.expect("it is recorded");
        }
        let known = system.starts().newest_first();
        assert_eq!(known.len(), usize::from(number), "the start before was found again");
        let newest: Vec<(String, bool)> =
            known.into_iter().map(|(key, entry)| (key, entry.value.stopped_at.is_some())).collect();
        if number == 3 {
            let name = |number| start(number).to_string();
            assert_eq!(newest, [(name(3), true), (name(2), false), (name(1), true)]);
        }
        assert!(tasks.stop(Duration::MAX).await);
        store.close();
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Colour(String);

impl Definition for Colour {
    const KIND: &'static str = "colour";
}

fn colours(store: &Store, tasks: &Tasks) -> Registry<Colour> {
    let entries: Arc<Entries<Colour>> = Arc::default();
    let log = Log::over(store.clone(), tasks, vec![Arc::clone(&entries) as _]);
    Registry::new(entries, log)
}

#[tokio::test]
async fn a_definition_changes_only_from_the_version_that_was_expected() {
    let folder = folder();
    let (store, tasks) = (store(folder.path()), Tasks::default());
    let registry = colours(&store, &tasks);
    let red = Colour("red".to_owned());
    let version = registry.set("sky", &red, ExpectedVersion::Empty).await.expect("it is new");
    assert_eq!(registry.get("sky").expect("it is seen at once").value, red);
    let blue = Colour("blue".to_owned());
    let refused = registry.set("sky", &blue, ExpectedVersion::Empty).await.expect_err("it is there");
    assert_eq!(refused.kind(), Kind::VERSION_CONFLICT);
    registry.set("sky", &blue, ExpectedVersion::At(version)).await.expect("the expected version");
    let entry = registry.get("sky").expect("it is there");
    assert_eq!((&entry.value, entry.since.value()), (&blue, 1));
    registry.remove("sky", ExpectedVersion::At(entry.version)).await.expect("the expected version");
    assert!(registry.get("sky").is_none() && registry.list().is_empty());
    assert!(tasks.stop(Duration::MAX).await);
}

#[tokio::test]
async fn a_definition_that_cannot_be_read_is_reported_and_never_skipped() {
    let tasks = Tasks::default();
    for (event_type, problem) in [("colour.set", "cannot be read"), ("colour.mixed", "is unknown")] {
        let folder = folder();
        let store = store(folder.path());
        let event = NewEvent::json(event_type, "{\"not\":\"a colour\"}").expect("an event");
        let entity = Entity::new("colour/sky").expect("a name");
        store.append(Batch::to(&entity).event(event)).await.expect("it is appended");
        let registry = colours(&store, &tasks);
        let refused = registry
            .set("sea", &Colour("green".to_owned()), ExpectedVersion::Any)
            .await
            .expect_err("the log is not folded");
        assert_eq!(refused.kind(), Kind::UNAVAILABLE);
        assert!(refused.detail().contains(problem), "{refused:?}");
        assert!(registry.get("sea").is_none());
    }
    assert!(tasks.stop(Duration::MAX).await);
}
