//! What an opening does about the end of a journal.

use allsource_format::frame::{self, Frame};
use allsource_format::manifest::Lineage;
use allsource_format::record::{self, Draft};
use rkyv::util::AlignedVec;

use super::super::examine::examine;
use super::*;
use crate::platform::sim::SimDisk;

const FILE_BYTES: u64 = 64 << 10;

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

/// A round with one event of this version, or a mark without a version.
fn round(cursor: &Cursor, version: Option<u64>) -> (AlignedVec, Cursor) {
    let mut round = RoundBuilder::at(cursor, cursor.log_offset, 1024);
    round.open_frame();
    if let Some(version) = version {
        let draft = Draft {
            id: [9; 16],
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
        let time = i64::try_from(version).unwrap();
        round.push(&bytes, crc, version, time, time);
    }
    round.close_frame(if version.is_some() { frame::Kind::Append } else { frame::Kind::Mark });
    let (bytes, _, cursor) = round.finish();
    (bytes, cursor)
}

/// A journal that holds these rounds, of which the last is cut short by some bytes.
fn journal(rounds: &[Option<u64>], cut: usize) -> SimDisk {
    let disk = SimDisk::new(1);
    let examined = examine(&disk, &manifest(), &mut |_, _| Ok(())).unwrap();
    let (mut cursor, file) = recover(&disk, &manifest(), examined).unwrap();
    for (number, version) in (1..).zip(rounds) {
        let (bytes, after) = round(&cursor, *version);
        let kept = if number == rounds.len() { bytes.len() - cut } else { bytes.len() };
        file.write_at(&bytes[..kept], cursor.file_offset()).unwrap();
        cursor = after;
    }
    disk
}

/// Opens the journal; returns how many events it holds, and where writing goes on.
fn reopen(disk: &SimDisk) -> (u64, Cursor) {
    let mut events = 0;
    let mut count = |frame: &Frame<'_>, _: &str| {
        events += u64::from(frame.header.count);
        Ok(())
    };
    let examined = examine(disk, &manifest(), &mut count).unwrap();
    let (cursor, _) = recover(disk, &manifest(), examined).unwrap();
    (events, cursor)
}

#[test]
fn a_journal_that_was_left_with_a_mark_goes_on_in_its_file() {
    let (events, cursor) = reopen(&journal(&[Some(1), Some(2), None], 0));
    assert_eq!((events, cursor.header.number, cursor.header.epoch, cursor.next_position), (2, 1, 1, 3));
}

#[test]
fn one_without_a_mark_goes_on_in_a_new_file_that_begins_with_what_is_not_proven() {
    let disk = journal(&[Some(1), Some(2)], 0);
    let (events, cursor) = reopen(&disk);
    assert_eq!((events, cursor.header.number, cursor.header.epoch, cursor.next_position), (2, 2, 2, 3));
    assert_eq!(cursor.header.synced_through, cursor.log_offset, "what was written again is synced");
    assert_eq!(reopen(&disk).0, 2, "and is still there at the next opening");
}

#[test]
fn a_torn_end_is_cut_off_and_kept_aside() {
    let disk = journal(&[Some(1), Some(2)], 4096 - 100);
    let (events, cursor) = reopen(&disk);
    assert_eq!((events, cursor.next_position), (1, 2));
    assert!(disk.paths().iter().any(|path| path.starts_with(QUARANTINE)), "{:?}", disk.paths());
}
