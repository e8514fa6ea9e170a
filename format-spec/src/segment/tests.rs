//! Segments: what comes back, and every way to spoil one.

use rkyv::util::AlignedVec;

use super::*;
use crate::record::{self, Draft, Record};
use crate::sealed::tests::file;
use crate::sealed::{Header, Kind};

/// An event of the tests.
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
    record::seal(&mut out, crc, event.position, event.version, 1_000 + event.position.cast_signed());
    out
}

/// A segment of these runs, of the positions 10 to 20.
pub(crate) fn segment(partition: u32, runs: &[&[Event]]) -> AlignedVec<16> {
    let (mut records, mut table) = (Vec::new(), Vec::new());
    let mut all: Vec<Run> = Vec::new();
    for events in runs {
        let offset = records.len() as u64;
        events.iter().for_each(|event| records.extend_from_slice(&record(event)));
        let times = || {
            events.iter().map(|event| Record::check(&record(event)).unwrap().timestamp()).collect::<Vec<_>>()
        };
        let run = Run {
            offset,
            bytes: records.len() as u64 - offset,
            events: events.len() as u64,
            first_position: events.iter().map(|event| event.position).min().unwrap(),
            last_position: events.iter().map(|event| event.position).max().unwrap(),
            min_timestamp: times().into_iter().min().unwrap(),
            max_timestamp: times().into_iter().max().unwrap(),
        };
        table.extend_from_slice(&run.encode());
        all.push(run);
    }
    let header = Header {
        kind: Kind::Segment,
        store: [7; 16],
        epoch: 3,
        partition,
        first_position: 10,
        last_position: 20,
        first_sequence: 4,
        events: all.iter().map(|run| run.events).sum(),
        min_timestamp: all.iter().map(|run| run.min_timestamp).min().unwrap(),
        max_timestamp: all.iter().map(|run| run.max_timestamp).max().unwrap(),
        checksums: 0,
        checksums_crc: 0,
        source_crc: 0,
        sections: Vec::new(),
    };
    let events = header.events;
    file(header, &[(RECORDS, events, records), (RUNS, all.len() as u64, table)])
}

fn two_runs() -> AlignedVec<16> {
    segment(
        5,
        &[
            &[event("acme", "a", 7, 10), event("acme", "b", 1, 12), event("acme", "b", 2, 13)],
            &[event("acme", "a", 8, 15), event("b", "a", 1, 14)],
        ],
    )
}

#[test]
fn records_come_back_with_their_places() {
    let bytes = two_runs();
    let segment = check(&bytes).unwrap();
    assert_eq!((segment.header().events, segment.runs().len()), (5, 2));
    let found: Vec<_> = segment.records().map(|placed| (placed.run, placed.record.position())).collect();
    assert_eq!(found, [(0, 10), (0, 12), (0, 13), (1, 15), (1, 14)]);
    for placed in segment.records() {
        let there = &bytes[usize::try_from(placed.offset).unwrap()..];
        assert_eq!(Record::check(there).unwrap().position(), placed.record.position());
    }
}

#[test]
fn any_flipped_bit_and_any_cut_is_refused() {
    let good = two_runs();
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
fn records_lie_in_their_order_and_no_position_is_there_twice() {
    let check = |runs: &[&[Event]], expected: &'static str| {
        let error = check(&segment(5, runs)).map(drop).unwrap_err();
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
fn a_table_that_contradicts_itself_or_the_header_is_refused() {
    let check = |change: &dyn Fn(&mut Header, &mut [Run]), expected: FormatError| {
        let bytes = two_runs();
        let (header, runs_before) = {
            let segment = check(&bytes).unwrap();
            (segment.header().clone(), segment.runs().to_vec())
        };
        let (mut header, mut changed) = (header, runs_before);
        change(&mut header, &mut changed);
        let table: Vec<u8> = changed.iter().flat_map(|run| run.encode()).collect();
        assert_eq!(runs(&header, &table), Err(expected));
    };
    let place = FormatError::Range("place of a run");
    check(&|_, runs| runs[0].offset = 8, place);
    check(&|_, runs| runs[0].bytes -= 8, place);
    check(&|_, runs| runs[1].bytes += 8, place);
    check(&|_, runs| runs[1].offset -= 8, place);
    let sum = FormatError::Range("sum of the runs");
    check(&|_, runs| runs[1].bytes -= 8, sum);
    check(&|_, runs| runs[1].events += 1, sum);
    check(&|_, runs| runs[1].last_position = 21, sum);
    check(&|header, _| header.events = 4, sum);
    check(&|header, _| header.min_timestamp -= 1, sum);
    check(&|_, runs| runs[0].first_position = 9, FormatError::Order("run"));
    check(&|_, runs| runs[1].first_position = 13, FormatError::Order("run"));
    let entry = FormatError::Range("entry of the table of runs");
    check(&|_, runs| runs[1].events = 0, entry);
    check(&|_, runs| runs[1].min_timestamp = i64::MAX, entry);
    let header = FormatError::Range("partition or sequence of a segment");
    check(&|found, _| found.first_sequence = 0, header);
    check(&|found, _| found.partition = 1024, header);
}
