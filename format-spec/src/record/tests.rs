//! Records: round trips, and every way to spoil one.

use rkyv::util::AlignedVec;

use super::*;
use crate::error::FormatError;

fn draft() -> Draft<'static> {
    Draft {
        id: [7; 16],
        timestamp: None,
        is_json: true,
        tenant: "default",
        entity_id: "user-1",
        event_type: "user.created",
        payload: br#"{"name":"Ada"}"#,
        metadata: r#"{"by":"test"}"#,
        tags: &["a", "b:c"],
    }
}

fn completed(draft: &Draft<'_>) -> AlignedVec {
    let mut out = AlignedVec::new();
    let crc = encode(draft, &mut out).unwrap();
    complete(&mut out, crc, &Stamp { position: 11, version: 3, recorded_at: 1_000_000, clock: 1_000_000 });
    out
}

#[test]
fn every_field_comes_back_as_it_was_given() {
    let bytes = completed(&draft());
    let record = Record::check(&bytes).unwrap();
    assert_eq!(record.as_bytes().len(), bytes.len());
    assert_eq!((record.id(), record.position(), record.version()), ([7; 16], 11, 3));
    assert_eq!((record.recorded_at(), record.timestamp()), (1_000_000, 1_000_000));
    assert_eq!((record.tenant(), record.entity_id()), ("default", "user-1"));
    assert_eq!((record.event_type(), record.payload()), ("user.created", draft().payload));
    assert_eq!(record.metadata(), r#"{"by":"test"}"#);
    assert_eq!(record.tags().collect::<Vec<_>>(), ["a", "b:c"]);
    assert!(record.is_json() && !record.is_timestamp_given());
}

#[test]
fn empty_fields_are_empty_and_a_given_timestamp_stays() {
    let bytes = completed(&Draft {
        timestamp: Some(-5),
        payload: b"",
        metadata: "",
        tags: &[],
        is_json: false,
        ..draft()
    });
    let record = Record::check(&bytes).unwrap();
    assert_eq!((record.timestamp(), record.recorded_at()), (-5, 1_000_000));
    assert_eq!((record.payload().len(), record.metadata(), record.tags().len()), (0, "", 0));
    assert!(!record.is_json() && record.is_timestamp_given());
}

#[test]
fn any_flipped_bit_is_refused() {
    let good = completed(&draft());
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(Record::check(&bad).is_err(), "accepted with bit {bit} flipped");
    }
}

#[test]
fn every_truncation_is_refused() {
    let good = completed(&draft());
    for length in 0..good.len() {
        assert!(Record::check(&good[..length]).is_err(), "accepted when cut to {length} bytes");
    }
}

/// A valid checksum over nonsense, such as an attacker or a faulty writer could produce.
#[test]
fn a_malformed_archive_with_a_correct_checksum_is_refused() {
    let good = completed(&draft());
    let root = good.len() - ARCHIVE_ROOT_BYTES;
    let check = |offset: usize, bytes: &[u8], expected: FormatError| {
        let mut bad = good.clone();
        bad[root + offset..root + offset + bytes.len()].copy_from_slice(bytes);
        let crc = crc32fast::hash(&[&bad[..4], &bad[8..]].concat());
        bad[4..8].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(Record::check(&bad).unwrap_err(), expected, "offset {offset}");
    };
    check(archive::PAYLOAD, &i32::MIN.to_le_bytes(), FormatError::Archive);
    check(archive::TAGS + 4, &u32::MAX.to_le_bytes(), FormatError::Archive);
    check(archive::FLAGS, &[0x81], FormatError::Reserved("flags"));
    check(archive::RESERVED, &[1], FormatError::Reserved("reserved field"));
    check(archive::POSITION, &[0; 8], FormatError::Range("position or version"));
    check(archive::TIMESTAMP, &i64::MAX.to_le_bytes(), FormatError::Range("timestamp"));
}

#[test]
fn content_is_compared_regardless_of_the_place_in_the_log() {
    let (one, mut other) = (completed(&draft()), AlignedVec::new());
    let crc = encode(&draft(), &mut other).unwrap();
    complete(&mut other, crc, &Stamp { position: 12, version: 4, recorded_at: 2_000_000, clock: 2_000_000 });
    let record = Record::check(&one).unwrap();
    assert!(record.same_content(&Record::check(&other).unwrap(), None));
    for different in [
        Draft { payload: b"{}", ..draft() },
        Draft { tags: &["a"], ..draft() },
        Draft { metadata: "", ..draft() },
        Draft { entity_id: "user-2", ..draft() },
    ] {
        assert!(!record.same_content(&Record::check(&completed(&different)).unwrap(), None), "{different:?}");
    }
}

#[test]
fn tags_are_compared_as_sets_and_times_whether_a_client_or_a_clock_gave_them() {
    let own = completed(&draft());
    let record = Record::check(&own).unwrap();
    let is_same =
        |draft: Draft<'_>| record.same_content(&Record::check(&completed(&draft)).unwrap(), draft.timestamp);
    let (given, tags) = (record.timestamp(), draft().tags);
    let reversed: Vec<&str> = tags.iter().rev().chain(tags).copied().collect();
    assert!(is_same(Draft { tags: &reversed, ..draft() }));
    assert!(!is_same(Draft { tags: &[tags[0], "another"], ..draft() }));
    assert!(is_same(Draft { timestamp: Some(given), ..draft() }));
    assert!(!is_same(Draft { timestamp: Some(given + 1), ..draft() }));
    let timed = completed(&Draft { timestamp: Some(given), ..draft() });
    let timed = Record::check(&timed).unwrap();
    let untimed = completed(&draft());
    let untimed = Record::check(&untimed).unwrap();
    assert!(!timed.same_content(&untimed, None));
    // A copy of an event that a clock dated names that time, but not as a client's.
    assert!(timed.same_content(&untimed, Some(given)) && record.same_content(&untimed, Some(given)));
    assert!(
        !timed.same_content(&untimed, Some(given + 1)) && !record.same_content(&untimed, Some(given + 1))
    );
}

#[test]
fn a_field_over_its_limit_is_named() {
    let mut out = AlignedVec::new();
    let long = "x".repeat(513);
    let error = encode(&Draft { entity_id: &long, ..draft() }, &mut out).unwrap_err();
    assert_eq!(error.to_string(), "entity_id has 513 bytes; the limit is 512");
    assert!(out.is_empty());
}
