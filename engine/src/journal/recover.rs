//! Prepares an examined journal for writing.

use std::io;
use std::sync::Arc;

use allsource_format::frame::{HEADER_BYTES as FRAME_HEADER_BYTES, Kind};
use allsource_format::journal::{BLOCK_BYTES, HEADER_BYTES, Header};
use allsource_format::manifest::Manifest;

use super::cursor::Cursor;
use super::examine::{Examined, LastFile, part};
use super::file::{QUARANTINE, adopt, create_unnamed, is_full, path_of};
use super::round::RoundBuilder;
use super::walk::walk;
use crate::error::OpenError;
use crate::number::index;
use crate::planted::{self, Bug};
use crate::platform::{Disk, DiskFile};

/// Unproven frames are rewritten in pieces of about this size.
const PIECE_BYTES: usize = 1 << 20;

/// A journal that is ready to be written.
pub(crate) struct Recovered {
    /// Where to write.
    pub(crate) cursor: Cursor,
    /// The file it lies in.
    pub(crate) file: Arc<dyn DiskFile>,
    /// There was no room for a new file: the store can be read, and takes appends once there is.
    pub(crate) is_without_room: bool,
}

/// Prepares the journal for writing: in the last file if it was closed cleanly, else in a new
/// file that begins with a copy of everything not proven durable.
pub(crate) fn recover(
    disk: &dyn Disk,
    manifest: &Manifest,
    examined: Examined,
) -> Result<Recovered, OpenError> {
    let failed = |error| OpenError::io("recover the journal", error);
    let (Some(end), Some(last)) = (examined.end, examined.last) else {
        return first_file(disk, manifest).map_err(failed);
    };
    if planted::is(Bug::TrustUnprovenTail) && last.torn.is_empty() {
        let file = disk.open(&path_of(end.header.number)).map_err(failed)?;
        return Ok(Recovered { cursor: end, file, is_without_room: false });
    }
    match &last.final_mark {
        Some(mark) if last.unproven_bytes == 0 => {
            continue_file(disk, end, part(&last.image, mark)).map_err(failed)
        }
        _ => new_epoch(disk, manifest, &last, &end).map_err(failed),
    }
}

fn first_file(disk: &dyn Disk, manifest: &Manifest) -> io::Result<Recovered> {
    let header = Header::first(manifest.store, manifest.journal_file_bytes);
    let header = Header { number: manifest.first_journal, ..header };
    let file = create_unnamed(disk, manifest.journal_file_bytes)?;
    adopt(disk, &*file, &header).map_err(io::Error::from)?;
    let cursor = Cursor::at_start_of(header, manifest.journal_file_bytes);
    Ok(Recovered { cursor, file, is_without_room: false })
}

/// The last round is a mark, but nothing proves the mark itself durable: it is rewritten, the same bytes in the same
/// place, before anything follows it.
fn continue_file(disk: &dyn Disk, end: Cursor, mark: &[u8]) -> io::Result<Recovered> {
    assert!(end.file_offset() >= HEADER_BYTES as u64 + mark.len() as u64, "a mark follows the header");
    let file = disk.open(&path_of(end.header.number))?;
    file.write_at(mark, end.file_offset() - mark.len() as u64)?;
    file.sync()?;
    Ok(Recovered { cursor: end, file, is_without_room: false })
}

/// The last file was not closed cleanly. What the page cache shows of it may never have reached the disk, so unproven
/// frames are rewritten, in a new file and a new epoch, before any reader sees them.
fn new_epoch(disk: &dyn Disk, manifest: &Manifest, last: &LastFile, end: &Cursor) -> io::Result<Recovered> {
    let is_kept = keep_torn_bytes(disk, end, last.torn_bytes())?;
    let needed = HEADER_BYTES as u64 + last.unproven_bytes.next_multiple_of(BLOCK_BYTES as u64);
    let least = needed + BLOCK_BYTES as u64;
    let (file, file_bytes) = match create_at_least(disk, manifest.journal_file_bytes.max(least), least) {
        Err(error) if is_full(&error) => return in_place(disk, last, end),
        made => made?,
    };
    let cut = &last.proven_at;
    assert!(cut.log_offset <= end.log_offset, "what is proven lies before the end");
    let mut header = Header { epoch: end.header.epoch + 1, ..cut.next_header(file_bytes) };
    let cursor = reseal(last, end, &Cursor::at_start_of(header, file_bytes), &*file)?;
    assert!(cursor.log_offset - header.log_offset <= file_bytes, "what is written again fits its file");
    assert!(header.number > end.header.number && header.epoch > end.header.epoch, "a new epoch begins");
    header.synced_through = cursor.log_offset;
    let cursor = Cursor { header, ..cursor };
    adopt(disk, &*file, &header)?;
    if is_kept {
        let old = disk.open(&path_of(end.header.number))?;
        old.truncate(cut.file_offset())?;
        old.sync()?;
    }
    Ok(Recovered { cursor, file, is_without_room: false })
}

/// Creates the unnamed next file with the length wanted, or half of it, and so on, so that a store on a full disk can
/// open. Halving leaves room for the opening's other writes. Returns the length of the file.
fn create_at_least(disk: &dyn Disk, wanted: u64, least: u64) -> io::Result<(Arc<dyn DiskFile>, u64)> {
    assert!(least <= wanted, "what is wanted is enough");
    let mut length = wanted;
    loop {
        match create_unnamed(disk, length) {
            Err(error)
                if length > least && (is_full(&error) || error.kind() == io::ErrorKind::FileTooLarge) =>
            {
                length = (length / 2).next_multiple_of(BLOCK_BYTES as u64).max(least);
            }
            made => return made.map(|file| (file, length)),
        }
    }
}

/// There is no room for a new file. Unproven frames are rewritten in place, the same bytes, padded to a whole block, and
/// synced, so that they can be read. The next append must start a new file first.
fn in_place(disk: &dyn Disk, last: &LastFile, end: &Cursor) -> io::Result<Recovered> {
    let file = disk.open(&path_of(end.header.number))?;
    let (start, stop) = (last.proven_at.file_offset(), end.file_offset());
    assert!(start <= stop, "what is proven lies before the end");
    file.write_at(part(&last.image, &(index(start)..index(stop))), start)?;
    let (filling, _, cursor) = RoundBuilder::at(end, last.proven_at.log_offset, 0).finish();
    if !filling.is_empty() {
        file.write_at(&filling, stop)?;
    }
    file.sync()?;
    assert!(cursor.log_offset.is_multiple_of(BLOCK_BYTES as u64), "the next file begins at a block");
    let header = Header { epoch: end.header.epoch + 1, ..end.header };
    let mut cursor = Cursor { header, ..cursor };
    cursor.end_file_here();
    Ok(Recovered { cursor, file, is_without_room: true })
}

/// Writes the unproven frames into a new file, with new headers, a piece at a time. Returns where they end.
fn reseal(last: &LastFile, end: &Cursor, start: &Cursor, file: &dyn DiskFile) -> io::Result<Cursor> {
    let mut round = RoundBuilder::at(start, start.log_offset, PIECE_BYTES);
    let mut from = last.proven_at.clone();
    walk(&last.image, &mut from, Some(end.log_offset), |frame| {
        if frame.header.kind == Kind::Append {
            round.open_frame();
            let (_, records) = frame.as_bytes().split_at(FRAME_HEADER_BYTES);
            round.push_complete(records, frame.header.count);
            round.close_frame(Kind::Append);
        }
        if round.bytes().len() < PIECE_BYTES {
            return Ok(());
        }
        let offset = round.file_offset();
        file.write_at(&round.drain(), offset)
    })?;
    assert!(from.log_offset == end.log_offset, "the frames are walked as they were the first time");
    let offset = round.file_offset();
    let (bytes, _, cursor) = round.finish();
    file.write_at(&bytes, offset)?;
    assert!(cursor.next_position == end.next_position, "every event is written again");
    Ok(cursor)
}

/// Keeps the bytes that are cut off, for a later investigation. False: there is no room for them.
fn keep_torn_bytes(disk: &dyn Disk, end: &Cursor, torn: &[u8]) -> io::Result<bool> {
    if torn.is_empty() {
        return Ok(true);
    }
    let path = format!("{QUARANTINE}/{:010}-{}.torn", end.header.number, end.file_offset());
    let kept = disk.create(&path, 0).and_then(|file| {
        file.write_at(torn, 0)?;
        file.sync()?;
        disk.sync_dir(QUARANTINE)
    });
    match kept {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(true),
        Err(error) if is_full(&error) => {
            // A part could be mistaken for the whole; the old file still has all of it.
            disk.remove(&path).map(|()| false)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
