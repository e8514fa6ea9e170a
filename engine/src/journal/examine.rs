//! Reads a store's journal without changing it: what it holds, and where an opening would continue.

use std::io;
use std::ops::Range;

use allsource_format::FormatError;
use allsource_format::frame::{Frame, Kind};
use allsource_format::journal::{BLOCK_BYTES, HEADER_BYTES, Header};
use allsource_format::manifest::Manifest;
use rkyv::util::AlignedVec;

use super::cursor::Cursor;
use super::file::{self, path_of};
use super::walk::{find_evidence, used_length, walk};
use crate::error::{Damage, OpenError};
use crate::number::index;
use crate::planted::{self, Bug};
use crate::platform::Disk;

/// The result of examining a journal: the state from which a writer continues.
pub(crate) struct Examined {
    /// Where the valid frames of the last file end; `None`: there is no file yet.
    pub(crate) end: Option<Cursor>,
    /// The last file; `None`: there is no file yet.
    pub(crate) last: Option<LastFile>,
    /// Headers of the journal files, oldest first.
    pub(crate) headers: Vec<Header>,
    /// Bytes read.
    pub(crate) bytes: u64,
}

/// The last journal file, the only one that may hold unproven or torn bytes.
pub(crate) struct LastFile {
    /// All bytes of the file.
    pub(crate) image: AlignedVec,
    /// The first frame that is not proven durable, or the end: from here on the file is rewritten unless it was
    /// left cleanly.
    pub(crate) proven_at: Cursor,
    /// Frames with events from `proven_at` on, in bytes.
    pub(crate) unproven_bytes: u64,
    /// The range of the last round in the image, if it is a mark and nothing follows it.
    pub(crate) final_mark: Option<Range<usize>>,
    /// The range of the image from the last frame to the last byte that is not zero: a write that a crash interrupted.
    pub(crate) torn: Range<usize>,
    /// Frames checked while the file was walked: a measure of the work.
    #[cfg_attr(not(test), expect(dead_code, reason = "a test holds recovery to be linear by it"))]
    pub(crate) frames_checked: u64,
}

impl LastFile {
    /// The bytes of a write that a crash interrupted.
    pub(crate) fn torn_bytes(&self) -> &[u8] {
        part(&self.image, &self.torn)
    }
}

/// The bytes of an image in a range that was found by walking it.
pub(super) fn part<'a>(image: &'a [u8], range: &Range<usize>) -> &'a [u8] {
    #[expect(clippy::expect_used, reason = "the range was cut out of this very image")]
    image.get(range.clone()).expect("a range of an image lies within it")
}

/// Walks the whole journal. `each` sees every frame with events, in order.
///
/// # Errors
/// Damage to acknowledged data, a newer format, or a failing disk.
pub(crate) fn examine(
    disk: &dyn Disk,
    manifest: &Manifest,
    each: &mut dyn FnMut(&Frame<'_>, &str) -> Result<(), Damage>,
) -> Result<Examined, OpenError> {
    let headers = read_headers(disk, manifest)?;
    let mut examined = Examined { end: None, last: None, headers: headers.clone(), bytes: 0 };
    let mut expected: Option<Cursor> = None;
    for (index, header) in headers.iter().enumerate() {
        let path = path_of(header.number);
        if let Some(end) = &expected {
            check_joint(end, header, &path)?;
        }
        let image = read_image(disk, &path)?;
        examined.bytes += image.len() as u64;
        let mut cursor = Cursor::at_start_of(*header, image.len() as u64);
        match headers.get(index + 1) {
            Some(next) => walk_inner(&image, &mut cursor, next, &path, each)?,
            None if (image.len() as u64) < header.file_bytes => {
                return Err(
                    Damage::new(path, image.len() as u64, "the last journal file is too short").into()
                );
            }
            None => {
                let last = walk_last(image, &mut cursor, &path, each)?;
                if !last.torn.is_empty() {
                    check_second_reading(disk, &path, &last.image)?;
                }
                examined.last = Some(last);
            }
        }
        assert!(cursor.log_offset >= header.log_offset, "a walk goes forwards");
        expected = Some(cursor);
    }
    examined.end = expected;
    Ok(examined)
}

/// The numbers of the store's journal files that exist, in order.
pub(super) fn numbers(disk: &dyn Disk, manifest: &Manifest) -> Result<Vec<u64>, OpenError> {
    let numbers = file::numbers(disk).map_err(|error| OpenError::io("list journal files", error))?;
    Ok(numbers.into_iter().filter(|number| *number >= manifest.first_journal).collect())
}

/// The headers of all journal files, in order and without a gap.
fn read_headers(disk: &dyn Disk, manifest: &Manifest) -> Result<Vec<Header>, OpenError> {
    let numbers = numbers(disk, manifest)?;
    let mut headers = Vec::with_capacity(numbers.len());
    for (number, expected) in numbers.into_iter().zip(manifest.first_journal..) {
        if number != expected {
            let damage = folder(disk, number);
            let damage = damage.unwrap_or_else(|| Damage::new(path_of(expected), 0, "the file is missing"));
            return Err(damage.into());
        }
        headers.push(read_header(disk, manifest, number)?);
    }
    let found = manifest.first_journal + headers.len() as u64 - 1;
    if found < manifest.last_journal {
        return Err(Damage::new(path_of(found + 1), 0, "the file is missing").into());
    }
    Ok(headers)
}

/// The damage if a folder has the name of this journal file.
fn folder(disk: &dyn Disk, number: u64) -> Option<Damage> {
    let path = path_of(number);
    let read = disk.open_read_only(&path).and_then(|file| file.read_at(&mut [0], 0));
    let is_folder = read.is_err_and(|error| error.kind() == io::ErrorKind::IsADirectory);
    is_folder.then(|| Damage::new(path, 0, "a folder has the name of a journal file; move it elsewhere"))
}

pub(super) fn read_header(disk: &dyn Disk, manifest: &Manifest, number: u64) -> Result<Header, OpenError> {
    let path = path_of(number);
    let mut bytes = [0; HEADER_BYTES];
    let file = disk.open_read_only(&path).map_err(|error| OpenError::io(format!("open {path}"), error))?;
    match file.read_at(&mut bytes, 0) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Err(Damage::new(path, 0, "the file is shorter than its header").into());
        }
        Err(error) => {
            let failed = || OpenError::io(format!("read {path}"), error);
            return Err(folder(disk, number).map_or_else(failed, OpenError::from));
        }
        Ok(()) => {}
    }
    match Header::decode(&bytes) {
        Ok(header) if header.store != manifest.store => {
            Err(Damage::new(path, 0, "the file belongs to another store").into())
        }
        Ok(header) if header.number != number => {
            Err(Damage::new(path, 0, "the number inside is not the one in its name").into())
        }
        Ok(header) => Ok(header),
        Err(problem @ FormatError::Newer { .. }) => Err(OpenError::Newer { file: path, problem }),
        Err(problem) => Err(Damage::new(path, 0, problem).into()),
    }
}

pub(super) fn read_image(disk: &dyn Disk, path: &str) -> Result<AlignedVec, OpenError> {
    let failed = |error| OpenError::io(format!("read {path}"), error);
    let file = disk.open_read_only(path).map_err(failed)?;
    let length = index(file.length().map_err(failed)?);
    let mut image = AlignedVec::new();
    image.resize(length, 0);
    file.read_at(&mut image, 0).map_err(failed)?;
    Ok(image)
}

/// Before bytes are treated as torn and cut off, two reads must agree.
fn check_second_reading(disk: &dyn Disk, path: &str, first: &[u8]) -> Result<(), OpenError> {
    let second = read_image(disk, path)?;
    match second.iter().zip(first).position(|(a, b)| a != b) {
        None => Ok(()),
        Some(offset) => Err(Damage::new(path, offset as u64, "two reads returned different bytes").into()),
    }
}

/// A file must begin where the walk through the one before it ended.
pub(super) fn check_joint(end: &Cursor, next: &Header, path: &str) -> Result<(), Damage> {
    let expected = (end.log_offset, end.previous_crc, end.next_position);
    match (next.log_offset, next.previous_crc, next.first_position) == expected
        && next.epoch >= end.header.epoch
    {
        true => Ok(()),
        false => Err(Damage::new(path, 0, "the file does not continue the one before it")),
    }
}

/// A file that is not the last was durable up to the start of the next before the next was named.
fn walk_inner(
    image: &[u8],
    cursor: &mut Cursor,
    next: &Header,
    path: &str,
    each: &mut dyn FnMut(&Frame<'_>, &str) -> Result<(), Damage>,
) -> Result<(), Damage> {
    let walked = walk(image, cursor, Some(next.log_offset), |frame| each_append(frame, path, each))?;
    if cursor.log_offset == next.log_offset {
        return Ok(());
    }
    Err(lost(path, cursor, walked.stopped_by))
}

fn walk_last(
    image: AlignedVec,
    cursor: &mut Cursor,
    path: &str,
    each: &mut dyn FnMut(&Frame<'_>, &str) -> Result<(), Damage>,
) -> Result<LastFile, Damage> {
    let mut proven_at = cursor.clone();
    let mut frames_checked = 0;
    let walked = walk(&image, cursor, None, |frame| {
        frames_checked += 1;
        each_append(frame, path, each)
    })?;
    let damaged = cursor.log_offset < walked.proven || find_evidence(&image, cursor).is_some();
    if damaged && !planted::is(Bug::TruncateAtFirstBadFrame) {
        return Err(lost(path, cursor, walked.stopped_by));
    }
    // What is proven is known only after the walk. A second walk is linear and needs no memory for unproven frames.
    let proven = walked.proven.min(cursor.log_offset);
    if !proven.is_multiple_of(BLOCK_BYTES as u64) {
        return Err(Damage::new(path, cursor.file_offset(), "a frame vouches for a part of a round"));
    }
    walk(&image, &mut proven_at, Some(proven), |_| checked(&mut frames_checked))?;
    let (mut rest, mut unproven_bytes) = (proven_at.clone(), 0);
    walk(&image, &mut rest, Some(cursor.log_offset), |frame| {
        let is_append = frame.header.kind == Kind::Append;
        unproven_bytes += if is_append { frame.length() as u64 } else { 0 };
        checked(&mut frames_checked)
    })?;
    assert!(
        proven_at.log_offset >= proven && rest.log_offset == cursor.log_offset,
        "both walks see the same"
    );
    let end = index(cursor.file_offset()).min(image.len());
    let torn = end..end + used_length(part(&image, &(end..image.len())));
    // A write cut short right after the mark leaves it without its padding: nothing is torn, but the next round cannot
    // begin here.
    let is_whole = torn.is_empty() && cursor.log_offset.is_multiple_of(BLOCK_BYTES as u64);
    let mark = walked.final_mark.filter(|_| is_whole);
    let final_mark = mark.map(|mark| {
        let length = index(cursor.log_offset - mark);
        assert!(length <= end, "a mark lies in the file in which it was found");
        end - length..end
    });
    Ok(LastFile { image, proven_at, unproven_bytes, final_mark, torn, frames_checked })
}

fn checked(frames: &mut u64) -> Result<(), Damage> {
    *frames += 1;
    Ok(())
}

fn each_append(
    frame: &Frame<'_>,
    path: &str,
    each: &mut dyn FnMut(&Frame<'_>, &str) -> Result<(), Damage>,
) -> Result<(), Damage> {
    if frame.header.kind == Kind::Append { each(frame, path) } else { Ok(()) }
}

pub(super) fn lost(path: &str, end: &Cursor, problem: FormatError) -> Damage {
    let problem =
        format!("{problem}; acknowledged events from position {} on are affected", end.next_position);
    Damage::new(path, end.file_offset(), problem)
}

#[cfg(test)]
mod tests;
