//! Walks the frames of one journal file, and finds what stops the walk.

use allsource_format::FormatError;
use allsource_format::frame::{self, Frame};
use allsource_format::journal::{BLOCK_BYTES, HEADER_BYTES};

use super::cursor::Cursor;
use crate::number::index;

/// How the walk through a file ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Walked {
    /// Everything below this log offset was durable, according to the valid frames.
    pub(crate) proven: u64,
    /// Log offset of the last block of marks, if the walk ended right after one and nothing came after.
    pub(crate) final_mark: Option<u64>,
    /// Why no valid frame follows the end.
    pub(crate) stopped_by: FormatError,
}

/// Walks the frames of `image`, a whole journal file, from the cursor on, up to log offset `until` if given,
/// and moves the cursor. `each` sees every frame and its offset in the image.
pub(crate) fn walk<E>(
    image: &[u8],
    cursor: &mut Cursor,
    until: Option<u64>,
    mut each: impl FnMut(&Frame<'_>) -> Result<(), E>,
) -> Result<Walked, E> {
    let seed = cursor.header.seed();
    let mut walked = Walked {
        proven: cursor.header.synced_through,
        final_mark: None,
        stopped_by: FormatError::Magic("frame"),
    };
    loop {
        if until.is_some_and(|until| cursor.log_offset >= until) {
            return Ok(walked);
        }
        // A file cut short within its header has no frame.
        let rest = image.get(index(cursor.file_offset())..).unwrap_or(&[]);
        let frame = match next_frame(rest, cursor, seed) {
            Ok(frame) => frame,
            Err(problem) => {
                walked.stopped_by = problem;
                return Ok(walked);
            }
        };
        each(&frame)?;
        walked.proven = walked.proven.max(frame.header.synced_through);
        walked.final_mark = match frame.header.kind {
            frame::Kind::Append => None,
            frame::Kind::Mark => Some(cursor.log_offset),
            frame::Kind::Pad => walked.final_mark,
        };
        assert!(frame.length() > 0, "a walk moves on");
        cursor.log_offset += frame.length() as u64;
        cursor.previous_crc = frame.crc;
        cursor.next_position += u64::from(frame.header.count);
    }
}

/// The frame at the cursor, if it is valid and belongs there.
fn next_frame<'a>(bytes: &'a [u8], cursor: &Cursor, seed: u32) -> Result<Frame<'a>, FormatError> {
    let frame = Frame::check(bytes, seed)?;
    let expected = (cursor.log_offset, cursor.previous_crc, cursor.next_position);
    let header = &frame.header;
    match (header.log_offset, header.previous_crc, header.first_position) == expected {
        true => Ok(frame),
        false => Err(FormatError::Range("place of a frame in the log")),
    }
}

/// Searches after the end of a walk for proof that more was durable: a valid frame that says so. Returns its offset.
pub(crate) fn find_evidence(image: &[u8], end: &Cursor) -> Option<u64> {
    let seed = end.header.seed();
    let first = index(end.file_offset()).next_multiple_of(BLOCK_BYTES);
    (first..image.len()).step_by(BLOCK_BYTES).find_map(|offset| {
        let log_offset = end.header.log_offset + (offset - HEADER_BYTES) as u64;
        let bytes = image.get(offset..)?;
        // The claim is compared before the checksum: a payload may hold thousands of lookalikes of frames, and checking
        // one reads it to its end.
        let (says_offset, says_synced) = Frame::claims(bytes)?;
        let is_evidence = says_offset == log_offset && says_synced > end.log_offset;
        (is_evidence && Frame::check(bytes, seed).is_ok()).then_some(offset as u64)
    })
}

/// Length of `image` without the zeros at its end.
pub(crate) fn used_length(image: &[u8]) -> usize {
    image.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)
}
