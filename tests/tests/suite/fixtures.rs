//! Stores as a release leaves them behind: this one opens its own, and refuses those that it cannot read in clear
//! words.

use std::path::Path;
use std::sync::Arc;

use allsource_engine::event::{Entity, NewEvent};
use allsource_engine::platform::sim::SimDisk;
use allsource_engine::{Batch, OpenError, inspect};
use allsource_tests::fixture::{check, make, open, settle};

#[test]
fn a_store_written_by_this_release_opens_and_takes_appends() {
    let disk = make().unwrap();
    let report =
        inspect::verify_disk(Arc::new(disk.clone()), Path::new("store"), &Default::default()).unwrap();
    assert!(report.damage.is_empty() && report.events == 31, "{report:?}");
    for kind in ["manifest/", "journal/", ".seg", ".idx", ".snp"] {
        assert!(disk.paths().iter().any(|path| path.contains(kind)), "no {kind} in {:?}", disk.paths());
    }
    let engine = open(&disk).unwrap();
    check(&engine).unwrap();
    let more = NewEvent::json("order.placed", "{}").unwrap();
    let append = engine.append(Batch::to(&Entity::new("order-1").unwrap()).event(more));
    settle(&engine);
    assert_eq!(append.wait().unwrap().events[0].position.value(), 32);
}

/// The newest manifest with another read version and a correct checksum.
fn with_read_version(disk: &SimDisk, version: u8) {
    let is_manifest = |path: &String| path.starts_with("manifest/") && !path.ends_with(".tmp");
    let newest = disk.paths().into_iter().filter(is_manifest).max().unwrap();
    let mut bytes = disk.contents(&newest).unwrap();
    bytes[14] = version;
    let crc = crc32fast::hash(&bytes[12..]);
    bytes[8..12].copy_from_slice(&crc.to_le_bytes());
    disk.damage(&newest, bytes);
}

#[test]
fn a_store_of_an_earlier_build_or_a_newer_release_is_refused_by_name_and_left_alone() {
    for (version, words) in [(1, "of a build before the first release"), (9, "format version 9 is needed")] {
        let disk = make().unwrap();
        with_read_version(&disk, version);
        let before: Vec<_> = disk.paths().iter().map(|path| disk.contents(path)).collect();
        let refusal = allsource_tests::fixture::try_open(&disk).map(drop).unwrap_err();
        let is_kind = match version {
            1 => matches!(refusal, OpenError::Unsupported { .. }),
            _ => matches!(refusal, OpenError::Newer { .. }),
        };
        assert!(is_kind && refusal.to_string().contains(words), "{refusal}");
        let after: Vec<_> = disk.paths().iter().map(|path| disk.contents(path)).collect();
        assert!(before == after, "a refused store is left unchanged");
    }
}
