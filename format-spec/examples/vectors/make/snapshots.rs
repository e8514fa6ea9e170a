//! A snapshots file, with its meaning.

use allsource_format::index::{bucket, fanout_bits};
use allsource_format::partition::key_hash;
use allsource_format::sealed::{HEADER_BYTES, Header, Kind};
use allsource_format::snapshot::{DIRECTORY, FANOUT, FOLD_MERGE, PLACE_BYTES, Place, STATES, Snapshot};
use serde_json::{Value, json};

use super::generation::file;
use super::{STORE, hex, meaning};

/// When the first snapshot of the vectors was taken.
const CREATED_AT: i64 = 1_767_225_700_000_000;

/// Lengths of names and values: `name` and `"Ada"`, `n` and `1.50`, `größe` and `{"cm": [170, 171]}`.
const MEMBERS: [u8; 24] = [4, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 7, 0, 0, 0, 18, 0, 0, 0];

/// Versions 100 and 200 of an entity, and between them a state without members of another tenant's entity.
pub(crate) fn states() -> [Snapshot<'static>; 3] {
    let user = Snapshot {
        id: *b"snapshot-vector1",
        created_at: CREATED_AT,
        version: 100,
        position: 512,
        events: 100,
        last_updated: CREATED_AT - 86_400_000_000,
        max_timestamp: CREATED_AT - 2_000_000,
        cause: 2,
        fold: FOLD_MERGE,
        incarnation: *b"third-of-vectors",
        key: "default\0user-1",
        members: &MEMBERS,
        text: "name\"Ada\"n1.50größe{\"cm\": [170, 171]}",
    };
    let other = Snapshot {
        id: *b"snapshot-vector2",
        created_at: CREATED_AT + 1,
        version: 3,
        position: 17,
        events: 3,
        last_updated: CREATED_AT - 3_000_000,
        max_timestamp: CREATED_AT - 3_000_000,
        cause: 1,
        key: "acme\0user-123",
        members: &[],
        text: "",
        ..user
    };
    let later = Snapshot {
        id: *b"snapshot-vector3",
        created_at: CREATED_AT + 2,
        version: 200,
        position: 901,
        events: 200,
        last_updated: CREATED_AT - 1_000_000,
        max_timestamp: CREATED_AT - 1_000_000,
        cause: 3,
        members: MEMBERS.first_chunk::<16>().expect("two members"),
        text: "name\"Eva\"n2.50",
        ..user
    };
    [user, other, later]
}

/// A file of these states in the given order.
pub(crate) fn file_of(states: &[Snapshot<'_>]) -> Vec<u8> {
    let (mut bytes, mut places) = (Vec::new(), Vec::new());
    for state in states {
        let start = bytes.len();
        state.encode(&mut bytes);
        places.push(Place {
            hash: key_hash(state.key.as_bytes()),
            version: state.version,
            offset: (HEADER_BYTES + start) as u64,
            bytes: (bytes.len() - start) as u64,
        });
    }
    places.sort_unstable_by_key(|place| (place.hash, place.version, place.offset));
    let (count, bits) = (places.len() as u64, fanout_bits(places.len() as u64));
    let below = |upper| places.partition_point(|place| bucket(place.hash, bits) < upper) as u32;
    let fanout = (0..=1_u64 << bits).flat_map(|upper| below(upper).to_le_bytes()).collect();
    let positions = || states.iter().map(|state| state.position);
    let times = || states.iter().map(|state| state.max_timestamp);
    let header = Header {
        kind: Kind::Snapshots,
        store: STORE,
        epoch: 3,
        first_position: positions().min().expect("no file is empty"),
        last_position: positions().max().expect("no file is empty"),
        events: count,
        min_timestamp: times().min().expect("no file is empty"),
        max_timestamp: times().max().expect("no file is empty"),
        checksums: 0,
        checksums_crc: 0,
        source_crc: 0,
        sections: Vec::new(),
    };
    let directory = places.iter().flat_map(Place::encode).collect();
    let sections = [(STATES, count, bytes), (DIRECTORY, count, directory), (FANOUT, (1 << bits) + 1, fanout)];
    file(header, &sections)
}

/// The meaning of a snapshots file.
pub(crate) fn meaning_of(bytes: &[u8]) -> Value {
    let header = Header::decode(bytes, Kind::Snapshots).expect("a vector is whole");
    let section = |kind| header.section(kind).of(bytes);
    let entries = section(DIRECTORY).chunks(PLACE_BYTES);
    let places: Vec<Place> = entries.map(|entry| Place::decode(entry).expect("an entry")).collect();
    let mut by_offset = places.clone();
    by_offset.sort_unstable_by_key(|place| place.offset);
    let place = |place: &Place| {
        json!({"hash": format!("{:016x}", place.hash), "version": place.version, "offset": place.offset,
            "bytes": place.bytes})
    };
    let state = |place: &Place| {
        let state = &bytes[place.offset as usize..][..place.bytes as usize];
        state_meaning(&Snapshot::decode(state).expect("a vector is whole"))
    };
    let fanout = section(FANOUT).chunks(4);
    json!({
        "header": meaning::header(&header),
        "states": by_offset.iter().map(state).collect::<Vec<_>>(),
        "directory": places.iter().map(place).collect::<Vec<_>>(),
        "fanout": fanout.map(|entry| u32::from_le_bytes(entry.try_into().expect("four bytes"))).collect::<Vec<_>>(),
    })
}

fn state_meaning(state: &Snapshot<'_>) -> Value {
    let (tenant, entity_id) = state.key.split_once('\0').expect("a key");
    let mut rest = state.text;
    let mut take = |bytes| {
        let (now, behind) = rest.split_at(bytes);
        rest = behind;
        now
    };
    let members: Vec<[&str; 2]> = state.lengths().map(|(name, value)| [take(name), take(value)]).collect();
    json!({
        "id": hex(&state.id), "created_at": state.created_at, "version": state.version, "position": state.position,
        "events": state.events, "last_updated": state.last_updated, "max_timestamp": state.max_timestamp,
        "cause": state.cause, "fold": state.fold, "incarnation": hex(&state.incarnation), "tenant": tenant, "entity_id": entity_id, "members": members,
    })
}
