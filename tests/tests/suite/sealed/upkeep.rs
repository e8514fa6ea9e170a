//! Upkeep that fails or panics: it is reported, it rests, it is tried again, and appends do not notice.

use allsource_engine::event::{Entity, NewEvent};
use allsource_engine::platform::Disk as _;
use allsource_engine::platform::sim::{Faults, Seeded};
use allsource_engine::{Batch, Health, ReadMode, Step};
use allsource_tests::queries;

use super::Store;

fn report(store: &Store, name: &str) -> (u64, u64, Option<String>) {
    let report = store.engine.upkeep().into_iter().find(|task| task.name == name).unwrap();
    (report.steps, report.failures, report.last_error)
}

/// Eight generations: enough for a merge.
fn mergeable(random: &mut Seeded) -> Store {
    let mut store = Store::new(ReadMode::Map);
    for _ in 0..8 {
        store.append(random, 12);
        assert!(store.seal());
    }
    store
}

#[test]
fn a_panic_in_a_merge_ends_that_merge_and_nothing_else() {
    let mut random = Seeded::new(2);
    let mut store = mergeable(&mut random);
    store.disk.set_faults(Faults { panic_at_create: true, ..Faults::default() });
    assert!(!store.engine.step(Step::Merge));
    let (steps, failures, error) = report(&store, "merge");
    assert_eq!((steps, failures), (0, 1));
    assert!(error.unwrap().contains("panicked"), "it is reported");
    assert!(!store.engine.step(Step::Merge), "it rests");
    assert_eq!(report(&store, "merge").1, 1);
    store.disk.set_faults(Faults::default());
    assert_eq!(store.engine.health(), Health::Serving);
    store.append(&mut random, 5);
    queries::check(&store.engine, &mut random, 20).unwrap();
    store.clock.advance(120_000_000);
    assert!(store.engine.step(Step::Merge), "it is tried again");
    assert_eq!(report(&store, "merge"), (1, 1, None));
    queries::check(&store.engine, &mut random, 20).unwrap();
}

#[test]
fn a_panic_between_naming_a_manifest_and_swapping_the_view_fences() {
    let mut random = Seeded::new(2);
    let store = mergeable(&mut random);
    store.disk.set_faults(Faults { panic_at_manifest: true, ..Faults::default() });
    assert!(!store.engine.step(Step::Merge));
    store.disk.set_faults(Faults::default());
    assert!(matches!(store.engine.health(), Health::Fenced(_)), "{:?}", store.engine.health());
    queries::check(&store.engine, &mut random, 20).unwrap();
}

/// A store whose sealed files were gone said that it was ready until a reader met the first of them.
#[test]
fn sealed_files_that_are_missing_are_reported_before_a_reader_meets_them() {
    let mut random = Seeded::new(2);
    let mut store = mergeable(&mut random);
    let names = store.disk.list("segments").unwrap();
    let of_kind = |ending: &str| names.iter().filter(|name| name.ends_with(ending)).min().unwrap().clone();
    let (records, index) =
        (of_kind(".seg"), names.iter().filter(|name| name.ends_with(".idx")).max().unwrap());
    for name in [&records, index] {
        store.disk.remove(&format!("segments/{name}")).unwrap();
    }
    store.reopen(ReadMode::Map);
    assert_eq!(store.engine.health(), Health::Serving, "nothing was read yet");
    while store.engine.step(Step::Check) {}
    assert_eq!(report(&store, "check"), (8, 0, None));
    let Health::Damaged(damages) = store.engine.health() else { panic!("{:?}", store.engine.health()) };
    let named = |name: &str| damages.iter().any(|damage| damage.file.ends_with(name));
    assert!(named(&records) && named(index) && damages.len() == 2, "{damages:?}");
    assert!(store.engine.step(Step::Index), "the missing index was rebuilt, and is written");
    assert!(!store.engine.step(Step::Check), "it is done once");
}

/// Each was written to a file of its own, and an idle store never merged them: 65,000 used up all mappings.
#[test]
fn manual_snapshots_of_an_idle_store_take_a_few_files() {
    let mut store = Store::new(ReadMode::Map);
    let entities: Vec<_> = (0..50).map(|n| Entity::new(format!("entity-{n}")).unwrap()).collect();
    for entity in &entities {
        let event = NewEvent::json("t", format!("{{\"filling\":\"{}\"}}", "x".repeat(1000))).unwrap();
        drop(store.engine.append(Batch::to(entity).event(event)));
    }
    store.settle();
    let files = |store: &Store| store.disk.paths().iter().filter(|path| path.ends_with(".snp")).count();
    for round in 0..2000 {
        for entity in &entities {
            store.engine.snapshot(entity).unwrap().unwrap();
        }
        // What upkeep does when nothing is appended.
        while store.engine.step(Step::Snapshot) {}
        assert!(files(&store) < 24, "round {round}: {} files", files(&store));
    }
    assert!(files(&store) > 0);
    store.reopen(ReadMode::Map);
    assert!(
        entities.iter().all(|entity| store.engine.latest_snapshot(entity).is_some()),
        "a close keeps them"
    );
}

/// Removing a file may take long on a busy disk, and readers answer requests.
#[test]
fn a_damaged_snapshot_file_is_removed_by_upkeep_and_not_by_its_reader() {
    let mut random = Seeded::new(3);
    let mut store = Store::new(ReadMode::Map);
    store.append(&mut random, 60);
    let entity = Entity::new("entity-1").unwrap();
    store.engine.snapshot(&entity).unwrap();
    store.reopen(ReadMode::Map);
    let path = store.disk.paths().into_iter().find(|path| path.ends_with(".snp")).unwrap();
    let mut bytes = store.disk.contents(&path).unwrap();
    bytes[4096 + 40] ^= 1;
    store.disk.damage(&path, bytes);
    store.reopen(ReadMode::Map);
    assert!(store.engine.latest_snapshot(&entity).is_none(), "damage is never served");
    assert!(store.disk.contents(&path).is_some(), "a reader removes nothing");
    store.engine.step(Step::Snapshot);
    assert!(store.disk.contents(&path).is_none(), "upkeep does");
}
