//! The bytes that AllSource writes to disk, and nothing else: no files, no clocks, no threads.
//!
//! `SPEC.md` beside this crate is normative; this codec is its first implementation and `reader.py` its second.
//! Everything here turns bytes into values or values into bytes. No input makes a decoder panic: it returns a
//! [`FormatError`] that says what is wrong.

pub mod limits;
pub mod error;
mod bytes;
mod entry;
pub mod partition;
pub mod record;
pub mod journal;
pub mod frame;
pub mod sealed;
pub mod segment;
pub mod index;
pub mod snapshot;
pub mod manifest;

pub use error::FormatError;

/// The format version this crate writes.
pub const WRITE_VERSION: u16 = 2;

/// The oldest reader version that can read what this crate writes.
pub const READ_VERSION: u16 = 2;

/// The oldest read version this crate still reads: version 1 was never released.
pub const OLDEST_VERSION: u16 = 2;

/// The identity of a store: 16 random bytes, drawn when it is created and present in all of its files.
pub type StoreId = [u8; 16];
