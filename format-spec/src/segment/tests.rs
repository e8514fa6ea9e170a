//! Segments: round trips, and every way to spoil one.

use rkyv::util::AlignedVec;

use super::*;
use crate::record::{self, Draft, Record};
use crate::sealed::tests::file;
use crate::sealed::{Header, Kind};

/// A test event.
pub(crate) struct Event {
    pub(crate) tenant: &'static str,
    pub(crate) entity_id: &'static str,
    pub(crate) version: u64,
    pub(crate) position: u64,
    pub(crate) payload_bytes: usize,
}

pub(crate) fn event(tenant: &'static str, entity_id: &'static str, version: u64, position: u64) -> Event {
    Event { tenant, entity_id, version, position, payload_bytes: 3 }
}

/// The record of an event.
pub(crate) fn record(event: &Event) -> AlignedVec {
    let mut id = [7; 16];
    id[..8].copy_from_slice(&event.position.to_le_bytes());
    let draft = Draft {
        id,
        timestamp: event.position.is_multiple_of(3).then_some(-5),
        is_json: false,
        tenant: event.tenant,
        entity_id: event.entity_id,
        event_type: if event.version == 1 { "first" } else { "later" },
        payload: &vec![b'x'; event.payload_bytes],
        metadata: "",
        tags: if event.position.is_multiple_of(2) { &["even", "even", "b"] } else { &[] },
    };
    let mut out = AlignedVec::new();
    let crc = record::encode(&draft, &mut out).unwrap();
    let recorded_at = 1_000 + event.position.cast_signed();
    let (position, version) = (event.position, event.version);
    record::complete(&mut out, crc, &record::Stamp { position, version, recorded_at, clock: recorded_at });
    out
}

/// The partition of a segment, and its runs.
pub(crate) type Runs<'a> = (u32, &'a [&'a [Event]]);

/// A file of these segments, with positions 10 to 20.
pub(crate) fn segments_of(list: &[Runs<'_>]) -> AlignedVec<16> {
    let (mut records, mut all, mut directory) = (Vec::new(), Vec::<Run>::new(), Vec::new());
    for (partition, runs) in list {
        let (start, first_run) = (records.len() as u64, all.len());
        for events in *runs {
            let offset = records.len() as u64;
            events.iter().for_each(|event| records.extend_from_slice(&record(event)));
            let timestamp = |event: &Event| Record::check(&record(event)).unwrap().timestamp();
            all.push(Run {
                offset,
                bytes: records.len() as u64 - offset,
                events: events.len() as u64,
                first_position: events.iter().map(|event| event.position).min().unwrap(),
                last_position: events.iter().map(|event| event.position).max().unwrap(),
                min_timestamp: events.iter().map(timestamp).min().unwrap(),
                max_timestamp: events.iter().map(timestamp).max().unwrap(),
            });
        }
        directory.push(Segment {
            partition: *partition,
            runs: u32::try_from(runs.len()).unwrap(),
            first_sequence: 4,
            events: all[first_run..].iter().map(|run| run.events).sum(),
            bytes: records.len() as u64 - start,
        });
    }
    let header = Header {
        kind: Kind::Segments,
        store: [7; 16],
        epoch: 3,
        first_position: 10,
        last_position: 20,
        events: all.iter().map(|run| run.events).sum(),
        min_timestamp: all.iter().map(|run| run.min_timestamp).min().unwrap(),
        max_timestamp: all.iter().map(|run| run.max_timestamp).max().unwrap(),
        checksums: 0,
        checksums_crc: 0,
        source_crc: 0,
        sections: Vec::new(),
    };
    let events = header.events;
    let table = all.iter().flat_map(Run::encode).collect();
    let entries = directory.iter().flat_map(Segment::encode).collect();
    let sections = [
        (RECORDS, events, records),
        (RUNS, all.len() as u64, table),
        (SEGMENTS, directory.len() as u64, entries),
    ];
    file(header, &sections)
}

/// Partition 5 with two runs, then partition 6 with one.
fn two_segments() -> AlignedVec<16> {
    segments_of(&[
        (
            5,
            &[
                &[event("acme", "a", 7, 10), event("acme", "b", 1, 12), event("acme", "b", 2, 13)],
                &[event("acme", "a", 8, 15), event("b", "a", 1, 14)],
            ],
        ),
        (6, &[&[event("acme", "c", 1, 11)]]),
    ])
}

#[test]
fn records_come_back_with_their_places() {
    let bytes = two_segments();
    let segments = check(&bytes).unwrap();
    let list: Vec<_> = segments.list().map(|(segment, runs)| (segment.partition, runs.len())).collect();
    assert_eq!((segments.header().events, list), (6, vec![(5, 2), (6, 1)]));
    let found: Vec<_> =
        segments.records().map(|placed| (placed.partition, placed.run, placed.record.position())).collect();
    assert_eq!(found, [(5, 0, 10), (5, 0, 12), (5, 0, 13), (5, 1, 15), (5, 1, 14), (6, 0, 11)]);
    for placed in segments.records() {
        let there = &bytes[usize::try_from(placed.offset).unwrap()..];
        assert_eq!(Record::check(there).unwrap().position(), placed.record.position());
    }
}

#[test]
fn any_flipped_bit_and_any_cut_is_refused() {
    let good = two_segments();
    for bit in (0..good.len() * 8).step_by(5) {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(check(&bad).is_err(), "bit {bit}");
    }
    for length in (0..good.len()).step_by(13) {
        assert!(check(&good[..length]).is_err(), "cut to {length}");
    }
}

#[test]
fn records_out_of_order_and_repeated_positions_are_refused() {
    let check = |runs: &[&[Event]], expected: &'static str| {
        let error = check(&segments_of(&[(5, runs)])).map(drop).unwrap_err();
        assert_eq!(error, FormatError::Order(expected));
    };
    check(&[&[event("t", "b", 1, 10), event("t", "a", 1, 11)]], "record in its run");
    check(&[&[event("t", "a", 2, 10), event("t", "a", 1, 11)]], "record in its run");
    check(&[&[event("t", "a", 1, 10), event("t", "a", 3, 11)]], "record in its run");
    check(&[&[event("t", "a", 1, 11), event("t", "a", 2, 10)]], "record in its run");
    check(&[&[event("t", "a", 1, 11), event("t", "b", 1, 11)]], "position or commit time");
    check(&[&[event("t", "a", 1, 14)], &[event("t", "a", 2, 12)]], "run");
    check(&[&[event("t", "a", 1, 12)], &[event("t", "b", 1, 12)]], "run");
}

#[test]
fn tables_that_contradict_each_other_or_the_header_are_refused() {
    type Change<'a> = &'a dyn Fn(&mut Header, &mut [Segment], &mut [Run]);
    let check = |change: Change<'_>, expected: FormatError| {
        let bytes = two_segments();
        let found = check(&bytes).unwrap();
        let mut header = found.header().clone();
        let (mut list, changed): (Vec<_>, Vec<_>) =
            found.list().map(|(one, runs)| (*one, runs.to_vec())).unzip();
        let mut changed = changed.concat();
        change(&mut header, &mut list, &mut changed);
        let table: Vec<u8> = list.iter().flat_map(Segment::encode).collect();
        let of_runs: Vec<u8> = changed.iter().flat_map(Run::encode).collect();
        let refused = segments(&header, &table).and_then(|list| runs(&header, &list, &of_runs));
        assert_eq!(refused, Err(expected));
    };
    let place = FormatError::Range("place of a run");
    check(&|_, _, runs| runs[0].offset = 8, place);
    check(&|_, _, runs| runs[0].bytes -= 8, place);
    check(&|_, _, runs| runs[1].offset -= 8, place);
    let sum = FormatError::Range("sum of the runs");
    check(&|_, _, runs| runs[1].bytes += 8, sum);
    check(&|_, _, runs| runs[1].bytes -= 8, sum);
    check(&|_, _, runs| runs[1].events += 1, sum);
    check(&|_, _, runs| runs[1].last_position = 21, sum);
    check(&|header, _, _| header.min_timestamp -= 1, sum);
    check(&|_, _, runs| runs[0].first_position = 9, FormatError::Order("run"));
    check(&|_, _, runs| runs[1].first_position = 13, FormatError::Order("run"));
    let entry = FormatError::Range("entry of the table of runs");
    check(&|_, _, runs| runs[1].events = 0, entry);
    check(&|_, _, runs| runs[1].min_timestamp = i64::MAX, entry);
    let entry = FormatError::Range("entry of the table of segments");
    check(&|_, list, _| list[0].first_sequence = 0, entry);
    check(&|_, list, _| list[1].partition = 1024, entry);
    check(&|_, list, _| list[1].runs = 0, entry);
    check(&|_, list, _| list[1].partition = 5, FormatError::Order("segment"));
    let sum = FormatError::Range("sum of the segments");
    check(&|header, _, _| header.events = 4, sum);
    check(&|_, list, _| list[0].events += 1, sum);
    check(&|_, list, _| list[0].bytes += 8, sum);
    check(&|_, list, _| list[0].runs = 1, FormatError::Range("table of runs"));
    check(&|_, list, _| (list[0].events, list[1].events) = (4, 2), FormatError::Range("sum of the runs"));
}
