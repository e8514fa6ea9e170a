//! Recovery of a file in which nothing is proven: its work and its memory.

use std::collections::HashMap;

use allsource_format::manifest::{Lineage, Manifest};
use allsource_format::record::{self, Draft};

use super::super::file::{adopt, create_unnamed};
use super::super::recover::recover;
use super::super::round::RoundBuilder;
use super::*;
use crate::platform::sim::SimDisk;

const FRAMES: u32 = 200_000;
const FILE_BYTES: u64 = 64 << 20;

/// A record of one tiny event, without the numbers that its place gives it.
fn tiny() -> (AlignedVec, u32) {
    let draft = Draft {
        id: [7; 16],
        timestamp: Some(1),
        is_json: true,
        tenant: "default",
        entity_id: "a",
        event_type: "t",
        payload: b"{}",
        metadata: "",
        tags: &[],
    };
    let mut bytes = AlignedVec::new();
    let crc = record::encode(&draft, &mut bytes).unwrap();
    (bytes, crc)
}

fn manifest() -> Manifest {
    Manifest {
        store: [3; 16],
        number: 1,
        created_at: 0,
        first_journal: 1,
        last_journal: 0,
        journal_file_bytes: FILE_BYTES,
        partitions: 1,
        lineage: Lineage::default(),
        generations: Vec::new(),
        sequences: vec![0],
    }
}

/// A journal file of tiny appends, none of which proves another: written with durability `none`, and killed.
fn unproven(disk: &SimDisk, manifest: &Manifest) {
    let header = Header {
        store: manifest.store,
        number: 1,
        epoch: 1,
        log_offset: 0,
        synced_through: 0,
        first_position: 1,
        previous_crc: 0,
        file_bytes: FILE_BYTES,
    };
    let file = create_unnamed(disk, FILE_BYTES).unwrap();
    adopt(disk, &*file, &header).unwrap();
    let (record, crc) = tiny();
    let mut round = RoundBuilder::at(&Cursor::at_start_of(header, FILE_BYTES), 0, 0);
    for version in 1..=FRAMES {
        round.open_frame();
        round.push(&record, crc, u64::from(version), i64::from(version), i64::from(version));
        round.close_frame(Kind::Append);
    }
    let (bytes, _, cursor) = round.finish();
    assert!(cursor.log_offset <= FILE_BYTES, "all of them fit into one file");
    file.write_at(&bytes, HEADER_BYTES as u64).unwrap();
}

/// Recovery once kept a copy of every frame that was not proven, and went through all of them at each frame: 160,000
/// appends took 23 seconds.
#[test]
fn recovery_is_linear_in_what_is_not_proven_and_writes_it_in_pieces() {
    let (disk, manifest) = (SimDisk::new(1), manifest());
    unproven(&disk, &manifest);
    let mut seen = 0;
    let examined = examine(&disk, &manifest, &mut |frame, _| {
        seen += frame.header.count;
        Ok(())
    })
    .unwrap();
    let last = examined.last.as_ref().unwrap();
    assert_eq!(seen, FRAMES);
    assert!(last.frames_checked <= u64::from(2 * FRAMES + 2), "{} frames checked", last.frames_checked);
    disk.trace();
    let (cursor, _) = recover(&disk, &manifest, examined).unwrap();
    assert_eq!(cursor.next_position, u64::from(FRAMES) + 1);
    let mut writes: HashMap<String, Vec<u64>> = HashMap::new();
    for op in disk.trace().into_iter().filter(|op| op.verb == "write") {
        writes.entry(op.path).or_default().push(op.length);
    }
    let pieces = &writes["journal/spare.tmp"];
    assert!(pieces.len() > 30 && pieces.iter().all(|length| *length <= (1 << 20) + 4096), "{pieces:?}");
    let mut again = 0;
    let mut count = |frame: &Frame<'_>, _: &str| {
        again += frame.header.count;
        Ok(())
    };
    let examined = examine(&disk, &Manifest { last_journal: 2, ..manifest }, &mut count).unwrap();
    assert_eq!((again, examined.last.unwrap().unproven_bytes), (FRAMES, 0));
}
