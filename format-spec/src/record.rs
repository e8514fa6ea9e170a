//! An event on disk: an 8-byte header and a self-contained rkyv archive.
//!
//! The archive's root lies at its end and has a fixed size, so every number in a record is at a constant offset from
//! the record's end. rkyv writes records. [`Record::check`] validates bytes from a disk once, with rkyv's help; after
//! that, [`Record`] reads fields at those constant offsets.

mod archive;
mod draft;
mod read;

pub use archive::{ARCHIVE_ROOT_BYTES, flags};
pub use draft::{Draft, DraftError, Stamp, complete, encode};
pub use read::{Record, Tags};

/// Bytes before the archive: its length and its checksum.
pub const HEADER_BYTES: usize = 8;

/// Length of the shortest possible record.
pub const BYTES_MIN: usize = HEADER_BYTES + ARCHIVE_ROOT_BYTES;

#[cfg(test)]
mod tests;
