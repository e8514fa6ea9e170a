//! What keeps a store from writing and passes: it is refused for what it is, and the store goes on by itself.

use allsource_engine::platform::sim::Faults;
use allsource_engine::{AppendError, Batch, ExpectedVersion, Health, Step};
use allsource_tests::world::{World, entity};

use allsource_engine::event::NewEvent;

/// Appends one event of a block and takes the steps that answer it.
fn append(world: &World) -> Result<u64, AppendError> {
    let engine = world.engine.as_ref().unwrap();
    let event = NewEvent::json("t", "{}").unwrap();
    let append = engine.append(Batch::to(&entity("default", "a")).event(event));
    engine.step(Step::Prepare);
    engine.step(Step::Sequence);
    engine.step(Step::Commit);
    let answer = append.try_wait().map_err(|_| "the append is not answered").unwrap();
    answer.map(|commit| commit.events[0].position.value())
}

fn health(world: &World) -> Health {
    world.engine.as_ref().unwrap().health()
}

fn opened() -> World {
    let mut world = World::new(1);
    world.options.seal_bytes = u64::MAX;
    world.open().unwrap();
    world
}

/// File systems that copy on write need room to overwrite. That once fenced the store until a restart.
#[test]
fn a_full_disk_in_the_midst_of_a_file_refuses_and_goes_on_by_itself() {
    let world = opened();
    assert_eq!(append(&world), Ok(1));
    world.disk.set_faults(Faults { full_write: 1000, ..Faults::default() });
    for _ in 0..3 {
        let refused = append(&world);
        // If the part that was written cannot be cleared either, a crash may bring it back: then it is not known.
        assert!(matches!(refused, Err(AppendError::StorageFull | AppendError::Unknown(_))), "{refused:?}");
        assert!(matches!(health(&world), Health::StorageFull { .. }));
    }
    world.disk.set_faults(Faults::default());
    assert_eq!(append(&world), Ok(2));
    assert_eq!(health(&world), Health::Serving);
}

/// A round that was built while the one before it was written has been built on it.
#[test]
fn a_round_that_was_built_on_a_refused_one_is_refused_with_it() {
    let mut world = opened();
    let one = (entity("default", "a"), ExpectedVersion::Empty, true);
    let two = (entity("default", "a"), ExpectedVersion::number(1), true);
    world.send(&[one]).unwrap();
    world.step(Step::Sequence).unwrap();
    world.disk.set_faults(Faults { full_write: 1000, ..Faults::default() });
    world.send(&[two]).unwrap();
    // The committer has taken the first round, and the second waits behind it.
    world.step(Step::Sequence).unwrap();
    world.step(Step::Commit).unwrap();
    world.disk.set_faults(Faults::default());
    world.step(Step::Commit).unwrap();
    world.settle().unwrap();
    world.check().unwrap();
    assert_eq!(world.engine.as_ref().unwrap().watermark(), None, "both were refused");
    assert_eq!(append(&world), Ok(1));
    let counters = world.engine.as_ref().unwrap().counters();
    assert_eq!((counters.appends, counters.events_appended), (1, 1), "what was refused is not counted");
}

/// It was once reported as "the disk is full"; a rotation that met it in another place fenced the store.
#[test]
fn a_lack_of_descriptors_is_reported_as_that_and_passes() {
    let world = opened();
    assert_eq!(append(&world), Ok(1));
    let mut next = 2;
    world.disk.set_faults(Faults { descriptors: Some(0), ..Faults::default() });
    let refused = loop {
        match append(&world) {
            Ok(position) => next = position + 1,
            Err(refused) => break refused,
        }
    };
    assert!(
        matches!(&refused, AppendError::Refusing(reason) if reason.contains("os error 24")),
        "{refused:?}"
    );
    assert!(matches!(health(&world), Health::Refusing(_)), "{:?}", health(&world));
    world.disk.set_faults(Faults::default());
    assert_eq!(append(&world), Ok(next));
    assert_eq!(health(&world), Health::Serving);
}

/// A sync of the spare file that fails says nothing about the log: the file is thrown away and another one made.
#[test]
fn a_spare_file_that_cannot_be_synced_is_replaced_and_nothing_is_fenced() {
    let world = opened();
    let mut next = 1;
    // The last block of the first file but for the header: the next append needs the spare file.
    while next <= 15 {
        assert_eq!(append(&world), Ok(next));
        next += 1;
    }
    world.disk.set_faults(Faults { sync_error: 1000, ..Faults::default() });
    let refused = append(&world);
    assert!(matches!(refused, Err(AppendError::Refusing(_))), "{refused:?}");
    world.disk.set_faults(Faults::default());
    assert_eq!(append(&world), Ok(next));
    assert_eq!(health(&world), Health::Serving);
}
