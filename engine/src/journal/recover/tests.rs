//! What an opening does about the end of a journal.

use allsource_format::frame::{self, Frame};
use rkyv::util::AlignedVec;

use super::super::examine::examine;
use super::super::example;
use super::*;
use crate::platform::sim::SimDisk;

fn manifest() -> Manifest {
    example::manifest(64 << 10)
}

/// What a round consists of.
#[derive(Clone, Copy)]
enum Of {
    Append,
    Mark,
}

fn round(cursor: &Cursor, of: Of) -> (AlignedVec, Cursor) {
    let mut round = RoundBuilder::at(cursor, cursor.log_offset, 1024);
    match of {
        Of::Append => example::append(&mut round),
        Of::Mark => {
            round.open_frame();
            round.close_frame(frame::Kind::Mark);
        }
    }
    let (bytes, _, cursor) = round.finish();
    (bytes, cursor)
}

/// A journal that holds these rounds, of which the last is cut short by some bytes.
fn journal(rounds: &[Of], cut: usize) -> SimDisk {
    let disk = SimDisk::new(1);
    let examined = examine(&disk, &manifest(), &mut |_, _| Ok(())).unwrap();
    let Recovered { mut cursor, file, .. } = recover(&disk, &manifest(), examined).unwrap();
    for (number, of) in (1..).zip(rounds) {
        let (bytes, after) = round(&cursor, *of);
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
    let Recovered { cursor, .. } = recover(disk, &manifest(), examined).unwrap();
    (events, cursor)
}

#[test]
fn a_journal_that_was_left_with_a_mark_goes_on_in_its_file() {
    let (events, cursor) = reopen(&journal(&[Of::Append, Of::Append, Of::Mark], 0));
    assert_eq!((events, cursor.header.number, cursor.header.epoch, cursor.next_position), (2, 1, 1, 3));
}

#[test]
fn one_without_a_mark_goes_on_in_a_new_file_that_begins_with_what_is_not_proven() {
    let disk = journal(&[Of::Append, Of::Append], 0);
    let (events, cursor) = reopen(&disk);
    assert_eq!((events, cursor.header.number, cursor.header.epoch, cursor.next_position), (2, 2, 2, 3));
    assert_eq!(cursor.header.synced_through, cursor.log_offset, "what was written again is synced");
    assert_eq!(reopen(&disk).0, 2, "and is still there at the next opening");
}

#[test]
fn a_torn_end_is_cut_off_and_kept_aside() {
    let disk = journal(&[Of::Append, Of::Append], 4096 - 100);
    let (events, cursor) = reopen(&disk);
    assert_eq!((events, cursor.next_position), (1, 2));
    assert!(disk.paths().iter().any(|path| path.starts_with(QUARANTINE)), "{:?}", disk.paths());
}
