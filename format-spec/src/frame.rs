//! A frame: one append request with all its events, or a control frame. Frames follow each other in a journal file;
//! each holds the checksum of the previous one.

use crate::bytes::{all_zero, array, part, put, rest, stored_length, u32_at, u64_at};
use crate::error::FormatError;
use crate::limits::{FRAME_BYTES_MAX, FRAME_EVENTS_MAX};
use crate::record::Record;

/// Size of a frame's header; a frame's length and offset are multiples of it.
pub const HEADER_BYTES: usize = 64;

const MAGIC: [u8; 4] = *b"ASf1";
const CRC: usize = 4;
const LENGTH: usize = 8;
const KIND: usize = 12;
const COUNT: usize = 16;
const PREVIOUS_CRC: usize = 20;
const LOG_OFFSET: usize = 24;
const FIRST_POSITION: usize = 32;
const SYNCED_THROUGH: usize = 40;
const RESERVED: usize = 48;

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One append request: all of its events, or none.
    Append,
    /// No events: states that everything below its `synced_through` is durable.
    Mark,
    /// Fills a round up to the next multiple of 4 KiB.
    Pad,
}

impl Kind {
    fn code(self) -> u8 {
        match self {
            Kind::Append => 1,
            Kind::Mark => 2,
            Kind::Pad => 3,
        }
    }

    fn from_code(code: u8) -> Result<Self, FormatError> {
        match code {
            1 => Ok(Kind::Append),
            2 => Ok(Kind::Mark),
            3 => Ok(Kind::Pad),
            _ => Err(FormatError::Field("frame kind")),
        }
    }
}

/// A frame's header, without its length and checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What the frame is for.
    pub kind: Kind,
    /// Number of events: at least 1 in an append, 0 otherwise.
    pub count: u32,
    /// Checksum of the previous frame.
    pub previous_crc: u32,
    /// Log offset of this frame's first byte.
    pub log_offset: u64,
    /// Position of its first event; in a control frame, of the next event in the log.
    pub first_position: u64,
    /// Everything below this log offset was durable before this frame was written.
    pub synced_through: u64,
}

/// The length of a frame whose records take `body_bytes`.
pub const fn length(body_bytes: usize) -> usize {
    (HEADER_BYTES + body_bytes).next_multiple_of(HEADER_BYTES)
}

/// Writes the header of `frame`, whose body is already in place, and returns the frame's checksum. `seed` is the
/// file's, see [`crate::journal::Header::seed`].
///
/// # Panics
/// If a frame cannot have the length of `frame`.
pub fn complete(frame: &mut [u8], header: &Header, seed: u32) -> u32 {
    assert!(frame.len() >= HEADER_BYTES && frame.len().is_multiple_of(HEADER_BYTES));
    assert!(frame.len() <= FRAME_BYTES_MAX && header.count as usize <= FRAME_EVENTS_MAX);
    assert!(
        (header.kind == Kind::Append) == (header.count > 0),
        "append frames hold events and other frames hold none"
    );
    let length = stored_length(frame.len());
    put(frame, 0, &MAGIC);
    put(frame, LENGTH, &length.to_le_bytes());
    put(frame, KIND, &[header.kind.code(), 0, 0, 0]);
    put(frame, COUNT, &header.count.to_le_bytes());
    put(frame, PREVIOUS_CRC, &header.previous_crc.to_le_bytes());
    put(frame, LOG_OFFSET, &header.log_offset.to_le_bytes());
    put(frame, FIRST_POSITION, &header.first_position.to_le_bytes());
    put(frame, SYNCED_THROUGH, &header.synced_through.to_le_bytes());
    put(frame, RESERVED, &[0; HEADER_BYTES - RESERVED]);
    let crc = checksum(frame, seed);
    put(frame, CRC, &crc.to_le_bytes());
    crc
}

fn checksum(frame: &[u8], seed: u32) -> u32 {
    let mut crc = crc32fast::Hasher::new_with_initial(seed);
    crc.update(rest(frame, LENGTH));
    crc.finalize()
}

/// A validated frame, borrowed from the bytes it lies in.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// Its header.
    pub header: Header,
    /// Its checksum, which the next frame repeats.
    pub crc: u32,
    bytes: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame that starts at `bytes[0]`. Validates length, checksum and header, but not the records.
    ///
    /// # Errors
    /// If the bytes are not a valid frame.
    pub fn check(bytes: &'a [u8], seed: u32) -> Result<Self, FormatError> {
        if array::<4>(bytes, 0)? != MAGIC {
            return Err(FormatError::Magic("frame"));
        }
        let length = u32_at(bytes, LENGTH)? as usize;
        if !(HEADER_BYTES..=FRAME_BYTES_MAX).contains(&length) || !length.is_multiple_of(HEADER_BYTES) {
            return Err(FormatError::Range("frame length"));
        }
        let whole = bytes.get(..length).ok_or(FormatError::Short { need: length, have: bytes.len() })?;
        let crc = u32_at(whole, CRC)?;
        if crc != checksum(whole, seed) {
            return Err(FormatError::Checksum("frame"));
        }
        let [kind, zeros @ ..] = array::<4>(whole, KIND)?;
        all_zero(&zeros, "reserved bytes of a frame")?;
        all_zero(part(whole, RESERVED..HEADER_BYTES), "reserved bytes of a frame")?;
        let header = Header {
            kind: Kind::from_code(kind)?,
            count: u32_at(whole, COUNT)?,
            previous_crc: u32_at(whole, PREVIOUS_CRC)?,
            log_offset: u64_at(whole, LOG_OFFSET)?,
            first_position: u64_at(whole, FIRST_POSITION)?,
            synced_through: u64_at(whole, SYNCED_THROUGH)?,
        };
        if (header.kind == Kind::Append) != (header.count > 0) || header.count as usize > FRAME_EVENTS_MAX {
            return Err(FormatError::Range("event count"));
        }
        if header.synced_through > header.log_offset || header.first_position == 0 {
            return Err(FormatError::Range("log offset or position"));
        }
        Ok(Self { header, crc, bytes: whole })
    }

    /// The log offset and the *synced through* of the frame that seems to start at `bytes[0]`, without validation. `None`:
    /// no frame starts there.
    pub fn claims(bytes: &[u8]) -> Option<(u64, u64)> {
        let is_frame = array::<4>(bytes, 0).is_ok_and(|magic| magic == MAGIC);
        let claims = (u64_at(bytes, LOG_OFFSET).ok()?, u64_at(bytes, SYNCED_THROUGH).ok()?);
        is_frame.then_some(claims)
    }

    /// Length in bytes, header included.
    pub fn length(&self) -> usize {
        self.bytes.len()
    }

    /// The whole frame, header included.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The frame's records with their offsets from the frame's start. Validates each record, and that positions count
    /// up from the header's. Ends after the first error.
    pub fn records(&self) -> Records<'a> {
        Records { frame: *self, next: HEADER_BYTES, seen: 0, done: false }
    }
}

/// The records of a frame, see [`Frame::records`].
#[derive(Debug, Clone)]
pub struct Records<'a> {
    frame: Frame<'a>,
    next: usize,
    seen: u32,
    done: bool,
}

impl<'a> Records<'a> {
    fn read(&mut self) -> Option<Result<(usize, Record<'a>), FormatError>> {
        let rest = rest(self.frame.bytes, self.next);
        if self.seen == self.frame.header.count {
            self.done = true;
            return all_zero(rest, "bytes after the last record").err().map(Err);
        }
        let record = match Record::check(rest) {
            Ok(record) => record,
            Err(error) => return Some(Err(error)),
        };
        if Some(record.position()) != self.frame.header.first_position.checked_add(u64::from(self.seen)) {
            return Some(Err(FormatError::Range("position of a record in its frame")));
        }
        let offset = self.next;
        self.next += record.as_bytes().len();
        self.seen += 1;
        Some(Ok((offset, record)))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<(usize, Record<'a>), FormatError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let item = self.read();
        self.done = self.done || !matches!(item, Some(Ok(_)));
        item
    }
}

#[cfg(test)]
mod tests;
