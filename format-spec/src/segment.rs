//! A segment: the records of one partition over a range of positions, in runs.
//!
//! A run covers consecutive positions of its partition and holds at most [`crate::limits::RUN_BYTES_MAX`], sorted
//! by tenant, entity and version: so an entity's events lie together, and reading in position order touches one
//! run at a time.

mod check;

use crate::bytes::{i64_at, put, u64_at};
use crate::error::FormatError;

pub use check::{Placed, Segment, check, runs};

/// Section of records, one after the other, each at a multiple of 8.
pub const RECORDS: u32 = 1;
/// Section of runs, one entry each.
pub const RUNS: u32 = 2;

/// Size of an entry of the table of runs.
pub const RUN_ENTRY_BYTES: usize = 56;

/// Place of an event in a generation: partition in the upper 16 bits, offset in the segment's file in the others.
pub fn place(partition: u32, offset: u64) -> u64 {
    assert!(offset >> 48 == 0 && partition >> 16 == 0, "segments are far smaller, partitions far fewer");
    u64::from(partition) << 48 | offset
}

/// Partition and offset of a [`place`].
pub fn partition_and_offset(place: u64) -> (u32, u64) {
    (u32::from((place >> 48) as u16), place & ((1 << 48) - 1))
}

/// An entry of the table of runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Run {
    /// Offset of its first record in the section of records.
    pub offset: u64,
    /// Bytes of its records.
    pub bytes: u64,
    /// Number of its records.
    pub events: u64,
    /// Lowest position.
    pub first_position: u64,
    /// Highest position.
    pub last_position: u64,
    /// Earliest timestamp.
    pub min_timestamp: i64,
    /// Latest timestamp.
    pub max_timestamp: i64,
}

impl Run {
    /// The entry's bytes.
    pub fn encode(&self) -> [u8; RUN_ENTRY_BYTES] {
        let mut out = [0; RUN_ENTRY_BYTES];
        put(&mut out, 0, &self.offset.to_le_bytes());
        put(&mut out, 8, &self.bytes.to_le_bytes());
        put(&mut out, 16, &self.events.to_le_bytes());
        put(&mut out, 24, &self.first_position.to_le_bytes());
        put(&mut out, 32, &self.last_position.to_le_bytes());
        put(&mut out, 40, &self.min_timestamp.to_le_bytes());
        put(&mut out, 48, &self.max_timestamp.to_le_bytes());
        out
    }

    /// Reads an entry.
    ///
    /// # Errors
    /// When it is cut short, or its numbers contradict each other.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let run = Self {
            offset: u64_at(bytes, 0)?,
            bytes: u64_at(bytes, 8)?,
            events: u64_at(bytes, 16)?,
            first_position: u64_at(bytes, 24)?,
            last_position: u64_at(bytes, 32)?,
            min_timestamp: i64_at(bytes, 40)?,
            max_timestamp: i64_at(bytes, 48)?,
        };
        let holds_together = run.events > 0
            && run.first_position > 0
            && run.first_position <= run.last_position
            && run.min_timestamp <= run.max_timestamp
            && run.offset.is_multiple_of(8);
        if holds_together { Ok(run) } else { Err(FormatError::Range("entry of the table of runs")) }
    }
}

#[cfg(test)]
pub(crate) mod tests;
