//! A store with arbitrary bytes in its journal: it opens and shows events without a gap, or refuses to open and changes
//! nothing.

use std::path::Path;
use std::sync::Arc;

use allsource_engine::platform::sim::{SimClock, SimDisk, SimEntropy};
use allsource_engine::{Engine, Options, Query, inspect};
use allsource_format::journal::Header;
use allsource_format::manifest::Manifest;

use crate::format::{repair_frame, vectors};

const FILE: &str = "journal/0000000001.jnl";
const FILE_BYTES: u64 = 64 << 10;

fn options() -> Options {
    Options { journal_file_bytes: FILE_BYTES, partitions: 4, ..Options::default() }
}

fn open(disk: &SimDisk) -> Option<Engine> {
    let (clock, entropy) = (Arc::new(SimClock::at(1_800_000_000_000_000)), Arc::new(SimEntropy::seeded(1)));
    Engine::open_by_hand(Arc::new(disk.clone()), clock, entropy, options()).ok()
}

/// A store on a simulated disk, with these bytes as its journal file.
fn disk_with(data: &[u8]) -> SimDisk {
    let disk = SimDisk::new(1);
    open(&disk).expect("an empty disk opens").close();
    let is_manifest = |path: &String| path.starts_with("manifest/") && !path.ends_with(".tmp");
    let path = disk.paths().into_iter().rfind(is_manifest).expect("a manifest");
    let manifest = Manifest::decode(&disk.contents(&path).expect("its bytes")).expect("a manifest");
    let mut bytes = data.to_vec();
    bytes.resize(bytes.len().max(FILE_BYTES as usize), 0);
    // The header names this store and file, whatever else is wrong with it.
    if let Ok(header) = Header::decode(&bytes) {
        let header = Header { store: manifest.store, number: 1, ..header };
        bytes[..4096].copy_from_slice(&header.encode());
    }
    disk.damage(FILE, bytes);
    disk
}

/// Whatever the file holds: nothing panics, verifying changes nothing, and an opened store shows no gap.
pub fn journal(data: &[u8]) {
    let disk = disk_with(data);
    let before = disk.contents(FILE);
    let report =
        inspect::verify_disk(std::sync::Arc::new(disk.clone()), Path::new("store"), &Default::default());
    assert_eq!(disk.contents(FILE), before, "verifying changed the file");
    match open(&disk) {
        Some(engine) => {
            let events = engine.read(&Query::all()).expect("an open store can be read");
            for (event, position) in events.zip(1..) {
                assert_eq!(event.expect("an event").position().value(), position);
            }
            assert!(report.is_ok_and(|report| report.damage.is_empty()), "a damaged store opened");
        }
        None => assert_eq!(disk.contents(FILE), before, "a refused open changed the file"),
    }
}

/// The journal vectors.
pub fn seeds() -> Vec<Vec<u8>> {
    vectors("journal")
}

/// Recomputes the checksums of the first frame.
pub fn repair(data: &mut [u8]) {
    if let Some(frames) = data.get_mut(4096..) {
        repair_frame(frames);
    }
}
