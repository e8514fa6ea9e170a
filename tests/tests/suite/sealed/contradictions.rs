//! Sealed files whose checksums are right and whose contents contradict each other, as only a mistake or an attacker
//! leaves them: no wrong answer, and what can be rebuilt is rebuilt.

use allsource_engine::event::EventType;
use allsource_engine::{AppendError, Damage, FoldError, ReadError};
use allsource_format::index::{ENTITIES, PLACES, Stretch, TIMES, TYPE_KEYS, TYPE_LISTS};
use allsource_format::manifest::Manifest;
use allsource_format::record::{Draft, Record, Stamp, complete, encode};
use allsource_format::sealed::{Header, Kind};
use allsource_format::segment::{RECORDS, SEGMENTS, Segment};
use rkyv::util::AlignedVec;

use super::sections::{Change, changed};
use super::*;

/// A section of a sealed file.
fn section(file: &[u8], kind: Kind, number: u32) -> Vec<u8> {
    Header::decode(file, kind).unwrap().section(number).of(file).to_vec()
}

/// A store of one generation, closed.
fn sealed() -> Store {
    let mut store = Store::new(ReadMode::Map);
    store.append(&mut Seeded::new(31), 60);
    assert!(store.seal());
    store.engine.close();
    store.disk.kill();
    store
}

fn path(store: &Store, ending: &str) -> String {
    store.disk.paths().into_iter().find(|path| path.ends_with(ending)).unwrap()
}

/// Changes the first stretch of more than one event.
fn stretch(section: &mut [u8], change: impl Fn(&mut Stretch)) {
    let (entries, _) = section.as_chunks_mut::<32>();
    let decoded = |entry: &[u8; 32]| Stretch::decode(entry).unwrap();
    let entry = entries.iter_mut().find(|entry| decoded(entry).count > 1).unwrap();
    let mut found = decoded(entry);
    change(&mut found);
    entry.copy_from_slice(&found.encode());
}

type Ask = fn(&Engine) -> Result<(), ReadError>;
type Edit = fn(&mut [u8]);
type Restamp = fn(&mut Stamp);

fn everything(engine: &Engine) -> Result<(), ReadError> {
    engine.read(&Query::all())?.try_for_each(|event| event.map(drop))
}

fn of_each_entity(engine: &Engine) -> Result<(), ReadError> {
    for tenant in ["default", "acme"] {
        for number in 0..9 {
            let id = EntityId::new(format!("entity-{number}")).unwrap();
            let entity = Entity::of(TenantId::new(tenant).unwrap(), id);
            engine.read(&Query::entity(&entity))?.try_for_each(|event| event.map(drop))?;
            engine.head(&entity)?;
            match engine.fold(&entity, AsOf::Now) {
                Err(FoldError::Read(error)) => return Err(error),
                folded => drop(folded.unwrap()),
            }
        }
    }
    Ok(())
}

fn of_each_type(engine: &Engine) -> Result<(), ReadError> {
    for name in ["order.placed", "order.paid", "stock.moved", "user.created"] {
        let filter = Filter::tenant(TenantId::default()).of_type(EventType::new(name).unwrap());
        engine.read(&Query::matching(filter))?.try_for_each(|event| event.map(drop))?;
    }
    Ok(())
}

fn counts(engine: &Engine) -> Result<(), ReadError> {
    engine.stats(None).map(drop)
}

/// Each of these indexes would give wrong answers, or errors for ever.
#[test]
fn an_index_that_contradicts_itself_or_its_records_is_rebuilt() {
    let changes: [(&str, u32, Edit, Ask); 8] = [
        ("two places are swapped", PLACES, |bytes| bytes[..16].rotate_left(8), everything),
        ("a place is no record", PLACES, |bytes| bytes[0] ^= 8, everything),
        ("a place is outside the file", PLACES, |bytes| bytes[5] = 0xff, everything),
        ("a stretch lies elsewhere", ENTITIES, |all| stretch(all, |one| one.offset += 8), of_each_entity),
        ("a stretch is too long", ENTITIES, |all| stretch(all, |one| one.count += 1), of_each_entity),
        (
            "a stretch begins later",
            ENTITIES,
            |all| stretch(all, |one| one.first_version += 1),
            of_each_entity,
        ),
        ("a list is out of order", TYPE_LISTS, |all| all.as_chunks_mut::<4>().0.reverse(), of_each_type),
        ("a type has no tenant", TYPE_KEYS, |all| all.iter_mut().for_each(|byte| *byte |= 1), counts),
    ];
    for (what, number, change, ask) in changes {
        let mut store = sealed();
        let path = path(&store, ".idx");
        let good = store.disk.contents(&path).unwrap();
        let mut bytes = section(&good, Kind::Index, number);
        change(&mut bytes);
        store.disk.damage(&path, changed(&good, Kind::Index, number, Change::To(&bytes)));
        store.reopen(ReadMode::Map);
        match ask(&store.engine) {
            Ok(()) => {}
            Err(ReadError::Damaged(Damage { file, .. })) => assert_eq!(file, path, "{what}"),
            Err(error) => panic!("{what}: {error}"),
        }
        let health = store.engine.health();
        assert!(matches!(&health, Health::Damaged(all) if all[0].file == path), "{what}: {health:?}");
        queries::check(&store.engine, &mut Seeded::new(5), 30)
            .unwrap_or_else(|broken| panic!("{what}: {broken}"));
        assert!(store.engine.step(Step::Index), "{what}");
        assert_eq!(store.engine.health(), Health::Serving, "{what}");
        assert!(store.disk.contents(&path).unwrap() == good, "{what}: the index is written as it was");
    }
}

/// An index over other records may contradict these ones nowhere, and still give wrong answers.
#[test]
pub(crate) fn an_index_over_other_records_is_not_believed() {
    let mut store = sealed();
    let path = path(&store, ".idx");
    let good = store.disk.contents(&path).unwrap();
    let times = vec![0; section(&good, Kind::Index, TIMES).len()];
    let other = changed(&good, Kind::Index, TIMES, Change::To(&times));
    let header = Header::decode(&other, Kind::Index).unwrap();
    let header = Header { source_crc: header.source_crc ^ 1, ..header }.encode();
    store.disk.damage(&path, [&header[..], &other[header.len()..]].concat());
    store.reopen(ReadMode::Map);
    queries::check(&store.engine, &mut Seeded::new(5), 60).unwrap();
    assert!(store.engine.step(Step::Index));
    assert!(store.disk.contents(&path).unwrap() == good);
}

/// Puts another segments file in place of a store's, with a manifest and an index that say it is the right one.
fn replace_segments(store: &Store, segments: &[u8]) {
    let (path, index) = (path(store, ".seg"), path(store, ".idx"));
    let crc = Header::crc(segments);
    store.disk.damage(&path, segments.to_vec());
    let bytes = store.disk.contents(&index).unwrap();
    let header = Header { source_crc: crc, ..Header::decode(&bytes, Kind::Index).unwrap() }.encode();
    store.disk.damage(&index, [&header[..], &bytes[header.len()..]].concat());
    for path in store.disk.paths().iter().filter(|path| path.starts_with("manifest/0")) {
        let mut manifest = Manifest::decode(&store.disk.contents(path).unwrap()).unwrap();
        for entry in &mut manifest.generations {
            entry.records.checksum = crc;
        }
        store.disk.damage(path, manifest.encode());
    }
}

/// The records with the first one stamped again.
fn restamped(records: &[u8], change: impl Fn(&mut Stamp)) -> Vec<u8> {
    let mut all = AlignedVec::<16>::new();
    all.extend_from_slice(records);
    let record = Record::at(&all).unwrap();
    let tags: Vec<&str> = record.tags().collect();
    let draft = Draft {
        id: record.id(),
        timestamp: record.is_timestamp_given().then(|| record.timestamp()),
        is_json: record.is_json(),
        tenant: record.tenant(),
        entity_id: record.entity_id(),
        event_type: record.event_type(),
        payload: record.payload(),
        metadata: record.metadata(),
        tags: &tags,
    };
    let mut stamp = Stamp {
        position: record.position(),
        version: record.version(),
        recorded_at: record.recorded_at(),
        clock: record.timestamp(),
    };
    change(&mut stamp);
    let mut first = AlignedVec::<16>::new();
    let crc = encode(&draft, &mut first).unwrap();
    complete(&mut first, crc, &stamp);
    [&first[..], &records[first.len()..]].concat()
}

/// Records with such numbers must not be served, and nothing may panic over them.
#[test]
fn records_with_version_0_or_a_position_held_twice_are_reported_and_not_served() {
    let changes: [(&str, Restamp); 3] = [
        ("version 0", |stamp| stamp.version = 0),
        ("a position held twice", |stamp| stamp.position = if stamp.position == 7 { 8 } else { 7 }),
        ("a position of another generation", |stamp| stamp.position += 1000),
    ];
    for (what, change) in changes {
        let mut store = sealed();
        let path = path(&store, ".seg");
        let good = store.disk.contents(&path).unwrap();
        let records = restamped(&section(&good, Kind::Segments, RECORDS), change);
        replace_segments(&store, &changed(&good, Kind::Segments, RECORDS, Change::To(&records)));
        store.reopen(ReadMode::Map);
        let error = everything(&store.engine).unwrap_err();
        assert!(matches!(&error, ReadError::Damaged(damage) if damage.file == path), "{what}: {error}");
        let health = store.engine.health();
        let is_listed = |all: &[Damage]| all.iter().any(|damage| damage.file == path);
        assert!(matches!(&health, Health::Damaged(all) if is_listed(all)), "{what}: {health:?}");
        // A merge must refuse them, and leave its sources as they are.
        let mut random = Seeded::new(6);
        (0..7).for_each(|_| {
            store.append(&mut random, 20);
            assert!(store.seal());
        });
        assert!(!store.engine.step(Step::Merge), "{what}");
        assert!(store.disk.contents(&path).is_some(), "{what}");
    }
}

/// The sequence of a stored event cannot be told then, and a retry must not invent one.
#[test]
fn a_segments_file_without_the_partition_of_an_event_is_reported() {
    let mut store = sealed();
    let path = path(&store, ".seg");
    let good = store.disk.contents(&path).unwrap();
    let mut table = section(&good, Kind::Segments, SEGMENTS);
    let (entries, _) = table.as_chunks_mut::<32>();
    let last = entries.last_mut().unwrap();
    let partition = Segment::decode(last).unwrap().partition;
    *last = Segment { partition: 1000, ..Segment::decode(last).unwrap() }.encode();
    replace_segments(&store, &changed(&good, Kind::Segments, SEGMENTS, Change::To(&table)));
    store.reopen(ReadMode::Map);
    let all: Vec<_> = store.engine.read(&Query::all()).unwrap().map(Result::unwrap).collect();
    let event = all.iter().find(|event| event.partition(4) == partition).unwrap();
    let entity =
        Entity::of(TenantId::new(event.tenant()).unwrap(), EntityId::new(event.entity_id()).unwrap());
    let retry = NewEvent::json(event.event_type(), "{}").unwrap().id(event.id());
    let refused = store.engine.append(Batch::to(&entity).event(retry)).try_wait();
    assert!(matches!(&refused, Ok(Err(AppendError::Damaged(damage))) if damage.file == path), "{refused:?}");
    let health = store.engine.health();
    assert!(matches!(&health, Health::Damaged(all) if all[0].file == path), "{health:?}");
}
