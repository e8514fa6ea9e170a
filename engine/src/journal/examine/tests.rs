//! Recovery of a file in which nothing is proven: its work and its memory.

use std::collections::HashMap;

use super::super::example;
use super::super::file::{adopt, create_unnamed};
use super::super::recover::recover;
use super::super::round::RoundBuilder;
use super::*;
use crate::platform::sim::SimDisk;

const FRAMES: u32 = 200_000;
const FILE_BYTES: u64 = 64 << 20;

/// A journal file of tiny appends, none of which proves another: written with durability `none`, and killed.
fn unproven(disk: &SimDisk, manifest: &Manifest) {
    let header = Header::first(manifest.store, FILE_BYTES);
    let file = create_unnamed(disk, FILE_BYTES).unwrap();
    adopt(disk, &*file, &header).unwrap();
    let mut round = RoundBuilder::at(&Cursor::at_start_of(header, FILE_BYTES), 0, 0);
    (0..FRAMES).for_each(|_| example::append(&mut round));
    let (bytes, _, cursor) = round.finish();
    assert!(cursor.log_offset <= FILE_BYTES, "all of them fit into one file");
    file.write_at(&bytes, HEADER_BYTES as u64).unwrap();
}

/// Recovery once kept a copy of every frame that was not proven, and went through all of them at each frame: 160,000
/// appends took 23 seconds.
#[test]
fn recovery_is_linear_in_what_is_not_proven_and_writes_it_in_pieces() {
    let (disk, manifest) = (SimDisk::new(1), example::manifest(FILE_BYTES));
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
    let cursor = recover(&disk, &manifest, examined).unwrap().cursor;
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
