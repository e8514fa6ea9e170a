//! Checks a segments file: its tables must agree with each other and with its header, and every record must be valid and in
//! order.

use super::{RECORDS, RUN_ENTRY_BYTES, RUNS, Run, SEGMENT_ENTRY_BYTES, SEGMENTS, Segment};
use crate::bytes::{self, index, part};
use crate::error::FormatError;
use crate::limits::RUN_BYTES_MAX;
use crate::record::Record;
use crate::sealed::{self, Header, Kind};

/// A segments file whose every byte was checked.
#[derive(Debug, Clone)]
pub struct Segments<'a> {
    header: Header,
    list: Vec<Segment>,
    runs: Vec<Run>,
    bytes: &'a [u8],
}

/// A record and where it lies.
#[derive(Debug, Clone, Copy)]
pub struct Placed<'a> {
    /// The record.
    pub record: Record<'a>,
    /// The partition of its segment.
    pub partition: u32,
    /// Its run, counted from 0 in each segment.
    pub run: u64,
    /// Its offset in the file.
    pub offset: u64,
}

/// Checks a whole segments file: header, blocks, tables, records. The address of `bytes` must be a multiple of 8.
///
/// # Errors
/// If any of them is invalid.
pub fn check(bytes: &[u8]) -> Result<Segments<'_>, FormatError> {
    let header = sealed::check(bytes, Kind::Segments)?;
    let list = segments(&header, header.section(SEGMENTS).of(bytes))?;
    let runs = runs(&header, &list, header.section(RUNS).of(bytes))?;
    let records = header.section(RECORDS);
    for (_, runs) in by_segment(&list, &runs) {
        let mut last_recorded_at = i64::MIN;
        for run in runs {
            last_recorded_at = run.check(run.of(records.of(bytes)), last_recorded_at)?;
        }
    }
    Ok(Segments { header, list, runs, bytes })
}

/// The segments of a file, from its header and the bytes of its table of segments. Partitions must ascend, and the
/// segments must add up to what the header states.
///
/// # Errors
/// If they contradict each other.
pub fn segments(header: &Header, table: &[u8]) -> Result<Vec<Segment>, FormatError> {
    if header.source_crc != 0 {
        return Err(FormatError::Reserved("source checksum of a file of segments"));
    }
    let (entries, rest) = table.as_chunks::<SEGMENT_ENTRY_BYTES>();
    let count = header.section(SEGMENTS).count;
    if entries.is_empty() || !rest.is_empty() || count != entries.len() as u64 {
        return Err(FormatError::Range("table of segments"));
    }
    let list: Vec<Segment> = entries.iter().map(|entry| Segment::decode(entry)).collect::<Result<_, _>>()?;
    if !list.is_sorted_by(|one, other| one.partition < other.partition) {
        return Err(FormatError::Order("segment"));
    }
    let sum =
        |of: fn(&Segment) -> u64| list.iter().fold(0_u64, |sum, segment| sum.saturating_add(of(segment)));
    let records = header.section(RECORDS);
    let is_all = (sum(|segment| segment.events), sum(|segment| segment.bytes), records.count)
        == (header.events, records.bytes, header.events);
    if is_all { Ok(list) } else { Err(FormatError::Range("sum of the segments")) }
}

/// The runs of these segments, from the bytes of their table. The runs of a segment must add up to what it states, and
/// all runs must follow each other without a gap.
///
/// # Errors
/// If they contradict each other.
pub fn runs(header: &Header, list: &[Segment], table: &[u8]) -> Result<Vec<Run>, FormatError> {
    let (entries, rest) = table.as_chunks::<RUN_ENTRY_BYTES>();
    let (section, records) = (header.section(RUNS), header.section(RECORDS));
    let count = list.iter().map(|segment| u64::from(segment.runs)).sum::<u64>();
    if !rest.is_empty() || [section.count, count] != [entries.len() as u64; 2] {
        return Err(FormatError::Range("table of runs"));
    }
    let runs: Vec<Run> = entries.iter().map(|entry| Run::decode(entry)).collect::<Result<_, _>>()?;
    let mut offset = 0;
    for (segment, runs) in by_segment(list, &runs) {
        let (start, mut events, mut position) = (offset, 0_u64, header.first_position - 1);
        for run in runs {
            if run.offset != offset || run.bytes > RUN_BYTES_MAX || run.bytes > records.bytes - offset {
                return Err(FormatError::Range("place of a run"));
            }
            if run.first_position <= position {
                return Err(FormatError::Order("run"));
            }
            (offset, position) = (offset + run.bytes, run.last_position);
            events = events.saturating_add(run.events);
        }
        let is_all = (offset - start, events) == (segment.bytes, segment.events);
        if !is_all || position > header.last_position {
            return Err(FormatError::Range("sum of the runs"));
        }
    }
    let min_timestamp = runs.iter().map(|run| run.min_timestamp).min();
    let max_timestamp = runs.iter().map(|run| run.max_timestamp).max();
    let is_all = offset == records.bytes
        && (min_timestamp, max_timestamp) == (Some(header.min_timestamp), Some(header.max_timestamp));
    if is_all { Ok(runs) } else { Err(FormatError::Range("sum of the runs")) }
}

/// Each segment with its runs, which are as many as the segments state.
fn by_segment<'t>(list: &'t [Segment], runs: &'t [Run]) -> impl Iterator<Item = (&'t Segment, &'t [Run])> {
    let mut rest = runs;
    list.iter().map(move |segment| {
        let (own, others) = rest.split_at(segment.runs as usize);
        rest = others;
        (segment, own)
    })
}

impl Run {
    /// Its bytes within those of the section of records.
    ///
    /// # Panics
    /// If the section ends before: [`runs`] refuses such a run.
    pub fn of<'a>(&self, records: &'a [u8]) -> &'a [u8] {
        part(records, index(self.offset)..index(self.offset + self.bytes))
    }

    /// Checks the records of this run, held in `bytes`, whose address must be a multiple of 8. All commit times must be
    /// later than `after`; returns the latest.
    ///
    /// # Errors
    /// If a record is invalid or misplaced.
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
            rest = bytes::rest(rest, record.as_bytes().len());
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

/// Whether a record may directly follow another one in a run.
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

impl<'a> Segments<'a> {
    /// The file's header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The checksum of that header.
    pub fn header_crc(&self) -> u32 {
        Header::crc(self.bytes)
    }

    /// Each segment with its runs, by partition.
    pub fn list(&self) -> impl Iterator<Item = (&Segment, &[Run])> {
        by_segment(&self.list, &self.runs)
    }

    /// The records in file order.
    pub fn records(&self) -> impl Iterator<Item = Placed<'a>> {
        let (section, bytes) = (self.header.section(RECORDS), self.bytes);
        let runs =
            self.list().flat_map(|(segment, runs)| (0..).zip(runs).map(|run| (segment.partition, run)));
        runs.flat_map(move |(partition, (number, run))| {
            let (mut rest, mut offset) = (run.of(section.of(bytes)), section.offset + run.offset);
            std::iter::from_fn(move || {
                if rest.is_empty() {
                    return None;
                }
                #[expect(clippy::expect_used, reason = "every record of the run was checked")]
                let record = Record::at(rest).expect("a run is filled with records");
                let placed = Placed { record, partition, run: number, offset };
                rest = bytes::rest(rest, record.as_bytes().len());
                offset += record.as_bytes().len() as u64;
                Some(placed)
            })
        })
    }
}
