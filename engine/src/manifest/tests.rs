//! Which manifests are kept, and which files are manifests.

use allsource_format::manifest::{File, Kind, Role};

use super::*;
use crate::platform::sim::SimDisk;

/// Only the manifest two numbers back was ever removed: one that could not be, once, stayed for good.
#[test]
fn leftover_manifests_do_not_pile_up_and_strangers_stay() {
    let disk = SimDisk::new(1);
    let strangers = ["manifest/+0000000000000000003", "manifest/3", "manifest/00000000000000000003.bak"];
    let ours = [2, 3, 7, 8, 9].map(path_of);
    for path in ours.iter().map(String::as_str).chain(strangers) {
        disk.create(path, 0).unwrap();
    }
    remove_old(&disk, 9);
    let mut left = [&[path_of(8), path_of(9)][..], &strangers.map(str::to_owned)].concat();
    left.sort();
    assert_eq!(disk.paths(), left);
    assert_eq!(numbers(&disk).unwrap(), [8, 9]);
}

/// What overlaps, or leaves a gap, would be refused by every opening from then on.
#[test]
fn a_manifest_whose_entries_do_not_follow_each_other_is_refused_before_a_byte_is_written() {
    let disk = SimDisk::new(1);
    let manifest = Manifest {
        store: [1; 16],
        number: 1,
        created_at: 0,
        first_journal: 1,
        last_journal: 1,
        journal_file_bytes: 64 << 10,
        partitions: 1,
        lineage: Default::default(),
        generations: Vec::new(),
        sequences: vec![0],
    };
    let catalog = Catalog::new(manifest, vec![(1, 1)]);
    let file = |role| File { role, name: "segments/file".to_owned(), bytes: 1, checksum: 1 };
    let entry = |first_position, last_position| Generation {
        kind: Kind::Segments,
        first_position,
        last_position,
        events: last_position + 1 - first_position,
        min_timestamp: 0,
        max_timestamp: 0,
        last_recorded_at: 0,
        records: file(Role::Records),
        index: file(Role::Index),
    };
    for (entries, events) in [(vec![entry(1, 5), entry(5, 9)], 9), (vec![entry(1, 5), entry(7, 9)], 9)] {
        let refused = catalog.publish(&disk, |generations, sequences| {
            *generations = entries;
            *sequences = vec![events];
        });
        assert!(matches!(refused, Err(PublishError::Unwritten(_))));
        assert_eq!((disk.paths(), disk.ops()), (Vec::<String>::new(), 0));
    }
    assert!(catalog.manifest().generations.is_empty());
}
