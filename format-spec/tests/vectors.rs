//! The published vectors: this codec generates them, decodes the good ones to the meaning written beside them, and
//! refuses the bad ones for the reason they name.

#![expect(clippy::indexing_slicing, reason = "a test may fail")]

#[path = "../examples/vectors/make/mod.rs"]
mod make;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use allsource_format::frame::Frame;
use allsource_format::journal::{HEADER_BYTES, Header};
use allsource_format::manifest::Manifest;
use allsource_format::record::Record;
use allsource_format::{FormatError, index, segment, snapshot};
use rkyv::util::AlignedVec;
use serde_json::{Value, json};

use make::generation::{PARTITIONS, aligned, generation, segments_meaning};
use make::{hex, snapshots};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

#[expect(clippy::disallowed_methods, reason = "vectors are not part of a store")]
fn file(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
#[expect(clippy::disallowed_methods, reason = "vectors are not part of a store")]
fn the_published_vectors_are_exactly_those_this_codec_generates() {
    let mut made = BTreeSet::new();
    for vector in make::all() {
        let path = folder().join(&vector.path);
        assert_eq!(String::from_utf8(file(&path.with_extension("json"))).unwrap(), vector.meaning_text());
        made.insert(path.with_extension("json"));
        if !vector.bytes.is_empty() {
            assert_eq!(file(&path.with_extension("bin")), vector.bytes, "{}", vector.path);
            made.insert(path.with_extension("bin"));
        }
    }
    let there = ["v2", "bad"].into_iter().flat_map(|name| std::fs::read_dir(folder().join(name)).unwrap());
    assert_eq!(there.map(|entry| entry.unwrap().path()).collect::<BTreeSet<_>>(), made);
}

#[test]
fn good_vectors_decode_to_the_meaning_beside_them() {
    for vector in make::all().into_iter().filter(|vector| vector.path.starts_with("v2/")) {
        if vector.path.starts_with("v2/manifest") {
            let manifest = Manifest::decode(&vector.bytes).unwrap();
            assert_eq!(hex(&manifest.store), vector.meaning["store"]);
            assert_eq!(manifest.last_journal, vector.meaning["last_journal"]);
            assert_eq!(manifest.partitions, vector.meaning["partitions"]);
            assert_eq!(json!(manifest.sequences), vector.meaning["sequences"]);
            assert_eq!(manifest.encode(), vector.bytes);
        } else if vector.path.starts_with("v2/segments") {
            assert_eq!(segments_meaning(&vector.bytes), vector.meaning);
        } else if vector.path.starts_with("v2/index") {
            assert_eq!(check_index(&vector), Ok(()));
        } else if vector.path.starts_with("v2/snapshot") {
            let header = snapshot::check(&vector.bytes).unwrap();
            assert_eq!(header.events, vector.meaning["header"]["events"]);
            assert_eq!(snapshots::meaning_of(&vector.bytes), vector.meaning);
        } else if vector.path.starts_with("v2/journal") {
            let (header, read) = read_journal(&vector.bytes).unwrap();
            assert_eq!(json!(read.frames), vector.meaning["frames"], "{}", vector.path);
            assert_eq!(read.end, vector.meaning["end"]);
            assert_eq!(hex(&header.store), vector.meaning["header"]["store"]);
        }
    }
}

#[test]
fn bad_vectors_are_refused_for_the_reason_beside_them() {
    let mut count = 0;
    for vector in make::all().into_iter().filter(|vector| vector.path.starts_with("bad/")) {
        let refusal = if vector.path.starts_with("bad/manifest") {
            Manifest::decode(&vector.bytes).map(drop)
        } else if vector.path.starts_with("bad/segments") {
            segment::check(&aligned(&vector.bytes)).map(drop)
        } else if vector.path.starts_with("bad/index") {
            check_index(&vector)
        } else if vector.path.starts_with("bad/snapshot") {
            snapshot::check(&vector.bytes).map(drop)
        } else {
            read_journal(&vector.bytes).and_then(|(_, read)| {
                let is_whole = read.end >= vector.meaning["durable"].as_u64().unwrap();
                if is_whole { Ok(()) } else { Err(read.stopped_by) }
            })
        };
        let error = refusal.expect_err(&vector.path);
        assert_eq!(reason(error), vector.meaning["reason"], "{}: {error}", vector.path);
        count += 1;
    }
    assert!(count >= 145, "only {count} bad vectors");
}

#[test]
fn the_manifest_of_two_generations_names_the_files_in_the_vectors() {
    let vectors = make::all();
    let find = |path: &str| vectors.iter().find(|vector| vector.path == path).expect(path);
    let manifest = Manifest::decode(&find("v2/manifest-of-two-generations").bytes).unwrap();
    let entry = manifest.generations.last().unwrap();
    let index = find("v2/index-of-two-segments");
    let segments = find(&format!("v2/{}", index.meaning["made_of"]["segments"].as_str().unwrap()));
    assert_eq!(json!(entry.records.checksum), index.meaning["header"]["source_crc"]);
    assert_eq!(json!(entry.records.checksum), segments.meaning["header_crc"]);
    assert_eq!(json!(entry.last_position), index.meaning["header"]["last_position"]);
    assert_eq!(entry.records.bytes, segments.bytes.len() as u64);
    assert_eq!(entry.index.bytes, index.bytes.len() as u64);
}

/// Checks an index against the segments in the vectors.
fn check_index(vector: &make::Vector) -> Result<(), FormatError> {
    let image = aligned(&generation().segments);
    assert_eq!(vector.meaning["made_of"]["partitions"], PARTITIONS);
    index::check(&aligned(&vector.bytes), &segment::check(&image)?, PARTITIONS).map(drop)
}

fn reason(error: FormatError) -> &'static str {
    match error {
        FormatError::Short { .. } => "short",
        FormatError::Magic(_) => "magic",
        FormatError::Checksum("record") => "record checksum",
        FormatError::Checksum(_) => "checksum",
        FormatError::Newer { .. } => "newer",
        FormatError::Older { .. } => "older",
        FormatError::Kind { .. } => "kind",
        FormatError::Range("place of a frame") => "place",
        FormatError::Range(_) | FormatError::Missing(_) => "range",
        FormatError::Order(_) => "order",
        FormatError::Reserved(_) => "reserved",
        FormatError::Archive => "archive",
        FormatError::Field(_) => "field",
        FormatError::Differs(_) => "differs",
    }
}

struct Read {
    frames: Vec<Value>,
    end: u64,
    stopped_by: FormatError,
}

/// Walks a journal file as the specification requires.
fn read_journal(bytes: &[u8]) -> Result<(Header, Read), FormatError> {
    let header = Header::decode(bytes)?;
    let mut image = AlignedVec::<16>::new();
    image.extend_from_slice(&bytes[HEADER_BYTES..]);
    let mut read =
        Read { frames: Vec::new(), end: header.log_offset, stopped_by: FormatError::Magic("frame") };
    let (mut crc, mut position, mut offset) = (header.previous_crc, header.first_position, 0);
    loop {
        let place = (read.end, crc, position);
        let (frame, records) = match read_frame(&image[offset..], header.seed(), place) {
            Ok(both) => both,
            Err(error) => {
                read.stopped_by = error;
                return Ok((header, read));
            }
        };
        read.frames.push(json!({
            "kind": format!("{:?}", frame.header.kind).to_lowercase(), "length": frame.length(),
            "log_offset": frame.header.log_offset, "first_position": frame.header.first_position,
            "synced_through": frame.header.synced_through, "checksum": frame.crc, "records": records,
        }));
        crc = frame.crc;
        position += u64::from(frame.header.count);
        offset += frame.length();
        read.end += frame.length() as u64;
    }
}

fn read_frame(
    bytes: &[u8],
    seed: u32,
    place: (u64, u32, u64),
) -> Result<(Frame<'_>, Vec<Value>), FormatError> {
    let frame = Frame::check(bytes, seed)?;
    if (frame.header.log_offset, frame.header.previous_crc, frame.header.first_position) != place {
        return Err(FormatError::Range("place of a frame"));
    }
    let records = frame.records().map(|item| item.map(|(_, record)| meaning(&record)));
    Ok((frame, records.collect::<Result<_, _>>()?))
}

fn meaning(record: &Record<'_>) -> Value {
    json!({
        "id": hex(&record.id()), "position": record.position(), "version": record.version(),
        "recorded_at": record.recorded_at(), "timestamp": record.timestamp(), "is_json": record.is_json(),
        "timestamp_given": record.is_timestamp_given(), "tenant": record.tenant(),
        "entity_id": record.entity_id(), "event_type": record.event_type(),
        "payload_hex": hex(record.payload()), "metadata": record.metadata(),
        "tags": record.tags().collect::<Vec<_>>(),
    })
}
