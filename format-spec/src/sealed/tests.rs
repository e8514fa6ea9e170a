//! Headers and checksums of sealed files.

use rkyv::util::AlignedVec;

use super::*;

/// A file of these sections, each given with its kind and number of entries. Completes `header` from them.
pub(crate) fn file(header: Header, sections: &[(u32, u64, Vec<u8>)]) -> AlignedVec<16> {
    let mut out = AlignedVec::new();
    out.resize(HEADER_BYTES, 0);
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

fn header() -> Header {
    Header {
        kind: Kind::Segments,
        store: [7; 16],
        epoch: 3,
        first_position: 10,
        last_position: 90,
        events: 11,
        min_timestamp: -5,
        max_timestamp: 6,
        checksums: 12_288,
        checksums_crc: 77,
        source_crc: 0,
        sections: vec![
            Section { kind: 1, offset: 4096, bytes: 8192, count: 11 },
            Section { kind: 2, offset: 12_288, bytes: 0, count: 0 },
            Section { kind: 3, offset: 12_288, bytes: 0, count: 0 },
        ],
    }
}

#[test]
fn a_header_comes_back_and_no_flipped_bit_is_accepted() {
    let good = header().encode();
    assert_eq!(Header::decode(&good, Kind::Segments), Ok(header()));
    assert!(Header::decode(&good, Kind::Index).is_err());
    for bit in 0..good.len() * 8 {
        let mut bad = good;
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(Header::decode(&bad, Kind::Segments).is_err(), "bit {bit}");
    }
}

#[test]
fn checksums_do_not_depend_on_how_the_bytes_arrive() {
    let bytes: Vec<u8> = (0..3 * BLOCK_BYTES + 17).map(|n| (n % 251) as u8).collect();
    let mut whole = Checksums::default();
    whole.update(&bytes);
    let mut pieces = Checksums::default();
    bytes.chunks(1000).for_each(|piece| pieces.update(piece));
    let (table, crc) = whole.finish();
    assert_eq!((table.clone(), crc), pieces.finish());
    assert_eq!(table.len(), 16);
    assert_eq!(table[..4], crc32fast::hash(&bytes[..BLOCK_BYTES]).to_le_bytes());
}

#[test]
fn a_section_must_start_where_the_previous_one_ends() {
    let check = |sections: &[(u32, u64, u64)], checksums: u64, expected: Result<(), FormatError>| {
        let entry = |&(kind, offset, bytes): &(u32, u64, u64)| Section { kind, offset, bytes, count: 1 };
        let header = Header { sections: sections.iter().map(entry).collect(), checksums, ..header() };
        assert_eq!(Header::decode(&header.encode(), Kind::Segments).map(drop), expected, "{sections:?}");
    };
    let (section, checksums) =
        (Err(FormatError::Range("place of a section")), Err(FormatError::Range("place of the checksums")));
    check(&[(1, 4096, 10), (2, 8192, 0), (3, 8192, 7), (9, 12_288, 5)], 12_293, Ok(()));
    check(&[(0, 4096, 10)], 4106, section);
    check(&[(1, 4104, 10)], 4114, section);
    check(&[(1, 8192, 10)], 8202, section);
    check(&[(1, 0, 10)], 10, section);
    check(&[(2, 4096, 10), (1, 8192, 10)], 8202, section);
    check(&[(1, 4096, 10), (1, 8192, 10)], 8202, section);
    check(&[(1, 4096, 5000), (2, 8192, 10)], 9096, section);
    check(&[(1, 4096, u64::MAX)], 4095, section);
    check(&[(1, 4096, 10)], 4107, checksums);
    check(&[(1, 4096, 10)], u64::MAX, checksums);
    check(&[], 0, checksums);
    check(&[(1, 4096, SEALED_FILE_BYTES_MAX)], SEALED_FILE_BYTES_MAX + 4096, checksums);
}

/// A search in a section that is not there would find nothing.
#[test]
fn a_file_without_one_of_the_sections_of_its_kind_is_refused() {
    for (kind, sections) in [(Kind::Segments, 3), (Kind::Index, 13), (Kind::Snapshots, 3)] {
        let entry = |kind| Section { kind, offset: 4096, bytes: 0, count: 0 };
        let whole: Vec<Section> = (1..=sections).map(entry).collect();
        let decode = |sections| {
            let header = Header { kind, sections, checksums: 4096, ..header() };
            Header::decode(&header.encode(), kind).map(drop)
        };
        assert_eq!(decode(whole.clone()), Ok(()));
        assert_eq!(decode([&whole[..], &[entry(20)]].concat()), Ok(()), "one of a later release");
        for missing in 0..whole.len() {
            let mut sections = whole.clone();
            sections.remove(missing);
            assert!(matches!(decode(sections), Err(FormatError::Missing(_))), "{kind:?} {missing}");
        }
    }
}

#[test]
fn checksums_cover_every_byte_of_a_file() {
    let sections = [(1, 1, vec![3; 70_000]), (2, 0, Vec::new()), (3, 7, vec![4; 17])];
    let good = file(header(), &sections);
    assert_eq!(check(&good, Kind::Segments).unwrap().blocks(), 2);
    for offset in (0..good.len()).step_by(7) {
        let mut bad = good.clone();
        bad[offset] ^= 16;
        assert!(check(&bad, Kind::Segments).is_err(), "byte {offset}");
    }
    for length in (0..good.len()).step_by(61) {
        assert!(check(&good[..length], Kind::Segments).is_err(), "cut to {length}");
    }
    let longer = [&good[..], &[0]].concat();
    assert_eq!(check(&longer, Kind::Segments), Err(FormatError::Range("length of a sealed file")));
}

#[test]
fn padding_between_sections_must_be_zero() {
    let mut header =
        check(&file(header(), &[(1, 1, vec![3; 5]), (2, 1, vec![4; 5]), (3, 0, Vec::new())]), Kind::Segments)
            .unwrap();
    let longer = [vec![3; 5], vec![1]].concat();
    let mut spoiled = file(header.clone(), &[(1, 1, longer), (2, 1, vec![4; 5]), (3, 0, Vec::new())]);
    header.sections[0].bytes = 5;
    header.checksums_crc = check(&spoiled, Kind::Segments).unwrap().checksums_crc;
    spoiled[..HEADER_BYTES].copy_from_slice(&header.encode());
    let expected = FormatError::Reserved("filling between sections");
    assert_eq!(check(&spoiled, Kind::Segments), Err(expected));
}
