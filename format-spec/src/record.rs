//! One event as it lies on disk: an 8-byte header, then one rkyv archive that needs nothing else to be read.
//!
//! The archive's root lies at its end and has a fixed size, so every number in a record is at a constant
//! offset from the record's end. Writing goes through rkyv; bytes that come from a disk are validated once by
//! rkyv and by [`Record::check`]; after that [`Record`] reads fields at those constant offsets without copying.

mod archive;
mod draft;
mod read;

pub use archive::{ARCHIVE_ROOT_BYTES, flags};
pub use draft::{Draft, DraftError, encode, seal};
pub use read::{Record, Tags};

/// Bytes before the archive: its length and its checksum.
pub const HEADER_BYTES: usize = 8;

/// Shortest possible record.
pub const BYTES_MIN: usize = HEADER_BYTES + ARCHIVE_ROOT_BYTES;

#[cfg(test)]
mod tests;
