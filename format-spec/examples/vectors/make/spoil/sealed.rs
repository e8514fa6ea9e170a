//! Segments files and indexes that must be refused.

use allsource_format::record::ARCHIVE_ROOT_BYTES;
use allsource_format::sealed::{BLOCK_BYTES, HEADER_BYTES};
use serde_json::json;

use super::{put, put_crc};
use crate::make::generation::generation;
use crate::make::{Vector, made_of};

/// Offsets in the header of a sealed file.
const SECTIONS: usize = 44;
const CHECKSUMS: usize = 96;
pub(super) const TABLE: usize = 128;

/// Which checksums are recomputed after a mistake.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Repair {
    Nothing,
    Header,
    /// Header and blocks.
    Everything,
}

use Repair::{Everything, Header, Nothing};

pub(super) fn all() -> Vec<Vector> {
    envelopes().into_iter().chain(segments()).chain(records()).chain(indexes()).collect()
}

fn u64_at(bytes: &[u8], offset: usize) -> usize {
    u64::from_le_bytes(bytes[offset..][..8].try_into().expect("eight bytes")) as usize
}

pub(super) fn add(bytes: &mut [u8], offset: usize, value: i64) {
    let sum = i64::from_le_bytes(bytes[offset..][..8].try_into().expect("eight bytes")) + value;
    put(bytes, offset, &sum.to_le_bytes());
}

/// The offset of the section with this number.
pub(super) fn section(bytes: &[u8], number: usize) -> usize {
    u64_at(bytes, TABLE + number * 32 + 8)
}

pub(super) fn repair(bytes: &mut [u8], repair: Repair) {
    if repair == Everything {
        let table = u64_at(bytes, CHECKSUMS);
        let crcs: Vec<u8> = bytes[HEADER_BYTES..table]
            .chunks(BLOCK_BYTES)
            .flat_map(|block| crc32fast::hash(block).to_le_bytes())
            .collect();
        put(bytes, table, &crcs);
        put(bytes, CHECKSUMS + 8, &crc32fast::hash(&crcs).to_le_bytes());
    }
    if repair != Nothing {
        put_crc(&mut bytes[..HEADER_BYTES], 8, 12, 0);
    }
}

type Spoil<'a> = &'a dyn Fn(&mut Vec<u8>);

fn segment(name: &str, reason: &str, repaired: Repair, spoil: Spoil<'_>) -> Vector {
    let mut bytes = generation().segments.clone();
    spoil(&mut bytes);
    repair(&mut bytes, repaired);
    Vector { path: format!("bad/segments-{name}"), meaning: json!({"reason": reason}), bytes }
}

fn envelopes() -> Vec<Vector> {
    vec![
        segment("header-of-an-index", "magic", Nothing, &|bytes| put(bytes, 0, b"ALLSIDX")),
        segment("cut-short", "short", Nothing, &|bytes| bytes.truncate(bytes.len() - 1)),
        segment("with-a-byte-too-many", "range", Nothing, &|bytes| bytes.push(0)),
        segment("header-flipped-bit", "checksum", Nothing, &|bytes| bytes[60] ^= 1),
        segment("block-flipped-bit", "checksum", Nothing, &|bytes| bytes[5000] ^= 1),
        segment("filling-flipped-bit", "checksum", Nothing, &|bytes| {
            let runs = section(bytes, 1);
            bytes[runs - 1] ^= 1;
        }),
        segment("checksums-flipped-bit", "checksum", Nothing, &|bytes| {
            let table = u64_at(bytes, CHECKSUMS);
            bytes[table] ^= 1;
        }),
        segment("checksums-of-another-file", "checksum", Header, &|bytes| bytes[CHECKSUMS + 8] ^= 1),
        segment("of-a-newer-release", "newer", Header, &|bytes| bytes[14] = 3),
        segment("header-reserved-byte-set", "reserved", Header, &|bytes| bytes[127] = 1),
        segment("section-reserved-byte-set", "reserved", Header, &|bytes| bytes[TABLE + 4] = 1),
        segment("section-behind-the-last", "reserved", Header, &|bytes| bytes[TABLE + 96] = 4),
        segment("filling-not-zero", "reserved", Everything, &|bytes| {
            let runs = section(bytes, 1);
            bytes[runs - 1] = 1;
        }),
        segment("of-33-sections", "range", Header, &|bytes| bytes[SECTIONS] = 33),
        segment("epoch-zero", "range", Header, &|bytes| put(bytes, 32, &[0; 8])),
        segment("positions-backwards", "range", Header, &|bytes| put(bytes, 56, &[8])),
        segment("section-of-kind-zero", "range", Header, &|bytes| bytes[TABLE] = 0),
        segment("sections-in-another-order", "range", Header, &|bytes| bytes[TABLE] = 4),
        segment("section-outside", "range", Header, &|bytes| put(bytes, TABLE + 48, &[255; 8])),
        segment("section-inside-another", "range", Header, &|bytes| put(bytes, TABLE + 40, &[0, 16, 0])),
        segment("section-of-no-whole-page", "range", Header, &|bytes| add(bytes, TABLE + 40, 8)),
        segment("checksums-inside-a-section", "range", Header, &|bytes| add(bytes, CHECKSUMS, -8)),
    ]
}

/// Spoils the table of segments, which has two entries of 32 bytes.
fn directory(name: &str, reason: &str, spoil: &dyn Fn(&mut [u8])) -> Vector {
    segment(name, reason, Everything, &|bytes| {
        let start = section(bytes, 2);
        spoil(&mut bytes[start..]);
    })
}

/// Spoils the table of runs, whose first two entries of 56 bytes belong to the first segment.
fn runs(name: &str, reason: &str, spoil: &dyn Fn(&mut [u8])) -> Vector {
    segment(name, reason, Everything, &|bytes| {
        let start = section(bytes, 1);
        spoil(&mut bytes[start..]);
    })
}

fn segments() -> Vec<Vector> {
    vec![
        segment("without-a-table-of-segments", "range", Header, &|bytes| bytes[TABLE + 64] = 4),
        segment("of-a-partition", "reserved", Header, &|bytes| bytes[40] = 1),
        segment("of-a-sequence", "reserved", Header, &|bytes| bytes[64] = 1),
        directory("segment-of-partition-1024", "range", &|table| put(table, 32, &[0, 4])),
        directory("segment-of-sequence-zero", "range", &|table| put(table, 8, &[0; 8])),
        directory("segment-of-no-runs", "range", &|table| put(table, 4, &[0; 4])),
        directory("segment-of-another-number-of-runs", "range", &|table| put(table, 4, &[3])),
        directory("segment-of-more-events", "range", &|table| {
            add(table, 16, 1);
            add(table, 32 + 16, -1);
        }),
        directory("segment-of-more-bytes", "range", &|table| {
            add(table, 24, 8);
            add(table, 32 + 24, -8);
        }),
        directory("segments-out-of-order", "order", &|table| put(table, 0, &[2])),
        segment("with-a-source-checksum", "reserved", Header, &|bytes| bytes[108] = 1),
        segment("of-another-number-of-events", "range", Header, &|bytes| add(bytes, 72, 1)),
        segment("of-another-number-of-records", "range", Header, &|bytes| add(bytes, TABLE + 24, 1)),
        segment("of-another-number-of-runs", "range", Header, &|bytes| add(bytes, TABLE + 56, 1)),
        segment("of-other-times", "range", Header, &|bytes| add(bytes, 88, 1)),
        runs("run-of-no-events", "range", &|table| put(table, 16, &[0; 8])),
        runs("run-of-more-events", "range", &|table| {
            add(table, 16, 1);
            add(table, 56 + 16, -1);
        }),
        runs("run-outside-the-records", "range", &|table| add(table, 56 + 8, 8)),
        runs("run-of-times-backwards", "range", &|table| put(table, 40, &i64::MAX.to_le_bytes())),
        runs("runs-with-a-gap", "range", &|table| add(table, 56, 8)),
        runs("runs-that-leave-records-out", "range", &|table| add(table, 56 + 8, -8)),
        runs("runs-out-of-order", "order", &|table| add(table, 56 + 24, -1)),
        runs("run-beyond-the-generation", "range", &|table| put(table, 56 + 32, &[92])),
        runs("run-of-positions-that-it-has-not", "range", &|table| put(table, 32, &[14])),
        runs("run-that-cuts-a-record", "short", &|table| {
            add(table, 8, -8);
            add(table, 56, -8);
            add(table, 56 + 8, 8);
        }),
    ]
}

/// Spoils one of the first records, which start at these offsets, and recomputes its checksum.
fn record(name: &str, reason: &str, number: usize, spoil: &dyn Fn(&mut [u8], usize)) -> Vector {
    segment(&format!("record-{name}"), reason, Everything, &|bytes| {
        let (start, length) = place(bytes, number);
        let record = &mut bytes[start..start + length];
        spoil(record, length - ARCHIVE_ROOT_BYTES);
        if name != "flipped-bit" {
            let mut crc = crc32fast::Hasher::new();
            crc.update(&record[..4]);
            crc.update(&record[8..]);
            put(record, 4, &crc.finalize().to_le_bytes());
        }
    })
}

/// Offset and length of a record.
fn place(bytes: &[u8], number: usize) -> (usize, usize) {
    let length = |start: usize| {
        let archive = u32::from_le_bytes(bytes[start..][..4].try_into().expect("four bytes"));
        archive as usize + 8
    };
    let start = (0..number).fold(HEADER_BYTES, |start, _| start + length(start));
    (start, length(start))
}

/// The records of the first run, in order: versions 2 and 3 of user-1 at positions 11 and 15, versions 3 and 4 of
/// user-123 at 9 and 13, and version 1 of another tenant's entity at 12.
fn records() -> Vec<Vector> {
    vec![
        record("flipped-bit", "record checksum", 0, &|record, _| record[8] ^= 1),
        record("unknown-flag", "reserved", 0, &|record, root| record[root + 48] |= 128),
        record("of-a-version-that-does-not-follow", "order", 1, &|record, root| record[root + 24] = 4),
        record("of-an-earlier-version", "order", 1, &|record, root| record[root + 24] = 2),
        record("of-a-position-before-that-of-its-version", "order", 1, &|record, root| {
            record[root + 16] = 10
        }),
        record("of-a-position-that-another-has", "order", 4, &|record, root| record[root + 16] = 13),
        record("of-a-position-outside-its-run", "range", 1, &|record, root| record[root + 16] = 16),
        record("committed-before-the-one-before", "order", 4, &|record, root| add(record, root + 32, -10)),
        record("of-another-time", "range", 3, &|record, root| put(record, root + 40, &[0; 8])),
        segment("records-out-of-order", "order", Everything, &|bytes| {
            let (first, length) = place(bytes, 1);
            let (second, rest) = place(bytes, 2);
            bytes[first..second + rest].rotate_left(length);
        }),
    ]
}

fn index(name: &str, reason: &str, repaired: Repair, spoil: Spoil<'_>) -> Vector {
    let mut bytes = generation().index.clone();
    spoil(&mut bytes);
    repair(&mut bytes, repaired);
    let meaning = json!({"reason": reason, "made_of": made_of()});
    Vector { path: format!("bad/index-{name}"), meaning, bytes }
}

/// Spoils the section of this kind; in this file, kinds equal places in the table, counted from 1.
fn entries(name: &str, kind: u32, spoil: &dyn Fn(&mut [u8])) -> Vector {
    index(name, "differs", Everything, &|bytes| {
        let start = section(bytes, kind as usize - 1);
        spoil(&mut bytes[start..]);
    })
}

fn indexes() -> Vec<Vector> {
    let swap = |bytes: &mut [u8], one: usize, other: usize, length: usize| {
        let (low, high) = bytes.split_at_mut(other);
        low[one..one + length].swap_with_slice(&mut high[..length]);
    };
    vec![
        index("header-of-a-segment", "magic", Nothing, &|bytes| put(bytes, 0, b"ALLSSEG")),
        index("flipped-bit", "checksum", Nothing, &|bytes| bytes[9000] ^= 1),
        index("of-other-segments", "differs", Header, &|bytes| bytes[108] ^= 1),
        index("of-another-epoch", "differs", Header, &|bytes| bytes[32] = 2),
        index("of-a-partition", "reserved", Header, &|bytes| bytes[40] = 2),
        index("without-ranks", "range", Header, &|bytes| bytes[TABLE + 12 * 32] = 15),
        entries("place-of-another-record", 1, &|entries| swap(entries, 0, 16, 8)),
        entries("time-of-another-record", 2, &|entries| swap(entries, 0, 8, 8)),
        entries("stretches-out-of-order", 3, &|entries| swap(entries, 0, 32, 32)),
        entries("stretch-of-more-records", 3, &|entries| entries[24] += 1),
        entries("fanout-of-other-entities", 4, &|entries| entries[4] += 1),
        entries("ids-not-ascending", 5, &|entries| swap(entries, 0, 8, 8)),
        entries("type-of-more-entities", 7, &|entries| add(entries, 24, 1)),
        entries("tag-of-another-name", 11, &|entries| entries[8] ^= 1),
        entries("tag-of-another-record", 12, &|entries| entries[0] += 1),
        entries("ranks-of-others", 13, &|entries| entries[0] += 1),
    ]
}
