//! Segments: the records of a generation in one file, with a segment for each partition that has events.
//!
//! A segment consists of runs. A run covers consecutive events of its partition, at most
//! [`crate::limits::RUN_BYTES_MAX`], and sorts them by tenant, entity and version. So the events of an entity lie
//! together, and reading in position order touches one run of a partition at a time.

mod check;

use crate::entry::entry;
use crate::error::FormatError;
use crate::limits::PARTITIONS_MAX;
use crate::sealed::Kind;

pub use check::{Placed, Segments, check, runs, segments};

/// Section of records, one after the other, each at a multiple of 8.
pub const RECORDS: u32 = 1;
/// Section of runs, one [`Run`] each, ordered by segment.
pub const RUNS: u32 = 2;
/// Section of segments, one [`Segment`] each, by partition.
pub const SEGMENTS: u32 = 3;

const _: () = assert!(SEGMENTS == Kind::Segments.sections());

/// Size of an entry of the table of runs.
pub const RUN_ENTRY_BYTES: usize = 56;
/// Size of an entry of the table of segments.
pub const SEGMENT_ENTRY_BYTES: usize = 32;

entry! {
    /// An entry of the table of segments.
    Segment, SEGMENT_ENTRY_BYTES, check check_segment;
    /// Its partition.
    partition: u32,
    /// Number of runs, at least 1.
    runs: u32,
    /// Sequence of its first event within the partition, from 1.
    first_sequence: u64,
    /// Number of events, at least 1.
    events: u64,
    /// Size of its records in bytes.
    bytes: u64,
}

entry! {
    /// An entry of the table of runs.
    Run, RUN_ENTRY_BYTES, check check_run;
    /// Offset of its first record in the section of records.
    offset: u64,
    /// Bytes of its records.
    bytes: u64,
    /// Number of its records.
    events: u64,
    /// Lowest position.
    first_position: u64,
    /// Highest position.
    last_position: u64,
    /// Earliest timestamp.
    min_timestamp: i64,
    /// Latest timestamp.
    max_timestamp: i64,
}

fn check_segment(segment: &Segment) -> Result<(), FormatError> {
    let is_sound = segment.partition < PARTITIONS_MAX
        && segment.runs > 0
        && segment.first_sequence > 0
        && segment.events > 0;
    if is_sound { Ok(()) } else { Err(FormatError::Range("entry of the table of segments")) }
}

fn check_run(run: &Run) -> Result<(), FormatError> {
    let is_sound = run.events > 0
        && run.first_position > 0
        && run.first_position <= run.last_position
        && run.min_timestamp <= run.max_timestamp
        && run.offset.is_multiple_of(8);
    if is_sound { Ok(()) } else { Err(FormatError::Range("entry of the table of runs")) }
}

#[cfg(test)]
pub(crate) mod tests;
