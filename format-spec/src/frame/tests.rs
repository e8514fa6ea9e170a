//! Frames: round trips, and every way to spoil one.

use rkyv::util::AlignedVec;

use super::*;
use crate::record::{self, Draft};

const SEED: u32 = 0x1234_5678;

/// An append frame of `count` small events starting at position 5.
fn append_frame(count: u32) -> AlignedVec {
    let mut frame = AlignedVec::new();
    frame.extend_from_slice(&[0; HEADER_BYTES]);
    for n in 0..count {
        let draft = Draft {
            id: [1; 16],
            timestamp: None,
            is_json: true,
            tenant: "default",
            entity_id: "e",
            event_type: "t",
            payload: b"{}",
            metadata: "",
            tags: &[],
        };
        let start = frame.len();
        let crc = record::encode(&draft, &mut frame).unwrap();
        let (position, version) = (u64::from(5 + n), u64::from(1 + n));
        record::complete(
            &mut frame[start..],
            crc,
            &record::Stamp { position, version, recorded_at: 1, clock: 1 },
        );
    }
    frame.resize(frame.len().next_multiple_of(HEADER_BYTES), 0);
    let header = Header {
        kind: Kind::Append,
        count,
        previous_crc: 3,
        log_offset: 4096,
        first_position: 5,
        synced_through: 4096,
    };
    complete(&mut frame, &header, SEED);
    frame
}

#[test]
fn an_append_frame_comes_back_with_its_records_in_order() {
    let bytes = append_frame(3);
    let frame = Frame::check(&bytes, SEED).unwrap();
    assert_eq!(frame.length(), bytes.len());
    assert_eq!((frame.header.count, frame.header.first_position), (3, 5));
    let positions: Vec<u64> = frame.records().map(|r| r.unwrap().1.position()).collect();
    assert_eq!(positions, [5, 6, 7]);
}

#[test]
fn control_frames_carry_no_events() {
    for kind in [Kind::Mark, Kind::Pad] {
        let mut bytes = AlignedVec::<16>::new();
        bytes.resize(128, 0);
        let header = Header {
            kind,
            count: 0,
            previous_crc: 3,
            log_offset: 8192,
            first_position: 5,
            synced_through: 4096,
        };
        complete(&mut bytes, &header, SEED);
        let frame = Frame::check(&bytes, SEED).unwrap();
        assert_eq!(frame.header, header);
        assert_eq!(frame.records().count(), 0);
    }
}

#[test]
fn any_flipped_bit_any_cut_and_any_other_seed_is_refused() {
    let good = append_frame(2);
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(Frame::check(&bad, SEED).is_err(), "accepted with bit {bit} flipped");
    }
    for length in 0..good.len() {
        assert!(Frame::check(&good[..length], SEED).is_err(), "accepted when cut to {length} bytes");
    }
    assert_eq!(Frame::check(&good, SEED + 1).unwrap_err(), FormatError::Checksum("frame"));
}

#[test]
fn records_must_follow_the_position_in_the_header() {
    let mut bytes = append_frame(2);
    let mut header = Frame::check(&bytes, SEED).unwrap().header;
    header.first_position = 6;
    complete(&mut bytes, &header, SEED);
    let frame = Frame::check(&bytes, SEED).unwrap();
    let found: Vec<_> = frame.records().collect();
    assert_eq!(found.len(), 1);
    assert!(matches!(found[0], Err(FormatError::Range(_))));
}

#[test]
fn bytes_after_the_last_record_must_be_zero() {
    let mut bytes = append_frame(1);
    let header = Frame::check(&bytes, SEED).unwrap().header;
    bytes.resize(bytes.len() + 64, 7);
    complete(&mut bytes, &header, SEED);
    let last = Frame::check(&bytes, SEED).unwrap().records().last().unwrap();
    assert_eq!(last.unwrap_err(), FormatError::Reserved("bytes after the last record"));
}
