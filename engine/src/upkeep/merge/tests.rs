//! Which generations are merged.

use allsource_format::manifest::{File, Kind, Role};

use super::*;

fn entries(sizes: &[u64]) -> Vec<Entry> {
    let mut position = 1;
    let entry = |bytes: &u64| {
        let first_position = position;
        position += bytes / 100;
        Entry {
            kind: Kind::Segments,
            first_position,
            last_position: position - 1,
            events: bytes / 100,
            min_timestamp: 0,
            max_timestamp: 0,
            last_recorded_at: 0,
            records: File { role: Role::Records, name: "s".to_owned(), bytes: *bytes, checksum: 0 },
            index: File { role: Role::Index, name: "i".to_owned(), bytes: 0, checksum: 0 },
        }
    };
    sizes.iter().map(entry).collect()
}

#[test]
fn eight_of_one_size_are_merged_and_larger_ones_before_them_are_left_alone() {
    let check = |sizes: &[u64], expected| assert_eq!(choose(&entries(sizes), 4), expected, "{sizes:?}");
    check(&[], None);
    check(&[1000; 7], None);
    check(&[1000; 8], Some(0..8));
    check(&[&[100_000; 3], &[1000; 8][..]].concat(), Some(3..11));
    check(&[&[100_000; 7], &[1000; 7][..]].concat(), None);
    check(&[&[100_000; 8], &[1000; 7][..]].concat(), Some(0..15));
    check(&[&[100_000; 7], &[1000; 8][..]].concat(), Some(7..15));
}

#[test]
fn nothing_grows_beyond_the_limit() {
    let large = EVENTS_MAX * 100 / 10;
    assert_eq!(choose(&entries(&[large; 12]), 32), Some(2..12));
    assert_eq!(choose(&entries(&[large * 6; 12]), 32), None);
}
