//! Files that cannot be read now are not damaged: the store reports that, does not remember it, and recovers by itself.

use allsource_engine::event::{Entity, NewEvent};
use allsource_engine::platform::sim::{Faults, Seeded, SimDisk};
use allsource_engine::{
    AppendError, Batch, ExpectedVersion, Health, Options, Query, ReadError, ReadMode, Step,
};
use allsource_tests::queries;

use super::Store;

fn path(disk: &SimDisk, end: &str) -> String {
    disk.paths().into_iter().find(|path| path.ends_with(end)).unwrap()
}

/// A store of sealed events, with no file open yet.
fn sealed(read_mode: ReadMode) -> Store {
    let mut store = Store::new(read_mode);
    store.append(&mut Seeded::new(3), 60);
    assert!(store.seal());
    store.reopen(read_mode);
    store
}

fn read_all(store: &Store) -> Result<usize, ReadError> {
    let events = store.engine.read(&Query::all())?.collect::<Result<Vec<_>, _>>()?;
    Ok(events.len())
}

#[test]
fn a_lack_of_descriptors_is_not_damage_and_passes() {
    for mode in [ReadMode::Map, ReadMode::Read] {
        let store = sealed(mode);
        store.disk.set_faults(Faults { descriptors: Some(0), ..Faults::default() });
        assert!(matches!(read_all(&store), Err(ReadError::Unavailable(_))), "{mode:?}");
        assert!(matches!(store.engine.stats(None), Err(ReadError::Unavailable(_))), "{mode:?}");
        let event = NewEvent::json("t", "{}").unwrap();
        let batch = Batch::to(&Entity::new("entity-1").unwrap()).expect(ExpectedVersion::Exists).event(event);
        let refused = store.engine.append(batch.clone());
        assert!(matches!(refused.try_wait(), Ok(Err(AppendError::Unavailable(_)))), "{mode:?}");
        assert_eq!(store.engine.health(), Health::Serving, "{mode:?}");
        store.disk.set_faults(Faults::default());
        assert_eq!(read_all(&store).unwrap(), 60, "{mode:?}");
        let appended = store.engine.append(batch);
        store.settle();
        assert!(matches!(appended.try_wait(), Ok(Ok(_))), "{mode:?}");
        assert!(!store.engine.step(Step::Index), "{mode:?}: a healthy index is not rebuilt");
        assert_eq!(store.engine.counters().damaged_files, 0, "{mode:?}");
    }
}

/// The number of open files must not grow with the partitions, or a store with 1,024 of them never seals anything.
#[test]
fn sealing_merging_and_reading_1024_partitions_takes_a_few_descriptors() {
    let options = Options { partitions: 1024, read_mode: ReadMode::Read, ..super::options(ReadMode::Read) };
    let mut store = Store::with(options);
    let mut random = Seeded::new(9);
    store.disk.take_most_open_files();
    for _ in 0..8 {
        for number in 0..200 {
            let entity = Entity::new(format!("entity-{}", random.below(100_000))).unwrap();
            let event = NewEvent::json("t", format!("{number}")).unwrap();
            drop(store.engine.append(Batch::to(&entity).event(event)));
        }
        store.settle();
        assert!(store.seal());
    }
    assert!(store.engine.step(Step::Merge));
    assert_eq!(store.engine.counters().generations, 1);
    assert_eq!(read_all(&store).unwrap(), 1600);
    let most = store.disk.take_most_open_files();
    assert!(most <= 24, "{most} files were open at once");
    store.append(&mut random, 1);
}

#[test]
fn no_more_files_stay_open_than_the_options_say() {
    let options = Options { open_files: 4, ..super::options(ReadMode::Read) };
    let mut store = Store::with(options);
    let mut random = Seeded::new(9);
    for _ in 0..7 {
        store.append(&mut random, 20);
        assert!(store.seal());
    }
    for _ in 0..3 {
        queries::check(&store.engine, &mut random, 10).unwrap();
    }
    store.disk.take_most_open_files();
    queries::check(&store.engine, &mut random, 10).unwrap();
    // Two journal files, the lock, and files that readers still hold after the cache dropped them.
    let most = store.disk.take_most_open_files();
    assert!(most <= 10, "{most} files were open at once");
}

#[test]
fn an_index_that_cannot_be_read_now_is_neither_damaged_nor_rebuilt() {
    for mode in [ReadMode::Map, ReadMode::Read] {
        let store = sealed(mode);
        let index = path(&store.disk, ".idx");
        let length = store.disk.contents(&index).unwrap().len() as u64;
        store.disk.make_unreadable(&index, 4096..length);
        assert!(matches!(read_all(&store), Err(ReadError::Unavailable(_))), "{mode:?}");
        assert_eq!(store.engine.health(), Health::Serving, "{mode:?}");
        assert!(!store.engine.step(Step::Index), "{mode:?}");
        store.disk.make_readable(&index);
        queries::check(&store.engine, &mut Seeded::new(5), 20).unwrap();
    }
}

#[test]
fn a_rebuild_that_failed_is_not_tried_again_by_every_request() {
    let store = sealed(ReadMode::Read);
    let (index, segment) = (path(&store.disk, ".idx"), path(&store.disk, ".seg"));
    store.disk.lose(&index);
    let length = store.disk.contents(&segment).unwrap().len() as u64;
    store.disk.make_unreadable(&segment, 4096..length);
    let ops_of_a_read = || {
        let before = store.disk.ops();
        assert!(matches!(read_all(&store), Err(ReadError::Unavailable(_))));
        store.disk.ops() - before
    };
    let (first, second) = (ops_of_a_read(), ops_of_a_read());
    assert!(first > second && second <= 2, "{first}, then {second} operations of the disk");
    store.disk.make_readable(&segment);
    store.clock.advance(120_000_000);
    queries::check(&store.engine, &mut Seeded::new(5), 20).unwrap();
    assert!(store.engine.step(Step::Index), "the index is written again");
}
