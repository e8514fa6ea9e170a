//! Checking indexes: only the one the segments give is accepted.

use rkyv::util::AlignedVec;

use super::*;
use crate::index::Stretch;
use crate::sealed::tests::file;
use crate::segment;
use crate::segment::tests::{event, segments_of};

/// Two segments with positions 10 to 20, in partitions 0 and 2 of 4.
fn segments() -> AlignedVec<16> {
    let orders = [(1, 12), (2, 14), (3, 15), (4, 16), (5, 17), (6, 19)]
        .map(|(v, p)| event("default", "order-1", v, p));
    segments_of(&[
        (
            0,
            &[
                &[
                    event("acme", "user-1", 1, 11),
                    event("acme", "user-123", 4, 10),
                    event("acme", "user-123", 5, 13),
                ],
                &[event("acme", "user-123", 6, 20), event("default", "größe 2", 1, 18)],
            ],
        ),
        (2, &[&orders]),
    ])
}

/// The index sections these segments give.
fn sections(segments: &Segments<'_>) -> Vec<(u32, u64, Vec<u8>)> {
    let mut found = Vec::new();
    let take = |built: Built| {
        found.push((built.kind, built.count, built.bytes));
        Ok::<(), FormatError>(())
    };
    build(segments, 4).unwrap().finish(take).unwrap();
    found
}

fn header(segments: &Segments<'_>) -> Header {
    expected_header(segments.header(), segments)
}

#[test]
fn an_index_is_accepted_unchanged_but_not_with_any_byte_or_count_changed() {
    let bytes = segments();
    let segments = segment::check(&bytes).unwrap();
    let (header, sections) = (header(&segments), sections(&segments));
    assert_eq!(sections.iter().map(|(kind, ..)| *kind).collect::<Vec<_>>(), (1..=13).collect::<Vec<_>>());
    let good = file(header.clone(), &sections);
    assert_eq!(check(&good, &segments, 4).map(|found| found.events), Ok(11));
    for number in 0..sections.len() {
        for byte in 0..sections[number].2.len() {
            let mut changed = sections.clone();
            changed[number].2[byte] ^= 1;
            let refused = check(&file(header.clone(), &changed), &segments, 4);
            assert_eq!(refused, Err(FormatError::Differs(name(changed[number].0))));
        }
        let mut changed = sections.clone();
        changed[number].1 += 1;
        assert!(check(&file(header.clone(), &changed), &segments, 4).is_err());
        changed.remove(number);
        assert!(check(&file(header.clone(), &changed), &segments, 4).is_err());
    }
}

/// Opening an index only checks its header. A search in a section that the header cuts short would find nothing.
#[test]
fn the_lengths_of_the_sections_must_be_those_of_that_many_events() {
    let bytes = segments();
    let segments = segment::check(&bytes).unwrap();
    let (header, sections) = (header(&segments), sections(&segments));
    let checked = |sections: &[(u32, u64, Vec<u8>)]| {
        let bytes = file(header.clone(), sections);
        check_sections(&Header::decode(&bytes, Kind::Index).unwrap())
    };
    assert_eq!(checked(&sections), Ok(()));
    let refused = Err(FormatError::Range("length of a section of the index"));
    for (number, (kind, ..)) in sections.iter().enumerate() {
        let mut changed = sections.clone();
        changed[number].1 += 1;
        assert_eq!(checked(&changed), refused, "one entry more in {kind}");
        let (_, count, bytes) = &mut changed[number];
        (*count, *bytes) = (0, Vec::new());
        assert_eq!(checked(&changed), refused, "none of {kind}");
    }
}

/// A newer writer may add sections that this reader can do without.
#[test]
fn a_section_of_an_unknown_kind_is_ignored() {
    let bytes = segments();
    let segments = segment::check(&bytes).unwrap();
    let mut sections = sections(&segments);
    sections.push((77, 3, vec![1, 2, 3]));
    assert!(check(&file(header(&segments), &sections), &segments, 4).is_ok());
}

#[test]
fn an_index_of_other_segments_is_refused() {
    let bytes = segments();
    let segments = segment::check(&bytes).unwrap();
    let good = file(header(&segments), &sections(&segments));
    let others = segments_of(&[(0, &[&[event("acme", "user-1", 1, 10)]])]);
    let differs = Err(FormatError::Differs("header of the index"));
    assert_eq!(check(&good, &segment::check(&others).unwrap(), 4), differs);
    assert_eq!(check(&good, &segments, 8), Err(FormatError::Range("partition of a record")));
    assert_eq!(check(&good, &segments, 3), Err(FormatError::Range("partition count")));
}

/// Versions are computed from a stretch, so none of its numbers may overflow.
#[test]
fn a_stretch_of_impossible_versions_or_records_is_refused() {
    let good = Stretch { hash: 1, first_version: 7, offset: 4096, count: 64, bytes: 4096 };
    assert_eq!(Stretch::decode(&good.encode()), Ok(good));
    for (first_version, count) in [(0, 1), (7, 0), (7, 65), (u64::MAX, 1), (7, u32::MAX)] {
        let bad = Stretch { first_version, count, ..good };
        let refused = Err(FormatError::Range("entry of the section of stretches"));
        assert_eq!(Stretch::decode(&bad.encode()), refused, "{first_version} {count}");
    }
}
