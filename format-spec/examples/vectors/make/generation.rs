//! A generation: a file of two segments and the index over it, with their meaning.

use std::sync::LazyLock;

use allsource_format::index::Builder;
use allsource_format::manifest;
use allsource_format::partition::{entity_key, of_key};
use allsource_format::record::Record;
use allsource_format::sealed::{Checksums, HEADER_BYTES, Header, Kind, SECTION_ALIGN, Section};
use allsource_format::segment::{RECORDS, RUNS, Run, SEGMENTS, Segment, check};
use rkyv::util::AlignedVec;
use serde_json::{Value, json};

use super::event::{Event, event, write};
use super::{STORE, meaning};

/// Number of partitions in the store with generations.
pub(crate) const PARTITIONS: u32 = 4;

/// Positions of the generation. Eight events were sealed before it, three in partition 0 and five in partition 2.
const FIRST_POSITION: u64 = 9;
const FIRST_SEQUENCES: [u64; 4] = [4, 1, 6, 1];

/// The last position of the first run of partition 0.
const FIRST_RUN: u64 = 15;

/// The files of the generation.
pub(crate) struct Generation {
    pub(crate) segments: Vec<u8>,
    pub(crate) index: Vec<u8>,
    /// Its manifest entry, and the sequences of the partitions.
    pub(crate) entry: manifest::Generation,
    pub(crate) sequences: Vec<u64>,
}

/// Its events in position order; their positions are their numbers.
fn events() -> Vec<Event> {
    let digits = |count: usize| -> &'static str { "0123456789".repeat(count).leak() };
    let mut events = vec![
        event(9, "acme", "user-123", 3).of_type("user.changed"),
        event(10, "default", "order-1", 6),
        event(11, "acme", "user-1", 2).of_type("user.changed"),
        event(12, "default", "größe 2", 1).tagged(&["größe", "b"]),
        event(13, "acme", "user-123", 4).of_type("user.changed").tagged(&[]),
        event(14, "default", "größe 1", 1).tagged(&["größe"]),
        event(15, "acme", "user-1", 3),
        event(16, "default", "größe 2", 2).tagged(&["b", "a", "b"]),
        event(17, "acme", "user-123", 5).of_type("user.removed"),
        event(18, "acme", "user-1", 4).tagged(&[]),
        event(19, "zeta", digits(7), 1).tagged(&["seven"]),
        event(20, "zeta", digits(17), 1),
        event(21, "zeta", digits(25), 1),
    ];
    events.extend((22..=88).map(|number| event(number, "default", "order-1", number - 15)));
    events.extend((89..=91).map(|number| event(number, "default", "order-4", number - 88).padded(131_072)));
    events
}

/// A sealed file of these sections, each given with its kind and number of entries. Completes `header` from them.
pub(crate) fn file(header: Header, sections: &[(u32, u64, Vec<u8>)]) -> Vec<u8> {
    let mut out = vec![0; HEADER_BYTES];
    let mut header = Header { sections: Vec::new(), ..header };
    for (kind, count, bytes) in sections {
        out.resize(out.len().next_multiple_of(SECTION_ALIGN), 0);
        let (offset, length) = (out.len() as u64, bytes.len() as u64);
        header.sections.push(Section { kind: *kind, offset, bytes: length, count: *count });
        out.extend_from_slice(bytes);
    }
    header.checksums = out.len() as u64;
    let mut checksums = Checksums::default();
    checksums.update(&out[HEADER_BYTES..]);
    let (table, crc) = checksums.finish();
    out.extend_from_slice(&table);
    header.checksums_crc = crc;
    out[..HEADER_BYTES].copy_from_slice(&header.encode());
    out
}

/// The header fields that all files of the generation share.
fn header(kind: Kind, last_position: u64) -> Header {
    Header {
        kind,
        store: STORE,
        epoch: 3,
        first_position: FIRST_POSITION,
        last_position,
        events: 0,
        min_timestamp: i64::MAX,
        max_timestamp: i64::MIN,
        checksums: 0,
        checksums_crc: 0,
        source_crc: 0,
        sections: Vec::new(),
    }
}

/// The run of these events; appends their records to `records`.
fn run(mut events: Vec<Event>, records: &mut AlignedVec<16>) -> Run {
    let positions: Vec<u64> = events.iter().map(Event::number).collect();
    events.sort_by_key(|event| (event.tenant, event.entity_id, event.version));
    let offset = records.len();
    let mut times = Vec::new();
    for event in events {
        let meaning = write(&event, event.number(), records);
        times.push(meaning["timestamp"].as_i64().expect("a number"));
    }
    Run {
        offset: offset as u64,
        bytes: (records.len() - offset) as u64,
        events: positions.len() as u64,
        first_position: positions[0],
        last_position: positions[positions.len() - 1],
        min_timestamp: times.iter().copied().min().expect("no run is empty"),
        max_timestamp: times.iter().copied().max().expect("no run is empty"),
    }
}

/// The segment of a partition; appends its records and runs to those of earlier segments.
fn segment(partition: u32, events: Vec<Event>, records: &mut AlignedVec<16>, runs: &mut Vec<Run>) -> Segment {
    let (first, second): (Vec<_>, Vec<_>) =
        events.into_iter().partition(|event| partition > 0 || event.number() <= FIRST_RUN);
    let (start, first_run) = (records.len(), runs.len());
    for events in [first, second].into_iter().filter(|events| !events.is_empty()) {
        runs.push(run(events, records));
    }
    Segment {
        partition,
        runs: (runs.len() - first_run) as u32,
        first_sequence: FIRST_SEQUENCES[partition as usize],
        events: runs[first_run..].iter().map(|run| run.events).sum(),
        bytes: (records.len() - start) as u64,
    }
}

/// The file of these segments.
fn file_of_segments(list: &[Segment], runs: &[Run], records: &AlignedVec<16>, last_position: u64) -> Vec<u8> {
    let header = Header {
        events: list.iter().map(|segment| segment.events).sum(),
        min_timestamp: runs.iter().map(|run| run.min_timestamp).min().expect("there are runs"),
        max_timestamp: runs.iter().map(|run| run.max_timestamp).max().expect("there are runs"),
        ..header(Kind::Segments, last_position)
    };
    let count = header.events;
    let sections = [
        (RECORDS, count, records.to_vec()),
        (RUNS, runs.len() as u64, runs.iter().flat_map(Run::encode).collect()),
        (SEGMENTS, list.len() as u64, list.iter().flat_map(Segment::encode).collect()),
    ];
    file(header, &sections)
}

/// The generation.
pub(crate) fn generation() -> &'static Generation {
    static MADE: LazyLock<Generation> = LazyLock::new(make);
    &MADE
}

fn make() -> Generation {
    let events = events();
    let last_position = FIRST_POSITION + events.len() as u64 - 1;
    let of = |partition| -> Vec<Event> {
        let is_of =
            |event: &Event| of_key(&entity_key(event.tenant, event.entity_id), PARTITIONS) == partition;
        events.iter().copied().filter(is_of).collect()
    };
    let (mut records, mut runs) = (AlignedVec::new(), Vec::new());
    let list = [0, 2].map(|partition| segment(partition, of(partition), &mut records, &mut runs));
    let segments = file_of_segments(&list, &runs, &records, last_position);
    let mut sequences = vec![0; PARTITIONS as usize];
    for segment in &list {
        sequences[segment.partition as usize] = segment.first_sequence - 1 + segment.events;
    }
    let image = aligned(&segments);
    let found = check(&image).expect("a vector is whole");
    let mut builder = Builder::new(FIRST_POSITION, events.len(), PARTITIONS);
    for placed in found.records() {
        builder
            .add(&placed.record, placed.partition, placed.run, placed.offset)
            .expect("a position of its own");
    }
    let mut sections = Vec::new();
    let take = |built: allsource_format::index::Built| {
        sections.push((built.kind, built.count, built.bytes));
        Ok::<(), ()>(())
    };
    builder.finish(take).expect("nothing can fail");
    let source_crc = found.header_crc();
    let index = file(Header { kind: Kind::Index, source_crc, ..found.header().clone() }, &sections);
    let name = format!("segments/{FIRST_POSITION:020}-{last_position:020}");
    let named = |role, ending, bytes: &[u8]| manifest::File {
        role,
        name: format!("{name}.{ending}"),
        bytes: bytes.len() as u64,
        checksum: Header::crc(bytes),
    };
    let entry = manifest::Generation {
        kind: manifest::Kind::Segments,
        first_position: FIRST_POSITION,
        last_position,
        events: events.len() as u64,
        min_timestamp: found.header().min_timestamp,
        max_timestamp: found.header().max_timestamp,
        last_recorded_at: found.records().map(|placed| placed.record.recorded_at()).max().expect("events"),
        records: named(manifest::Role::Records, "seg", &segments),
        index: named(manifest::Role::Index, "idx", &index),
    };
    Generation { segments, index, entry, sequences }
}

/// A copy at an aligned address, where records can be read.
pub(crate) fn aligned(bytes: &[u8]) -> AlignedVec<16> {
    let mut image = AlignedVec::new();
    image.extend_from_slice(bytes);
    image
}

/// The meaning of a segments file.
pub(crate) fn segments_meaning(bytes: &[u8]) -> Value {
    let image = aligned(bytes);
    let found = check(&image).expect("a vector is whole");
    let record = |offset: u64, record: &Record<'_>| {
        let checksum = record.as_bytes()[4..8].try_into().map(u32::from_le_bytes).expect("four bytes");
        json!({
            "offset": offset, "checksum": checksum, "position": record.position(), "version": record.version(),
            "tenant": record.tenant(), "entity_id": record.entity_id(),
        })
    };
    let run = |partition: u32, number: u64, run: &Run| {
        let records = found.records().filter(|placed| (placed.partition, placed.run) == (partition, number));
        json!({
            "offset": run.offset, "bytes": run.bytes, "events": run.events, "first_position": run.first_position,
            "last_position": run.last_position, "min_timestamp": run.min_timestamp,
            "max_timestamp": run.max_timestamp,
            "records": records.map(|placed| record(placed.offset, &placed.record)).collect::<Vec<_>>(),
        })
    };
    let segment = |(segment, runs): (&Segment, &[Run])| {
        let runs = (0..).zip(runs).map(|(number, found)| run(segment.partition, number, found));
        json!({
            "partition": segment.partition, "first_sequence": segment.first_sequence, "events": segment.events,
            "bytes": segment.bytes, "runs": runs.collect::<Vec<_>>(),
        })
    };
    json!({
        "header": meaning::header(found.header()), "header_crc": found.header_crc(),
        "segments": found.list().map(segment).collect::<Vec<_>>(),
    })
}
