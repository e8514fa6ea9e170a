//! Temporary conditions that keep a store from writing: it refuses with the true reason and recovers by itself.

use allsource_engine::platform::sim::{Faults, Seeded};
use allsource_engine::{AppendError, Batch, ExpectedVersion, Health, Step};
use allsource_tests::world::{World, entity};

use allsource_engine::event::NewEvent;

/// Appends one event that fills a block, and takes the steps that answer it.
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

/// File systems that copy on write need room even to overwrite; lack of it must not fence the store until a restart.
#[test]
fn a_full_disk_in_the_middle_of_a_file_refuses_and_recovers_by_itself() {
    let world = opened();
    assert_eq!(append(&world), Ok(1));
    world.disk.set_faults(Faults { full_write: 1000, ..Faults::default() });
    for _ in 0..3 {
        let refused = append(&world);
        // If the part already written cannot be cleared either, a crash may bring it back: the outcome is unknown.
        assert!(matches!(refused, Err(AppendError::StorageFull | AppendError::Unknown(_))), "{refused:?}");
        assert!(matches!(health(&world), Health::StorageFull { .. }));
    }
    world.disk.set_faults(Faults::default());
    assert_eq!(append(&world), Ok(2));
    assert_eq!(health(&world), Health::Serving);
}

/// A round built while the previous one was being written depends on it.
#[test]
fn a_round_built_on_a_refused_one_is_refused_too() {
    let mut world = opened();
    let one = (entity("default", "a"), ExpectedVersion::Empty, true);
    let two = (entity("default", "a"), ExpectedVersion::number(1), true);
    world.send(&[one]).unwrap();
    world.step(Step::Sequence).unwrap();
    world.disk.set_faults(Faults { full_write: 1000, ..Faults::default() });
    world.send(&[two]).unwrap();
    // The committer has taken the first round; the second waits behind it.
    world.step(Step::Sequence).unwrap();
    world.step(Step::Commit).unwrap();
    world.disk.set_faults(Faults::default());
    world.step(Step::Commit).unwrap();
    world.settle().unwrap();
    world.check().unwrap();
    assert_eq!(world.engine.as_ref().unwrap().watermark(), None, "both were refused");
    assert_eq!(append(&world), Ok(1));
    let counters = world.engine.as_ref().unwrap().counters();
    assert_eq!((counters.appends, counters.events_appended), (1, 1), "refused appends are not counted");
}

/// It must not be reported as "the disk is full", and must not fence the store wherever a rotation meets it.
#[test]
fn a_lack_of_descriptors_is_reported_as_such_and_passes() {
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

/// A failed sync of the spare file says nothing about the log: the file is discarded and another one created.
#[test]
fn a_spare_file_that_cannot_be_synced_is_replaced_and_nothing_is_fenced() {
    let world = opened();
    let mut next = 1;
    // Fills the first file up to its last block, so that the next append needs the spare file.
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

/// A store killed on a full disk, with `left` bytes of room and no spare file. No mark proves its last rounds; with
/// `is_torn`, part of another round follows them.
fn killed_on_a_full_disk(left: u64, is_torn: bool) -> World {
    let mut world = opened();
    for _ in 0..5 {
        world.send(&[(entity("default", "a"), ExpectedVersion::Any, true)]).unwrap();
        world.settle().unwrap();
    }
    if is_torn {
        world.send(&[(entity("default", "a"), ExpectedVersion::Any, true)]).unwrap();
        world.step(Step::Sequence).unwrap();
        world.disk.set_faults(Faults { write_error: 1000, ..Faults::default() });
        world.step(Step::Commit).unwrap();
    }
    world.kill();
    ["journal/spare.tmp", "manifest/new.tmp"].iter().for_each(|path| world.disk.lose(path));
    let used: usize =
        world.disk.paths().iter().filter_map(|path| world.disk.contents(path)).map(|f| f.len()).sum();
    world.disk.set_faults(Faults { room: Some(used as u64 + left), ..Faults::default() });
    world
}

/// A start after `storage-full` and a crash must not need room for a whole journal file.
#[test]
fn a_store_killed_on_a_full_disk_opens_with_the_room_there_is() {
    for left in [0, 100, 4096, 8192, 16 << 10, 20 << 10, 40 << 10, 64 << 10, 68 << 10, 100 << 10] {
        for is_torn in [false, true] {
            let mut world = killed_on_a_full_disk(left, is_torn);
            world.open().unwrap_or_else(|error| panic!("with {left} bytes left: {error}"));
            world.check().unwrap();
            let is_taken = append(&world).is_ok();
            assert!(
                is_taken || matches!(health(&world), Health::StorageFull { .. }),
                "{left}: {:?}",
                health(&world)
            );
            let is_enough = left >= 20 << 10;
            assert!(is_taken || !is_enough, "{left} bytes are enough for a shorter file");
            assert!(!is_taken || left > 0, "no file can be made of nothing");
            // Once more without room, then with it.
            world.kill();
            world.open().unwrap();
            world.disk.set_faults(Faults::default());
            for _ in 0..20 {
                append(&world).unwrap();
            }
            assert_eq!(health(&world), Health::Serving, "with {left} bytes left");
            world.kill();
            world.open().unwrap();
        }
    }
}

/// The server logs the first health that it finds: a full disk must not look like a store that serves until the first
/// append is refused.
#[test]
fn a_store_that_opens_without_room_says_so_before_the_first_append() {
    for is_torn in [false, true] {
        let mut world = killed_on_a_full_disk(0, is_torn);
        world.open().unwrap();
        assert!(matches!(health(&world), Health::StorageFull { .. }), "{:?}", health(&world));
        world.disk.set_faults(Faults::default());
        append(&world).unwrap();
        assert_eq!(health(&world), Health::Serving);
    }
}

/// The power fails at every operation of such an opening, and of the appends once there is room.
#[test]
fn a_crash_at_any_operation_of_an_opening_on_a_full_disk_loses_nothing() {
    for (left, is_torn) in [(0, true), (0, false), (8192, true), (40 << 10, true)] {
        for cut in 0.. {
            let mut world = killed_on_a_full_disk(left, is_torn);
            let before = world.disk.ops();
            world.disk.set_faults(Faults { power_cut_at: Some(before + cut), ..world.disk.faults() });
            if world.open().is_ok() {
                world.send(&[(entity("default", "b"), ExpectedVersion::Any, true)]).unwrap();
                world.settle().unwrap();
                world.disk.set_faults(Faults { room: None, ..world.disk.faults() });
                world.send(&[(entity("default", "b"), ExpectedVersion::Any, true)]).unwrap();
                world.settle().unwrap();
            }
            let is_whole_run = world.disk.ops() < before + cut;
            for image in 0..8_u64 {
                let mut fork = world.fork();
                let mut random = Seeded::new(cut * 8 + image);
                fork.kill();
                fork.crash(&mut || image == 1 || image > 1 && random.chance(500));
                fork.open().unwrap_or_else(|error| panic!("{left} bytes left, cut at {cut}: {error}"));
                fork.check().unwrap_or_else(|broken| panic!("{left} bytes left, cut at {cut}: {broken}"));
            }
            if is_whole_run {
                break;
            }
        }
    }
}
