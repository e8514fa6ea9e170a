//! Checking a segment: its runs agree with each other and with its header, and every record is whole and in order.

use super::{RECORDS, RUN_ENTRY_BYTES, RUNS, Run};
use crate::error::FormatError;
use crate::limits::{PARTITIONS_MAX, RUN_BYTES_MAX};
use crate::record::Record;
use crate::sealed::{self, Header, Kind};

/// A segment of which every byte was checked.
#[derive(Debug, Clone)]
pub struct Segment<'a> {
    header: Header,
    runs: Vec<Run>,
    bytes: &'a [u8],
}

/// A record of a segment and where it lies.
#[derive(Debug, Clone, Copy)]
pub struct Placed<'a> {
    /// The record.
    pub record: Record<'a>,
    /// Its run, from 0.
    pub run: u64,
    /// Its offset in the file.
    pub offset: u64,
}

/// Checks a whole segment: header, blocks, runs, records. `bytes` must lie at an address that is a multiple of 8.
///
/// # Errors
/// What is wrong with it.
pub fn check(bytes: &[u8]) -> Result<Segment<'_>, FormatError> {
    let header = sealed::check(bytes, Kind::Segment)?;
    let runs = runs(&header, header.section(RUNS).unwrap_or_default().of(bytes))?;
    let records = header.section(RECORDS).unwrap_or_default();
    let mut last_recorded_at = i64::MIN;
    for run in &runs {
        last_recorded_at = run.check(run.of(records.of(bytes)), last_recorded_at)?;
    }
    Ok(Segment { header, runs, bytes })
}

/// The runs of a segment of this header, from the bytes of its table of runs: they follow each other without a
/// gap, and come to what the header says.
///
/// # Errors
/// What contradicts what.
pub fn runs(header: &Header, table: &[u8]) -> Result<Vec<Run>, FormatError> {
    if header.first_sequence == 0 || header.partition >= PARTITIONS_MAX {
        return Err(FormatError::Range("partition or sequence of a segment"));
    }
    if header.source_crc != 0 {
        return Err(FormatError::Reserved("source checksum of a segment"));
    }
    let (entries, rest) = table.as_chunks::<RUN_ENTRY_BYTES>();
    let (section, records) = header.section(RUNS).zip(header.section(RECORDS)).unwrap_or_default();
    if entries.is_empty() || !rest.is_empty() || section.count != entries.len() as u64 {
        return Err(FormatError::Range("table of runs"));
    }
    let runs: Vec<Run> = entries.iter().map(|entry| Run::decode(entry)).collect::<Result<_, _>>()?;
    let (mut offset, mut events, mut position) = (0, 0_u64, header.first_position.saturating_sub(1));
    for run in &runs {
        if run.offset != offset || run.bytes > RUN_BYTES_MAX || run.bytes > records.bytes - offset {
            return Err(FormatError::Range("place of a run"));
        }
        if run.first_position <= position {
            return Err(FormatError::Order("run"));
        }
        (offset, position) = (offset + run.bytes, run.last_position);
        events = events.saturating_add(run.events);
    }
    let min_timestamp = runs.iter().map(|run| run.min_timestamp).min();
    let max_timestamp = runs.iter().map(|run| run.max_timestamp).max();
    let is_all = (offset, events, records.count) == (records.bytes, header.events, header.events)
        && position <= header.last_position
        && (min_timestamp, max_timestamp) == (Some(header.min_timestamp), Some(header.max_timestamp));
    if is_all { Ok(runs) } else { Err(FormatError::Range("sum of the runs")) }
}

impl Run {
    /// Its bytes, out of those of the section of records; nothing when they are not there.
    pub fn of<'a>(&self, records: &'a [u8]) -> &'a [u8] {
        let start = usize::try_from(self.offset).unwrap_or(usize::MAX);
        let bytes = usize::try_from(self.bytes).unwrap_or(usize::MAX);
        records.get(start..).and_then(|rest| rest.get(..bytes)).unwrap_or(&[])
    }

    /// Checks the records of this run, which `bytes` holds, at an address that is a multiple of 8. All of them must
    /// be recorded later than `after`; returns when the last one was.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn check(&self, bytes: &[u8], after: i64) -> Result<i64, FormatError> {
        let (mut rest, mut previous) = (bytes, None);
        let mut places = Vec::new();
        let (mut min_timestamp, mut max_timestamp) = (i64::MAX, i64::MIN);
        while !rest.is_empty() {
            let record = Record::check(rest)?;
            if previous.is_some_and(|previous| !follows(&previous, &record)) {
                return Err(FormatError::Order("record in its run"));
            }
            places.push((record.position(), record.recorded_at()));
            min_timestamp = min_timestamp.min(record.timestamp());
            max_timestamp = max_timestamp.max(record.timestamp());
            rest = rest.get(record.as_bytes().len()..).unwrap_or(&[]);
            previous = Some(record);
        }
        places.sort_unstable();
        let mut last = (0, after);
        for (position, recorded_at) in &places {
            if *position <= last.0 || *recorded_at <= last.1 {
                return Err(FormatError::Order("position or commit time"));
            }
            last = (*position, *recorded_at);
        }
        let first_position = places.first().map_or(0, |(position, _)| *position);
        let found = Self {
            bytes: bytes.len() as u64,
            events: places.len() as u64,
            first_position,
            last_position: last.0,
            min_timestamp,
            max_timestamp,
            ..*self
        };
        if found == *self { Ok(last.1) } else { Err(FormatError::Range("entry of a run")) }
    }
}

fn key_of<'a>(record: &Record<'a>) -> (&'a str, &'a str) {
    (record.tenant(), record.entity_id())
}

/// Whether a record may stand directly behind another one in a run.
fn follows(previous: &Record<'_>, record: &Record<'_>) -> bool {
    match key_of(record).cmp(&key_of(previous)) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => {
            Some(record.version()) == previous.version().checked_add(1)
                && record.position() > previous.position()
        }
    }
}

impl<'a> Segment<'a> {
    /// What its header says.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The checksum of its header.
    pub fn header_crc(&self) -> u32 {
        Header::crc(self.bytes)
    }

    /// Its runs, in the order of positions.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Its records in the order in which they lie there.
    pub fn records(&self) -> impl Iterator<Item = Placed<'a>> {
        let (section, bytes) = (self.header.section(RECORDS).unwrap_or_default(), self.bytes);
        (0..).zip(&self.runs).flat_map(move |(number, run)| {
            let (mut rest, mut offset) = (run.of(section.of(bytes)), section.offset + run.offset);
            std::iter::from_fn(move || {
                let record = Record::at(rest).ok()?;
                let placed = Placed { record, run: number, offset };
                rest = rest.get(record.as_bytes().len()..).unwrap_or(&[]);
                offset += record.as_bytes().len() as u64;
                Some(placed)
            })
        })
    }
}
