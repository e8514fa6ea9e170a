//! Checking snapshots files: a good one is accepted, and any changed one is refused.

use rkyv::util::AlignedVec;

use super::*;
use crate::sealed::tests::file;
use crate::snapshot::FOLD_MERGE;

type Sections = Vec<(u32, u64, Vec<u8>)>;

/// Versions 100 and 200 of an entity, and between them a state of another one.
fn states() -> [Snapshot<'static>; 3] {
    let user = Snapshot {
        id: [7; 16],
        created_at: 50,
        version: 100,
        position: 512,
        events: 100,
        last_updated: 5,
        max_timestamp: 9,
        cause: 2,
        fold: FOLD_MERGE,
        incarnation: [4; 16],
        key: "default\0user-1",
        members: &[4, 0, 0, 0, 5, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0],
        text: "name\"Ada\"n\u{f6}42",
    };
    let other = Snapshot { key: "acme\0user-123", version: 3, events: 3, members: &[], text: "", ..user };
    let later = Snapshot { version: 200, position: 901, events: 200, max_timestamp: 70, cause: 1, ..user };
    [user, Snapshot { position: 40, max_timestamp: 8, cause: 3, ..other }, later]
}

/// Opening a file only checks its header. A search in a section that the header cuts short would find nothing.
#[test]
fn the_lengths_of_the_sections_must_be_those_of_that_many_states() {
    let (header, sections) = parts(&states());
    let checked = |sections: &Sections| {
        let bytes = file(header.clone(), sections);
        check_sections(&Header::decode(&bytes, Kind::Snapshots).unwrap())
    };
    assert_eq!(checked(&sections), Ok(()));
    for number in 0..sections.len() {
        let mut changed = sections.clone();
        (changed[number].1, changed[number].2) = (0, Vec::new());
        assert!(checked(&changed).is_err(), "none of {}", sections[number].0);
    }
}

/// The header and the sections of a file of these states.
fn parts(states: &[Snapshot<'_>]) -> (Header, Sections) {
    let (mut bytes, mut places) = (Vec::new(), Vec::new());
    for state in states {
        let start = bytes.len();
        state.encode(&mut bytes);
        let (hash, length) = (key_hash(state.key.as_bytes()), (bytes.len() - start) as u64);
        let offset = (sealed::HEADER_BYTES + start) as u64;
        places.push(Place { hash, version: state.version, offset, bytes: length });
    }
    places.sort_unstable_by_key(|place| (place.hash, place.version, place.offset));
    let bits = fanout_bits(states.len() as u64);
    let below = |upper| places.iter().filter(|place| bucket(place.hash, bits) < upper).count() as u32;
    let header = Header {
        kind: Kind::Snapshots,
        store: [7; 16],
        epoch: 3,
        first_position: states.iter().map(|state| state.position).min().unwrap(),
        last_position: states.iter().map(|state| state.position).max().unwrap(),
        events: states.len() as u64,
        min_timestamp: states.iter().map(|state| state.max_timestamp).min().unwrap(),
        max_timestamp: states.iter().map(|state| state.max_timestamp).max().unwrap(),
        checksums: 0,
        checksums_crc: 0,
        source_crc: 0,
        sections: Vec::new(),
    };
    let fanout = (0..=1_u64 << bits).flat_map(|upper| below(upper).to_le_bytes()).collect();
    let sections = vec![
        (STATES, states.len() as u64, bytes),
        (DIRECTORY, states.len() as u64, places.iter().flat_map(Place::encode).collect()),
        (FANOUT, (1 << bits) + 1, fanout),
    ];
    (header, sections)
}

fn file_of(states: &[Snapshot<'_>]) -> AlignedVec<16> {
    let (header, sections) = parts(states);
    file(header, &sections)
}

fn refusal(state: Snapshot<'_>) -> Result<(), FormatError> {
    let [first, second, _] = states();
    check(&file_of(&[first, state, second])).map(drop)
}

#[test]
fn a_file_is_accepted_unchanged_but_not_with_any_byte_of_its_directory_or_fanout_changed() {
    let (header, sections) = parts(&states());
    let good = file(header.clone(), &sections);
    assert_eq!(check(&good).map(|found| (found.events, found.last_position)), Ok((3, 901)));
    for number in 0..sections.len() {
        for byte in (0..sections[number].2.len()).filter(|_| number > 0) {
            let mut changed = sections.clone();
            changed[number].2[byte] ^= 1;
            assert!(check(&file(header.clone(), &changed)).is_err(), "byte {byte} of section {number}");
        }
        let mut changed = sections.clone();
        changed[number].1 += 1;
        assert!(check(&file(header.clone(), &changed)).is_err());
        let mut changed = sections.clone();
        changed[number].2.extend([0; 8]);
        assert!(check(&file(header.clone(), &changed)).is_err());
        changed.remove(number);
        assert!(check(&file(header.clone(), &changed)).is_err());
    }
}

#[test]
fn a_header_that_contradicts_the_states_is_refused() {
    let (header, sections) = parts(&states());
    let reserved = FormatError::Reserved("source checksum of snapshots");
    let numbers = FormatError::Range("positions or timestamps of the snapshots");
    for (changed, error) in [
        (Header { source_crc: 1, ..header.clone() }, reserved),
        (Header { events: 2, ..header.clone() }, FormatError::Range("number of snapshots")),
        (Header { first_position: 41, ..header.clone() }, numbers),
        (Header { last_position: 902, ..header.clone() }, numbers),
        (Header { min_timestamp: 7, ..header.clone() }, numbers),
        (Header { max_timestamp: 71, ..header.clone() }, numbers),
    ] {
        assert_eq!(check(&file(changed, &sections)), Err(error));
    }
}

#[test]
fn an_impossible_state_is_refused() {
    let [_, _, good] = states();
    assert_eq!(refusal(good), Ok(()));
    let key = Err(FormatError::Field("key of a snapshot"));
    for bad in ["default", "\0user-1", "default\0", "default\0user-1\0", "default\0user\0\u{31}"] {
        assert_eq!(refusal(Snapshot { key: bad, ..good }), key, "{bad:?}");
    }
    let long = "x".repeat(65);
    assert_eq!(refusal(Snapshot { key: &format!("{long}\0user-1"), ..good }), key);
    assert_eq!(refusal(Snapshot { key: &format!("default\0{}", long.repeat(8)), ..good }), key);
    for cause in [0, 4] {
        assert_eq!(refusal(Snapshot { cause, ..good }), Err(FormatError::Field("cause of a snapshot")));
    }
    let time = Err(FormatError::Range("time of a snapshot"));
    assert_eq!(refusal(Snapshot { created_at: TIMESTAMP_MAX + 1, ..good }), time);
    assert_eq!(refusal(Snapshot { last_updated: TIMESTAMP_MIN - 1, ..good }), time);
    assert_eq!(refusal(Snapshot { last_updated: good.max_timestamp + 1, ..good }), time);
    let events = Err(FormatError::Range("events or position of a snapshot"));
    assert_eq!(refusal(Snapshot { events: 199, ..good }), events);
    assert_eq!(refusal(Snapshot { position: 199, ..good }), events);
}

/// A later release may fold differently; readers that do not know the fold ignore the state.
#[test]
fn a_state_of_an_unknown_fold_is_accepted() {
    let [_, _, good] = states();
    assert_eq!(refusal(Snapshot { fold: 2, ..good }), Ok(()));
}

#[test]
fn a_version_of_an_entity_may_occur_twice_but_a_place_may_not() {
    let [first, ..] = states();
    let (header, mut sections) = parts(&[first, first]);
    assert_eq!(check(&file(header.clone(), &sections)).map(|found| found.events), Ok(2));
    sections[1].2.copy_within(..PLACE_BYTES, PLACE_BYTES);
    let refused = check(&file(header, &sections));
    assert_eq!(refused, Err(FormatError::Order("directory of the snapshots")));
}

#[test]
fn places_that_do_not_cover_the_section_exactly_are_refused() {
    let (header, sections) = parts(&states());
    let places = |change: &dyn Fn(&mut [u8])| {
        let mut changed = sections.clone();
        change(&mut changed[1].2);
        check(&file(header.clone(), &changed))
    };
    // The first entry names the second state, and the last entry the third.
    let misplaced = Err(FormatError::Range("place of a snapshot"));
    assert_eq!(places(&|directory| directory[16 + 3] = 1), misplaced);
    assert_eq!(places(&|directory| directory[16] += 8), misplaced);
    assert_eq!(places(&|directory| directory[2 * PLACE_BYTES + 24] += 8), misplaced);
    let short = places(&|directory| directory[2 * PLACE_BYTES + 24] = 0);
    assert!(matches!(short, Err(FormatError::Short { .. })));
}

/// Enough states that the fanout has more than one bit and some buckets more than one entry.
#[test]
fn a_file_of_many_entities_is_accepted() {
    let [first, ..] = states();
    let keys: Vec<String> = (0..1000).map(|number| format!("default\0user-{number}")).collect();
    let many: Vec<Snapshot<'_>> = keys.iter().map(|key| Snapshot { key, ..first }).collect();
    assert_eq!(check(&file_of(&many)).map(|found| found.sections[2].count), Ok(129));
}
