//! States are complete even if another entity shares the hash, and never taken from an impossible snapshot.

use std::sync::Arc;

use allsource_engine::event::{Entity, EventRef, Filter, NewEvent, Timestamp};
use allsource_engine::platform::sim::{SimClock, SimDisk, SimEntropy};
use allsource_engine::{
    AsOf, Batch, Engine, FoldError, Options, Position, Query, ReadMode, State, Step, Version,
};
use allsource_format::partition::key_hash;
use allsource_tests::fixture::settle;

/// Two ids whose keys in the tenant `default` share a hash: they swap the halves of a block that the hash multiplies.
const TWINS: [&str; 2] = ["victim00谚dpaķO!E+A[4K", "victim00㵌fuxďD$S)DB4s"];
/// The start of the tests' clock.
const START: i64 = 1_700_000_000_000_000;

fn options() -> Options {
    Options { partitions: 4, journal_file_bytes: 64 << 10, snapshot_events: 0, ..Options::default() }
}

fn open(disk: &SimDisk, seed: u64) -> Engine {
    open_with(disk, seed, options())
}

fn open_with(disk: &SimDisk, seed: u64, options: Options) -> Engine {
    let (clock, entropy) = (Arc::new(SimClock::at(START)), Arc::new(SimEntropy::seeded(seed)));
    Engine::open_by_hand(Arc::new(disk.clone()), clock, entropy, options).unwrap()
}

fn append(engine: &Engine, entity: &Entity, event: NewEvent) {
    let append = engine.append(Batch::to(entity).event(event));
    settle(engine);
    append.wait().unwrap();
}

fn numbered(number: u64) -> NewEvent {
    let payload = format!("{{\"n\":{number},\"filling\":\"{}\"}}", "x".repeat(300));
    NewEvent::json("t", payload).unwrap()
}

fn seal(engine: &Engine) {
    engine.step(Step::Freeze);
    settle(engine);
    while engine.step(Step::Seal) {}
}

/// Checks the states of an entity with `count` events as of every moment.
fn check_states(engine: &Engine, entity: &Entity, count: u64) {
    let events: Vec<_> = engine.read(&Query::entity(entity)).unwrap().map(|event| event.unwrap()).collect();
    assert_eq!(events.len() as u64, count);
    let check = |as_of: AsOf, expected: u64| {
        let state = engine.fold(entity, as_of).unwrap().unwrap();
        let found = (state.version().value(), state.event_count(), state.member("n"));
        assert_eq!(
            found,
            (expected, expected, Some(expected.to_string().as_str())),
            "{entity} as of {as_of:?}"
        );
    };
    check(AsOf::Now, count);
    check(AsOf::Time(Timestamp::MAX), count);
    for event in &events {
        let version = event.version();
        check(AsOf::Version(version), version.value());
        check(AsOf::Position(event.position()), version.value());
        let after = Query::matching(Filter::entity(entity).since_version(version));
        let found: Vec<u64> =
            engine.read(&after).unwrap().map(|event| event.unwrap().version().value()).collect();
        assert_eq!(found, (version.value()..=count).collect::<Vec<_>>());
        let until = Query::matching(Filter::entity(entity).until_version(version)).newest_first();
        assert_eq!(engine.read(&until).unwrap().count() as u64, version.value());
    }
    check(AsOf::Version(Version::new(count + 9).unwrap()), count);
}

/// No event after a snapshot may be left out because another entity has the same hash.
#[test]
pub(crate) fn states_of_entities_that_share_a_hash_are_complete() {
    // Which of them lies first in a file decides where a search that trusts the hash goes wrong.
    let [one, other] = TWINS.map(|id| Entity::new(id).unwrap());
    check_twins(one.clone(), other.clone());
    check_twins(other, one);
}

fn check_twins(one: Entity, other: Entity) {
    let hash_of = |entity: &Entity| key_hash(format!("default\0{}", entity.id()).as_bytes());
    assert_eq!(hash_of(&one), hash_of(&other));
    let disk = SimDisk::new(1);
    let engine = open(&disk, 1);
    // Some stretches of the first begin far below those of the other, and some far above.
    (1..=150).for_each(|number| append(&engine, &one, numbered(number)));
    (1..=5).for_each(|number| append(&engine, &other, numbered(number)));
    engine.snapshot(&other).unwrap();
    engine.snapshot(&one).unwrap();
    (6..=40).for_each(|number| append(&engine, &other, numbered(number)));
    (151..=160).for_each(|number| append(&engine, &one, numbered(number)));
    seal(&engine);
    check_states(&engine, &one, 160);
    check_states(&engine, &other, 40);
    for round in 0..8 {
        append(&engine, &other, numbered(41 + round));
        append(&engine, &one, numbered(161 + round));
        seal(&engine);
    }
    while engine.step(Step::Merge) {}
    check_states(&engine, &one, 168);
    check_states(&engine, &other, 48);
    engine.snapshot(&other).unwrap();
    append(&engine, &other, numbered(49));
    engine.close();
    drop(engine);
    disk.kill();
    let engine = open(&disk, 2);
    check_states(&engine, &one, 168);
    check_states(&engine, &other, 49);
}

/// An entity with a long history must not make reading another one with its hash as expensive as its own.
#[test]
fn reading_an_entity_does_not_read_all_of_another_with_its_hash() {
    let [one, other] = TWINS.map(|id| Entity::new(id).unwrap());
    let disk = SimDisk::new(1);
    let options = Options { read_mode: ReadMode::Read, ..options() };
    let engine = open_with(&disk, 1, options);
    let large = || NewEvent::json("t", format!("\"{}\"", "x".repeat(20_000))).unwrap();
    (0..120).for_each(|_| append(&engine, &one, large()));
    append(&engine, &other, numbered(1));
    seal(&engine);
    let reads = |entity: &Entity| {
        let before = disk.ops();
        let count = engine.read(&Query::entity(entity)).unwrap().filter(Result::is_ok).count();
        (count, disk.ops() - before)
    };
    // Stretches of 13 events, in four or five blocks each.
    let ((of_one, all), (of_other, few)) = (reads(&one), reads(&other));
    assert_eq!((of_one, of_other), (120, 1));
    assert!(few < all * 2 / 3, "{few} reads, of {all} for the other");
}

/// Changes a snapshots file of one block and recomputes its checksums.
fn change_snapshots(disk: &SimDisk, change: impl FnOnce(&mut [u8])) {
    let path = disk.paths().into_iter().find(|path| path.ends_with(".snp")).unwrap();
    let mut bytes = disk.contents(&path).unwrap();
    let checksums = u64::from_le_bytes(bytes[96..104].try_into().unwrap()) as usize;
    change(&mut bytes[4096..checksums]);
    let block = crc32fast::hash(&bytes[4096..checksums]).to_le_bytes();
    bytes[checksums..checksums + 4].copy_from_slice(&block);
    bytes[104..108].copy_from_slice(&crc32fast::hash(&block).to_le_bytes());
    let header = crc32fast::hash(&bytes[12..4096]).to_le_bytes();
    bytes[8..12].copy_from_slice(&header);
    disk.damage(&path, bytes);
}

/// A store of an entity with five events and a snapshot of the first three, after three events of another one.
fn with_snapshot(disk: &SimDisk) -> (Engine, Entity) {
    let (engine, entity) = (open(disk, 1), Entity::new("a").unwrap());
    (1..=3).for_each(|number| append(&engine, &Entity::new("b").unwrap(), numbered(number)));
    (1..=3).for_each(|number| append(&engine, &entity, numbered(number)));
    engine.snapshot(&entity).unwrap();
    (4..=5).for_each(|number| append(&engine, &entity, numbered(number)));
    engine.close();
    drop(engine);
    disk.kill();
    (open(disk, 2), entity)
}

#[test]
pub(crate) fn a_snapshot_whose_count_does_not_fit_its_version_is_not_believed() {
    // A count below the version, and a version above the position.
    for (version, events) in [(3, 2), (7, 7)] {
        let disk = SimDisk::new(1);
        let (engine, entity) = with_snapshot(&disk);
        assert_eq!(engine.latest_snapshot(&entity).unwrap().state.event_count(), 3);
        engine.close();
        drop(engine);
        disk.kill();
        change_snapshots(&disk, |states| (states[24], states[40]) = (version, events));
        let engine = open(&disk, 3);
        let state = engine.fold(&entity, AsOf::Now).unwrap().unwrap();
        assert_eq!((state.event_count(), state.version().value()), (5, 5));
    }
}

#[test]
fn a_state_of_an_earlier_fold_is_ignored() {
    let disk = SimDisk::new(1);
    let (engine, _) = with_snapshot(&disk);
    engine.close();
    drop(engine);
    disk.kill();
    change_snapshots(&disk, |states| states[68] = 1);
    let (engine, entity) = (open(&disk, 3), Entity::new("a").unwrap());
    assert!(engine.latest_snapshot(&entity).is_none());
    assert_eq!(engine.fold(&entity, AsOf::Now).unwrap().unwrap().event_count(), 5);
}

/// A snapshot at a version the log does not have is not a state of this log.
#[test]
fn a_history_that_ends_below_its_snapshot_is_an_error_and_is_not_kept() {
    let disk = SimDisk::new(1);
    let (engine, entity) = with_snapshot(&disk);
    engine.close();
    drop(engine);
    disk.kill();
    change_snapshots(&disk, |states| (states[24], states[40]) = (6, 6));
    let engine = open(&disk, 3);
    let outcome = engine.fold(&entity, AsOf::Now);
    assert_eq!(outcome.unwrap_err(), FoldError::MissingEvent { entity: entity.clone(), version: 7 });
    assert!(engine.snapshot(&entity).is_err());
    assert_eq!(state_at(&engine, &entity, AsOf::Version(Version::new(3).unwrap())).event_count(), 3);
}

fn state_at(engine: &Engine, entity: &Entity, as_of: AsOf) -> State {
    engine.fold(entity, as_of).unwrap().unwrap()
}

/// One misdated event keeps later snapshots from answering as of a time, but the answer must be right.
#[test]
fn a_misdated_event_does_not_change_states_as_of_a_time() {
    let disk = SimDisk::new(1);
    let (engine, entity) = (open(&disk, 1), Entity::new("a").unwrap());
    let at = |number: u64| Timestamp::from_micros(START + number as i64 * 1_000_000);
    for number in 1..=200 {
        let time = if number == 7 { Timestamp::MAX } else { at(number) };
        append(&engine, &entity, numbered(number).timestamp(time));
        if number % 5 == 0 {
            engine.snapshot(&entity).unwrap();
        }
        if number % 50 == 0 {
            seal(&engine);
        }
    }
    let state = state_at(&engine, &entity, AsOf::Time(at(120)));
    assert_eq!((state.version().value(), state.event_count(), state.member("n")), (120, 119, Some("120")));
    let state = state_at(&engine, &entity, AsOf::Time(at(6)));
    assert_eq!((state.version().value(), state.event_count()), (6, 6));
    assert!(engine.fold(&entity, AsOf::Time(at(0))).unwrap().is_none());
    assert_eq!(state_at(&engine, &entity, AsOf::Position(Position::new(7).unwrap())).event_count(), 7);
}

#[test]
fn a_fold_ends_where_its_caller_has_no_more_room() {
    let (engine, entity) = (open(&SimDisk::new(7), 7), Entity::new("order-1").unwrap());
    for number in 1..=20 {
        let payload = format!("{{\"m{number}\":\"{}\"}}", "x".repeat(1000));
        append(&engine, &entity, NewEvent::json("t", payload).unwrap());
    }
    let mut asked = Vec::new();
    let room = &mut |bytes| {
        asked.push(bytes);
        bytes < 20_000
    };
    assert_eq!(engine.fold_within(&entity, AsOf::Now, room, None).err(), Some(FoldError::Stopped));
    assert!(asked.is_sorted() && asked.len() < 15, "it asked for {asked:?}, and went on");
    let whole = engine.snapshot(&entity).unwrap().unwrap().state;
    assert!(whole.bytes() > 20_000, "the snapshot holds {} bytes", whole.bytes());
    settle(&engine);
    let mut count = 0;
    let visit: &mut dyn FnMut(&EventRef) -> bool = &mut |_| {
        count += 1;
        true
    };
    let within = engine.fold_within(&entity, AsOf::Now, &mut |_| true, Some(visit)).unwrap().unwrap();
    assert_eq!((within.to_json(), count), (whole.to_json(), 20));
    let mut out = b"state: ".to_vec();
    within.write_json(&mut out);
    assert_eq!(out.len(), "state: ".len() + within.json_bytes());
}
