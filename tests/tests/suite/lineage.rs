//! Which history a store holds, and what cursors and snapshots of another history are worth.

use std::sync::Arc;

use allsource_engine::event::{Entity, Filter, NewEvent};
use allsource_engine::platform::sim::{SimClock, SimDisk, SimEntropy};
use allsource_engine::{AsOf, Batch, Cursor, CursorError, Durability, Engine, Message, Options, Start, Step};
use allsource_tests::fixture::settle;

/// Opens a store; the seed determines the incarnation.
fn open(disk: &SimDisk, seed: u64, durability: Durability) -> Engine {
    let options = Options { partitions: 2, journal_file_bytes: 64 << 10, durability, ..Options::default() };
    let clock = Arc::new(SimClock::at(1_800_000_000_000_000));
    let entropy = Arc::new(SimEntropy::seeded(seed));
    Engine::open_by_hand(Arc::new(disk.clone()), clock, entropy, options).unwrap()
}

fn user() -> Entity {
    Entity::new("user-1").unwrap()
}

/// Appends events whose only member has this name.
fn append(engine: &Engine, count: u64, member: &str) {
    for number in 0..count {
        let event = NewEvent::json("user.changed", format!(r#"{{"{member}":{number}}}"#)).unwrap();
        drop(engine.append(Batch::to(&user()).event(event)));
        settle(engine);
    }
}

fn close(engine: Engine, disk: &SimDisk) {
    engine.close();
    drop(engine);
    disk.kill();
}

/// The cursor of a subscriber that has read everything.
fn cursor_at_end(engine: &Engine) -> Cursor {
    let mut live = engine.subscribe(Start::Beginning, Filter::all()).unwrap();
    while !matches!(live.try_next().unwrap().unwrap(), Message::CaughtUp(_)) {}
    live.cursor()
}

fn resume(engine: &Engine, cursor: Cursor) -> Result<Vec<u64>, CursorError> {
    let mut live = engine.subscribe(Start::Cursor(cursor), Filter::all())?;
    let mut positions = Vec::new();
    while let Some(Ok(message)) = live.try_next() {
        if let Message::Event(event) = message {
            positions.push(event.position().value());
        }
    }
    Ok(positions)
}

/// A store restored to position 12 that has grown to 30 must not accept a cursor at 20: its client would never see what
/// positions 13 to 20 now hold.
#[test]
fn a_cursor_does_not_outlive_a_restore_to_before_its_position() {
    let disk = SimDisk::new(1);
    let engine = open(&disk, 1, Durability::Sync);
    append(&engine, 10, "a");
    let early = cursor_at_end(&engine);
    close(engine, &disk);
    let engine = open(&disk, 2, Durability::Sync);
    append(&engine, 2, "a");
    let copied = cursor_at_end(&engine);
    close(engine, &disk);
    let copy = disk.fork();
    let engine = open(&disk, 3, Durability::Sync);
    append(&engine, 8, "lost");
    let lost = cursor_at_end(&engine);
    assert_eq!((lost.position, engine.check_cursor(lost).is_ok()), (20, true));
    close(engine, &disk);

    let engine = open(&copy, 4, Durability::Sync);
    append(&engine, 18, "b");
    assert_eq!(resume(&engine, lost), Err(CursorError::OtherHistory { position: 20, common: None }));
    assert_eq!(resume(&engine, early).unwrap(), (11..=30).collect::<Vec<_>>());
    assert_eq!(resume(&engine, copied).unwrap(), (13..=30).collect::<Vec<_>>());
    let known = Cursor { position: 20, ..copied };
    assert_eq!(resume(&engine, known), Err(CursorError::OtherHistory { position: 20, common: Some(12) }));
    let beyond = Cursor { position: 31, incarnation: None };
    assert_eq!(resume(&engine, beyond), Err(CursorError::BeyondEnd { position: 31, end: 30 }));
}

#[test]
fn a_store_that_only_moved_accepts_its_clients_cursors() {
    let disk = SimDisk::new(1);
    let mut cursors = Vec::new();
    for seed in 1..=5 {
        let engine = open(&disk, seed, Durability::Sync);
        for cursor in &cursors {
            resume(&engine, *cursor).unwrap();
        }
        append(&engine, 3, "a");
        cursors.push(cursor_at_end(&engine));
        if seed % 2 == 0 {
            engine.step(Step::Freeze);
            settle(&engine);
            engine.step(Step::Seal);
        }
        close(engine, &disk);
    }
    let moved = disk.fork();
    let engine = open(&moved, 9, Durability::Sync);
    assert_eq!(engine.lineage().len(), 6, "five incarnations that wrote, and this one");
    for cursor in cursors {
        assert_eq!(resume(&engine, cursor).unwrap(), (cursor.position + 1..=15).collect::<Vec<_>>());
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
    }
}

#[test]
fn events_a_crash_took_back_are_told_apart_from_later_ones() {
    let disk = SimDisk::new(1);
    let engine = open(&disk, 1, Durability::None);
    append(&engine, 5, "a");
    let lost = cursor_at_end(&engine);
    drop(engine);
    disk.crash(&mut || false);
    let engine = open(&disk, 2, Durability::None);
    append(&engine, 9, "b");
    assert_eq!(resume(&engine, lost), Err(CursorError::OtherHistory { position: 5, common: None }));
    assert_eq!(engine.lineage().len(), 1, "nothing the first one wrote is left");
}

/// Two copies with different histories after the fifth event.
fn parted() -> (SimDisk, SimDisk) {
    let one = SimDisk::new(1);
    let engine = open(&one, 1, Durability::Sync);
    append(&engine, 5, "common");
    close(engine, &one);
    let other = one.fork();
    for (disk, seed, member) in [(&one, 2, "one"), (&other, 3, "other")] {
        let engine = open(disk, seed, Durability::Sync);
        append(&engine, 5, member);
        engine.snapshot(&user()).unwrap().unwrap();
        close(engine, disk);
    }
    (one, other)
}

/// Otherwise the state would mix members of both histories.
#[test]
fn a_snapshot_of_another_history_is_not_used() {
    let (one, other) = parted();
    for path in one.paths().iter().filter(|path| path.starts_with("snapshots/")) {
        one.lose(path);
    }
    for path in other.paths().iter().filter(|path| path.starts_with("snapshots/")) {
        one.damage(path, other.contents(path).unwrap());
    }
    let engine = open(&one, 4, Durability::Sync);
    append(&engine, 1, "one");
    let state = engine.fold(&user(), AsOf::Now).unwrap().unwrap();
    assert_eq!((state.event_count(), state.to_json().as_str()), (11, r#"{"common":4,"one":0}"#));
    assert!(engine.latest_snapshot(&user()).is_none());
    assert!(engine.snapshots(user().tenant(), None, 10).0.is_empty());
}

#[test]
fn a_snapshot_of_the_stores_own_history_is_used_after_it_moved() {
    let (one, _) = parted();
    let engine = open(&one, 4, Durability::Sync);
    assert!(engine.latest_snapshot(&user()).is_some());
    let state = engine.fold(&user(), AsOf::Now).unwrap().unwrap();
    assert_eq!((state.event_count(), state.to_json().as_str()), (10, r#"{"common":4,"one":4}"#));
}
