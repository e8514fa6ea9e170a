//! Segments: the records of a generation in one file, as a segment of runs for each partition that has any.
//!
//! A run covers consecutive positions of its partition and holds at most [`crate::limits::RUN_BYTES_MAX`], sorted by
//! tenant, entity and version. So an entity's events lie together, and reading in position order touches one run of a
//! partition at a time.

mod check;

use crate::bytes::{i64_at, put, u32_at, u64_at};
use crate::error::FormatError;
use crate::limits::PARTITIONS_MAX;

pub use check::{Placed, Segments, check, runs, segments};

/// Section of records, one after the other, each at a multiple of 8.
pub const RECORDS: u32 = 1;
/// Section of runs, one [`Run`] each: first those of the first segment, then those of the second, and so on.
pub const RUNS: u32 = 2;
/// Section of segments, one [`Segment`] each, by partition.
pub const SEGMENTS: u32 = 3;

/// Size of an entry of the table of runs.
pub const RUN_ENTRY_BYTES: usize = 56;
/// Size of an entry of the table of segments.
pub const SEGMENT_ENTRY_BYTES: usize = 32;

/// Place of an event in a generation: its partition in the upper 16 bits, its offset in the file in the lower 48.
pub fn place(partition: u32, offset: u64) -> u64 {
    assert!(offset >> 48 == 0 && partition >> 16 == 0, "files are far smaller, partitions far fewer");
    u64::from(partition) << 48 | offset
}

/// Partition and offset of a [`place`].
pub fn partition_and_offset(place: u64) -> (u32, u64) {
    (u32::from((place >> 48) as u16), place & ((1 << 48) - 1))
}

/// An entry of the table of segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Segment {
    /// Its partition.
    pub partition: u32,
    /// Number of runs, at least 1.
    pub runs: u32,
    /// Sequence of its first event within the partition, from 1.
    pub first_sequence: u64,
    /// Number of events, at least 1.
    pub events: u64,
    /// Size of its records in bytes.
    pub bytes: u64,
}

impl Segment {
    /// The entry's bytes.
    pub fn encode(&self) -> [u8; SEGMENT_ENTRY_BYTES] {
        let mut out = [0; SEGMENT_ENTRY_BYTES];
        put(&mut out, 0, &self.partition.to_le_bytes());
        put(&mut out, 4, &self.runs.to_le_bytes());
        put(&mut out, 8, &self.first_sequence.to_le_bytes());
        put(&mut out, 16, &self.events.to_le_bytes());
        put(&mut out, 24, &self.bytes.to_le_bytes());
        out
    }

    /// Decodes an entry.
    ///
    /// # Errors
    /// If it is cut short, or a number is out of range.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let segment = Self {
            partition: u32_at(bytes, 0)?,
            runs: u32_at(bytes, 4)?,
            first_sequence: u64_at(bytes, 8)?,
            events: u64_at(bytes, 16)?,
            bytes: u64_at(bytes, 24)?,
        };
        let is_sound = segment.partition < PARTITIONS_MAX
            && segment.runs > 0
            && segment.first_sequence > 0
            && segment.events > 0;
        if is_sound { Ok(segment) } else { Err(FormatError::Range("entry of the table of segments")) }
    }
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

    /// Decodes an entry.
    ///
    /// # Errors
    /// If it is cut short, or its numbers contradict each other.
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
