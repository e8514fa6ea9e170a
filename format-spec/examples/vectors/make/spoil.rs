//! Vectors that must be refused: good ones, each with one mistake. Checksums over the mistake are recomputed, so that a
//! reader must find the mistake itself.

mod sealed;
mod snapshots;

use allsource_format::frame::HEADER_BYTES as FRAME_HEADER;
use allsource_format::journal::{BLOCK_BYTES, Header};
use allsource_format::record::{ARCHIVE_ROOT_BYTES, HEADER_BYTES as RECORD_HEADER};
use serde_json::json;

use super::{Log, Vector, journal_log, manifest, manifest_of_two_generations};

/// Every vector that must be refused.
pub(crate) fn all() -> Vec<Vector> {
    let manifests = manifests().into_iter().chain(generations());
    let journals = headers().into_iter().chain(frames()).chain(records());
    manifests.chain(journals).chain(sealed::all()).chain(snapshots::all()).collect()
}

fn put(bytes: &mut [u8], offset: usize, value: &[u8]) {
    bytes[offset..offset + value.len()].copy_from_slice(value);
}

fn put_crc(bytes: &mut [u8], at: usize, from: usize, seed: u32) {
    let mut crc = crc32fast::Hasher::new_with_initial(seed);
    crc.update(&bytes[from..]);
    put(bytes, at, &crc.finalize().to_le_bytes());
}

fn spoiled_manifest(good: Vec<u8>, name: &str, reason: &str, spoil: &dyn Fn(&mut Vec<u8>)) -> Vector {
    let mut bytes = good;
    spoil(&mut bytes);
    if reason != "checksum" {
        put_crc(&mut bytes, 8, 12, 0);
    }
    Vector { path: format!("bad/manifest-{name}"), meaning: json!({"reason": reason}), bytes }
}

fn manifests() -> Vec<Vector> {
    let spoiled = |name: &str, reason: &str, spoil: &dyn Fn(&mut Vec<u8>)| {
        spoiled_manifest(manifest().encode(), name, reason, spoil)
    };
    vec![
        spoiled("other-magic", "magic", &|bytes| bytes[7] = 2),
        spoiled("cut-short", "short", &|bytes| bytes.truncate(120)),
        spoiled("flipped-bit", "checksum", &|bytes| bytes[50] ^= 4),
        spoiled("of-a-newer-release", "newer", &|bytes| bytes[14] = 3),
        spoiled("of-an-older-build", "older", &|bytes| bytes[14] = 1),
        spoiled("reserved-byte-set", "reserved", &|bytes| bytes[127] = 1),
        spoiled("three-partitions", "range", &|bytes| bytes[72] = 3),
        spoiled("number-zero", "range", &|bytes| put(bytes, 32, &[0; 8])),
        spoiled("of-1025-incarnations", "range", &|bytes| put(bytes, 88, &[1, 4])),
        spoiled("of-an-incarnation-before-position-1", "range", &|bytes| put(bytes, 128 + 16, &[0; 8])),
        spoiled("without-its-last-sequence", "range", &|bytes| bytes.truncate(448)),
        spoiled("with-a-byte-too-many", "range", &|bytes| bytes.push(0)),
    ]
}

/// Offsets of the entries and of the four sequences in the manifest of two generations.
const FIRST: usize = 200;
const SECOND: usize = FIRST + ENTRY;
const SEQUENCES: usize = SECOND + ENTRY;
/// Lengths of an entry and of each of its two files.
const ENTRY: usize = 64 + 2 * FILE;
const FILE: usize = 16 + 56;

/// Spoils the list of two generations, or the sequences after it.
fn generations() -> Vec<Vector> {
    let spoiled = |name: &str, reason: &str, spoil: &dyn Fn(&mut Vec<u8>)| {
        spoiled_manifest(manifest_of_two_generations().encode(), name, reason, spoil)
    };
    let positions = |bytes: &mut [u8], entry: usize, first: u8, last: u8| {
        put(bytes, entry + 8, &[first]);
        put(bytes, entry + 16, &[last]);
        put(bytes, entry + 24, &[last + 1 - first]);
    };
    vec![
        spoiled("with-a-flipped-bit-in-a-generation", "checksum", &|bytes| bytes[SECOND + 8] ^= 1),
        spoiled("of-generations-with-a-gap", "range", &|bytes| positions(bytes, SECOND, 10, 91)),
        spoiled("of-generations-that-overlap", "range", &|bytes| positions(bytes, SECOND, 8, 91)),
        spoiled("that-begins-at-position-2", "range", &|bytes| positions(bytes, FIRST, 2, 8)),
        spoiled("of-a-generation-of-no-events", "range", &|bytes| {
            positions(bytes, FIRST, 1, 0);
            positions(bytes, SECOND, 1, 91);
        }),
        spoiled("of-a-generation-of-more-events", "range", &|bytes| bytes[FIRST + 24] = 9),
        spoiled("of-an-entry-of-another-kind", "kind", &|bytes| bytes[FIRST + 4] = 2),
        spoiled("of-an-entry-of-another-length", "range", &|bytes| bytes[FIRST] += 8),
        spoiled("of-an-entry-of-no-length", "range", &|bytes| put(bytes, FIRST, &[0; 4])),
        spoiled("of-an-entry-with-a-reserved-byte-set", "reserved", &|bytes| bytes[FIRST + 56] = 1),
        spoiled("of-a-generation-of-fewer-files", "range", &|bytes| bytes[FIRST + 6] = 1),
        spoiled("of-a-file-of-another-kind", "kind", &|bytes| bytes[FIRST + 64 + 12] = 9),
        spoiled("of-a-generation-without-an-index", "range", &|bytes| bytes[FIRST + 64 + FILE + 12] = 1),
        spoiled("of-a-file-outside-the-store", "field", &|bytes| put(bytes, FIRST + 64 + 16, b"../outsi")),
        spoiled("of-a-file-without-a-name", "range", &|bytes| put(bytes, FIRST + 64 + 14, &[0; 2])),
        spoiled("of-a-file-with-a-filled-name", "reserved", &|bytes| bytes[FIRST + 64 + FILE - 1] = b'x'),
        spoiled("of-another-sealed-position", "range", &|bytes| bytes[48] = 90),
        spoiled("of-other-sequences", "range", &|bytes| bytes[SEQUENCES] += 1),
        spoiled("of-sequences-that-wrap-around", "range", &|bytes| {
            bytes[SEQUENCES] -= 2;
            put(bytes, SEQUENCES + 8, &u64::MAX.to_le_bytes());
            put(bytes, SEQUENCES + 24, &[3]);
        }),
        spoiled("of-more-generations-than-there-are", "range", &|bytes| bytes[76] = 3),
        spoiled("of-65537-generations", "range", &|bytes| put(bytes, 76, &[1, 0, 1])),
    ]
}

fn journal(name: &str, reason: &str, durable: u64, bytes: Vec<u8>) -> Vector {
    let meaning = json!({"reason": reason, "durable": durable});
    Vector { path: format!("bad/journal-{name}"), meaning, bytes }
}

fn headers() -> Vec<Vector> {
    let spoiled = |name: &str, reason: &str, spoil: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = Log::first_file().bytes(0);
        spoil(&mut bytes);
        if reason != "checksum" {
            put_crc(&mut bytes, 8, 12, 0);
        }
        journal(name, reason, 0, bytes)
    };
    vec![
        spoiled("header-of-another-file", "magic", &|bytes| put(bytes, 0, b"ALLSMAN\x01")),
        spoiled("header-flipped-bit", "checksum", &|bytes| bytes[4000] ^= 128),
        spoiled("header-of-a-newer-release", "newer", &|bytes| bytes[14] = 9),
        spoiled("header-reserved-byte-set", "reserved", &|bytes| bytes[100] = 1),
        spoiled("header-epoch-zero", "range", &|bytes| put(bytes, 40, &[0; 8])),
        spoiled("header-of-one-block", "range", &|bytes| put(bytes, 76, &[1, 0, 0, 0])),
        spoiled("header-log-offset-inside-a-block", "range", &|bytes| {
            put(bytes, 48, &[64, 0]);
            put(bytes, 56, &[64, 0]);
        }),
    ]
}

/// Spoils the first frame of the good journal vector and recomputes its checksum.
fn frame(name: &str, reason: &str, spoil: &dyn Fn(&mut Vec<u8>)) -> Vector {
    let log = journal_log();
    let mut bytes = log.bytes(0);
    let length = u32::from_le_bytes(bytes[BLOCK_BYTES + 8..][..4].try_into().expect("four bytes")) as usize;
    let mut first = bytes[BLOCK_BYTES..][..length].to_vec();
    spoil(&mut first);
    if reason != "checksum" {
        put_crc(&mut first, 4, 8, log.header.seed());
    }
    put(&mut bytes, BLOCK_BYTES, &first);
    journal(name, reason, log.log_offset(), bytes)
}

fn frames() -> Vec<Vector> {
    let other_epoch = |log: &Log| Header { epoch: 2, ..log.header }.seed();
    vec![
        frame("frame-other-magic", "magic", &|bytes| bytes[3] = b'2'),
        frame("frame-flipped-bit", "checksum", &|bytes| bytes[100] ^= 1),
        frame("frame-of-another-epoch", "checksum", &|bytes| {
            put_crc(bytes, 4, 8, other_epoch(&journal_log()));
        }),
        frame("frame-of-no-length", "range", &|bytes| put(bytes, 8, &[0; 4])),
        frame("frame-beyond-the-limit", "range", &|bytes| put(bytes, 8, &[0, 0, 0, 2])),
        frame("frame-of-unknown-kind", "field", &|bytes| bytes[12] = 4),
        frame("frame-reserved-byte-set", "reserved", &|bytes| bytes[63] = 1),
        frame("frame-without-records", "range", &|bytes| put(bytes, 16, &[0; 4])),
        frame("frame-that-vouches-for-itself", "range", &|bytes| bytes[40] = 64),
        frame("frame-after-another-checksum", "place", &|bytes| bytes[20] = 1),
        frame("frame-at-another-log-offset", "place", &|bytes| put(bytes, 24, &[64])),
        frame("frame-of-another-position", "place", &|bytes| bytes[32] = 2),
    ]
}

/// Spoils the only record of the first frame and recomputes its checksum.
fn record(name: &str, reason: &str, spoil: &dyn Fn(&mut [u8], usize)) -> Vector {
    frame(&format!("record-{name}"), reason, &|frame| {
        let length = u32::from_le_bytes(frame[FRAME_HEADER..][..4].try_into().expect("four bytes")) as usize;
        let record = &mut frame[FRAME_HEADER..][..RECORD_HEADER + length];
        let root = record.len() - ARCHIVE_ROOT_BYTES;
        spoil(record, root);
        if name != "flipped-bit" {
            let mut crc = crc32fast::Hasher::new();
            crc.update(&record[..4]);
            crc.update(&record[RECORD_HEADER..]);
            put(record, 4, &crc.finalize().to_le_bytes());
        }
    })
}

fn records() -> Vec<Vector> {
    vec![
        record("flipped-bit", "record checksum", &|record, _| record[8] ^= 1),
        record("unknown-flag", "reserved", &|record, root| record[root + 48] |= 128),
        record("reserved-field-set", "reserved", &|record, root| record[root + 100] = 1),
        record("position-zero", "range", &|record, root| put(record, root + 16, &[0; 8])),
        record("of-another-position", "range", &|record, root| record[root + 16] = 9),
        record("time-beyond-the-year-9999", "range", &|record, root| {
            put(record, root + 40, &i64::MAX.to_le_bytes())
        }),
        record("payload-outside", "archive", &|record, root| put(record, root + 76, &i32::MIN.to_le_bytes())),
        record("tenant-not-text", "field", &|record, root| {
            let relative = i32::from_le_bytes(record[root + 52..][..4].try_into().expect("four bytes"));
            let start = (root + 52).checked_add_signed(relative as isize).expect("inside");
            record[start] = 255;
        }),
        record("tenant-empty", "field", &|record, root| put(record, root + 56, &[0; 4])),
    ]
}
