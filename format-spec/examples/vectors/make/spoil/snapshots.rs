//! Snapshots files that must be refused.

use allsource_format::limits::TIMESTAMP_MAX;
use allsource_format::snapshot::{HEADER_BYTES, PLACE_BYTES, Snapshot};
use serde_json::json;

use super::put;
use super::sealed::Repair::{self, Everything, Header, Nothing};
use super::sealed::{TABLE, add, repair, section};
use crate::make::Vector;
use crate::make::snapshots::{file_of, states};

/// Offsets in a state.
const VERSION: usize = 24;
const COUNT_OF_MEMBERS: usize = 76;
const TEXT_BYTES: usize = 80;
const RESERVED: usize = 84;

/// Offsets in a directory entry.
const OFFSET: usize = 16;
const BYTES: usize = 24;

pub(super) fn all() -> Vec<Vector> {
    headers().into_iter().chain(directories()).chain(layouts()).chain(states_that_cannot_be()).collect()
}

fn spoiled(name: &str, reason: &str, repaired: Repair, spoil: &dyn Fn(&mut Vec<u8>)) -> Vector {
    let mut bytes = file_of(&states());
    spoil(&mut bytes);
    repair(&mut bytes, repaired);
    Vector { path: format!("bad/snapshot-{name}"), meaning: json!({"reason": reason}), bytes }
}

fn headers() -> Vec<Vector> {
    vec![
        spoiled("header-of-an-index", "magic", Nothing, &|bytes| put(bytes, 0, b"ALLSIDX")),
        spoiled("cut-short", "short", Nothing, &|bytes| bytes.truncate(bytes.len() - 1)),
        spoiled("flipped-bit", "checksum", Nothing, &|bytes| bytes[4200] ^= 1),
        spoiled("of-a-newer-release", "newer", Header, &|bytes| bytes[14] = 3),
        spoiled("of-a-partition", "reserved", Header, &|bytes| bytes[40] = 1),
        spoiled("with-a-source-checksum", "reserved", Header, &|bytes| bytes[108] = 1),
        spoiled("of-another-number-of-states", "range", Header, &|bytes| add(bytes, 72, 1)),
        spoiled("of-another-last-position", "range", Header, &|bytes| add(bytes, 56, -1)),
        spoiled("of-other-times", "range", Header, &|bytes| add(bytes, 80, -1)),
        spoiled("without-a-fanout", "range", Header, &|bytes| bytes[TABLE + 64] = 4),
    ]
}

/// Spoils the section with this number.
fn entries(name: &str, reason: &str, number: usize, spoil: &dyn Fn(&mut [u8])) -> Vector {
    spoiled(name, reason, Everything, &|bytes| {
        let start = section(bytes, number);
        spoil(&mut bytes[start..]);
    })
}

/// The directory lists the second state, then the first, then the third.
fn directories() -> Vec<Vector> {
    let directory = |name: &str, reason: &str, spoil: &dyn Fn(&mut [u8])| entries(name, reason, 1, spoil);
    let (second, third) = (PLACE_BYTES, 2 * PLACE_BYTES);
    vec![
        directory("directory-out-of-order", "order", &|entries| {
            entries[second..third + PLACE_BYTES].rotate_left(PLACE_BYTES)
        }),
        directory("place-outside-the-states", "range", &|entries| add(entries, third + OFFSET, 4096)),
        directory("place-before-the-states", "range", &|entries| put(entries, third + OFFSET, &[0; 8])),
        directory("places-with-a-gap", "range", &|entries| {
            add(entries, OFFSET, 8);
            add(entries, BYTES, -8);
        }),
        directory("place-that-cuts-a-state", "short", &|entries| {
            put(entries, second + BYTES, &[64]);
            let offset = 4096 + 64;
            put(entries, OFFSET, &u64::to_le_bytes(offset));
        }),
        spoiled("bytes-that-no-place-names", "range", Everything, &|bytes| add(bytes, TABLE + 16, 8)),
        directory("hash-of-another-entity", "differs", &|entries| entries[0] ^= 1),
        directory("version-of-another-state", "differs", &|entries| entries[second + 8] = 99),
        entries("fanout-of-other-states", "differs", 2, &|entries| entries[4] = 2),
    ]
}

/// Spoils the first state.
fn layouts() -> Vec<Vector> {
    let state = |name: &str, reason: &str, spoil: &dyn Fn(&mut [u8])| entries(name, reason, 0, spoil);
    vec![
        state("state-of-lengths-that-contradict", "range", &|state| state[HEADER_BYTES] = 5),
        state("state-of-more-text", "short", &|state| put(state, TEXT_BYTES, &[0, 1])),
        state("state-of-more-members", "short", &|state| put(state, COUNT_OF_MEMBERS, &[255; 4])),
        state("state-of-another-version", "differs", &|state| {
            state[VERSION] += 1;
            state[VERSION + 16] += 1;
        }),
        state("state-reserved-byte-set", "reserved", &|state| state[RESERVED] = 1),
        state("state-filling-not-zero", "reserved", &|state| {
            let length = HEADER_BYTES + 24 + states()[0].key.len() + states()[0].text.len();
            assert!(!length.is_multiple_of(8), "the first state is padded");
            state[length] = 1;
        }),
    ]
}

/// Files that are consistent except for a changed third state.
fn states_that_cannot_be() -> Vec<Vector> {
    let [first, second, third] = states();
    let state = |name: &str, reason: &str, third: Snapshot<'_>| {
        let (bytes, meaning) = (file_of(&[first, second, third]), json!({"reason": reason}));
        Vector { path: format!("bad/snapshot-state-{name}"), meaning, bytes }
    };
    let (cut, text) = ([1, 0, 0, 0, 3, 0, 0, 0], "ö42");
    vec![
        state("of-version-zero", "range", Snapshot { version: 0, events: 0, ..third }),
        state("of-a-position-below-its-version", "range", Snapshot { position: 199, ..third }),
        state("of-fewer-events-than-versions", "range", Snapshot { events: 199, ..third }),
        state("of-a-time-beyond-the-year-9999", "range", Snapshot { created_at: TIMESTAMP_MAX + 1, ..third }),
        state(
            "later-than-its-latest-time",
            "range",
            Snapshot { last_updated: third.max_timestamp + 1, ..third },
        ),
        state("of-unknown-cause", "field", Snapshot { cause: 4, ..third }),
        state("of-a-key-without-its-zero-byte", "field", Snapshot { key: "default-user-1", ..third }),
        state("of-no-tenant", "field", Snapshot { key: "\0user-1", ..third }),
        state("of-a-name-that-ends-inside-a-character", "field", Snapshot { members: &cut, text, ..third }),
    ]
}
