//! A generation: two segments and the index over them, with what they mean.

use std::sync::LazyLock;

use allsource_format::index::{Builder, SegmentEntry};
use allsource_format::manifest;
use allsource_format::partition::{entity_key, of_key};
use allsource_format::record::Record;
use allsource_format::sealed::{Checksums, HEADER_BYTES, Header, Kind, SECTION_ALIGN, Section, source_crc};
use allsource_format::segment::{RECORDS, RUNS, Run, check};
use rkyv::util::AlignedVec;
use serde_json::{Value, json};

use super::event::{Event, event, write};
use super::{STORE, meaning};

/// Partitions of the store that has generations.
pub(crate) const PARTITIONS: u32 = 4;

/// Positions of the generation: eight events were sealed before, three of partition 0 and five of partition 2.
const FIRST_POSITION: u64 = 9;
const FIRST_SEQUENCES: [u64; 4] = [4, 1, 6, 1];

/// The last position of the first run of partition 0.
const FIRST_RUN: u64 = 15;

/// The files of the generation.
pub(crate) struct Generation {
    pub(crate) segments: Vec<(u32, Vec<u8>)>,
    pub(crate) index: Vec<u8>,
    /// What a manifest says of it, and of the partitions.
    pub(crate) entry: manifest::Generation,
    pub(crate) sequences: Vec<u64>,
}

/// Its events in the order of positions, which are their numbers.
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

/// A sealed file of these sections, each with its kind and number of entries. `header` lacks what they bring.
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

/// What every file of the generation has in its header.
fn header(kind: Kind, last_position: u64) -> Header {
    Header {
        kind,
        store: STORE,
        epoch: 3,
        partition: 0,
        first_position: FIRST_POSITION,
        last_position,
        first_sequence: 0,
        events: 0,
        min_timestamp: i64::MAX,
        max_timestamp: i64::MIN,
        checksums: 0,
        checksums_crc: 0,
        source_crc: 0,
        sections: Vec::new(),
    }
}

/// The run of some events, whose records are added to `records`.
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

fn segment(partition: u32, epoch: u64, events: Vec<Event>, last_position: u64) -> Vec<u8> {
    let (first, second) = events.into_iter().partition(|event| partition > 0 || event.number() <= FIRST_RUN);
    let mut records = AlignedVec::new();
    let runs: Vec<Run> = [first, second]
        .into_iter()
        .filter(|events: &Vec<Event>| !events.is_empty())
        .map(|events| run(events, &mut records))
        .collect();
    let mut header = Header {
        epoch,
        partition,
        first_sequence: FIRST_SEQUENCES[partition as usize],
        ..header(Kind::Segment, last_position)
    };
    for run in &runs {
        header.events += run.events;
        header.min_timestamp = header.min_timestamp.min(run.min_timestamp);
        header.max_timestamp = header.max_timestamp.max(run.max_timestamp);
    }
    let table = runs.iter().flat_map(Run::encode).collect();
    let count = header.events;
    file(header, &[(RECORDS, count, records.to_vec()), (RUNS, runs.len() as u64, table)])
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
    let segments: Vec<(u32, Vec<u8>)> = [(0, 2), (2, 3)]
        .map(|(partition, epoch)| (partition, segment(partition, epoch, of(partition), last_position)))
        .into();
    let mut builder = Builder::new(FIRST_POSITION, events.len(), PARTITIONS);
    let (mut entries, mut index) = (Vec::new(), header(Kind::Index, last_position));
    let (mut last_recorded_at, mut sequences) = (i64::MIN, vec![0; PARTITIONS as usize]);
    for (partition, bytes) in &segments {
        let image = aligned(bytes);
        let segment = check(&image).expect("a vector is whole");
        for placed in segment.records() {
            builder
                .add(&placed.record, *partition, placed.run, placed.offset)
                .expect("a position of its own");
            last_recorded_at = last_recorded_at.max(placed.record.recorded_at());
        }
        let header = segment.header();
        entries.push(SegmentEntry {
            partition: *partition,
            header_crc: segment.header_crc(),
            first_sequence: header.first_sequence,
            events: header.events,
            bytes: bytes.len() as u64,
        });
        sequences[*partition as usize] = header.first_sequence - 1 + header.events;
        index.events += header.events;
        index.min_timestamp = index.min_timestamp.min(header.min_timestamp);
        index.max_timestamp = index.max_timestamp.max(header.max_timestamp);
    }
    index.source_crc = source_crc(entries.iter().map(|entry| (entry.partition, entry.header_crc)));
    let mut sections = Vec::new();
    let take = |built: allsource_format::index::Built| {
        sections.push((built.kind, built.count, built.bytes));
        Ok::<(), ()>(())
    };
    builder.finish(&entries, take).expect("nothing can fail");
    let (min_timestamp, max_timestamp, source_crc) =
        (index.min_timestamp, index.max_timestamp, index.source_crc);
    let index = file(index, &sections);
    let name = format!("{FIRST_POSITION:020}-{last_position:020}");
    let named = |role, name, bytes: &[u8]| manifest::File {
        role,
        name,
        bytes: bytes.len() as u64,
        checksum: Header::crc(bytes),
    };
    let mut files: Vec<manifest::File> = segments
        .iter()
        .map(|(partition, bytes)| {
            named(manifest::Role::Segment, format!("segments/p{partition:03}/{name}.seg"), bytes)
        })
        .collect();
    files.push(named(manifest::Role::Index, format!("segments/{name}.idx"), &index));
    let entry = manifest::Generation {
        first_position: FIRST_POSITION,
        last_position,
        events: events.len() as u64,
        min_timestamp,
        max_timestamp,
        last_recorded_at,
        source_crc,
        files,
    };
    Generation { segments, index, entry, sequences }
}

/// Bytes at an address at which records can be read.
pub(crate) fn aligned(bytes: &[u8]) -> AlignedVec<16> {
    let mut image = AlignedVec::new();
    image.extend_from_slice(bytes);
    image
}

/// What a segment says.
pub(crate) fn segment_meaning(bytes: &[u8]) -> Value {
    let image = aligned(bytes);
    let segment = check(&image).expect("a vector is whole");
    let record = |offset: u64, record: &Record<'_>| {
        let checksum = record.as_bytes()[4..8].try_into().map(u32::from_le_bytes).expect("four bytes");
        json!({
            "offset": offset, "checksum": checksum, "position": record.position(), "version": record.version(),
            "tenant": record.tenant(), "entity_id": record.entity_id(),
        })
    };
    let run = |(number, run): (u64, &Run)| {
        let records = segment.records().filter(|placed| placed.run == number);
        json!({
            "offset": run.offset, "bytes": run.bytes, "events": run.events, "first_position": run.first_position,
            "last_position": run.last_position, "min_timestamp": run.min_timestamp,
            "max_timestamp": run.max_timestamp,
            "records": records.map(|placed| record(placed.offset, &placed.record)).collect::<Vec<_>>(),
        })
    };
    json!({
        "header": meaning::header(segment.header()), "header_crc": segment.header_crc(),
        "runs": (0..).zip(segment.runs()).map(run).collect::<Vec<_>>(),
    })
}
