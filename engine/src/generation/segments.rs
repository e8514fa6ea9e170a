//! The standard holder of records: one file of segments.

mod records;

use std::num::NonZeroU32;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use allsource_format::StoreId;
use allsource_format::index::Stretch;
use allsource_format::limits::RECORD_BYTES_MAX;
use allsource_format::manifest::{File as NamedFile, Generation as Entry};
use allsource_format::record::Record;
use allsource_format::sealed::{Kind, Section};
use allsource_format::segment::{
    self, RECORDS, RUN_ENTRY_BYTES, RUNS, SEGMENT_ENTRY_BYTES, SEGMENTS, Segment,
};
use rkyv::util::AlignedVec;
use smallvec::SmallVec;

use super::Access;
use super::files;
use super::reread::SealedReread;
use crate::error::ReadError;
use crate::holder::{Ahead, Copied, Holder, Reread, Run, RunReader, Wanted};
use crate::number::index;
use crate::sealed::{SealedFile, Slot};

use records::Records;

/// The file of segments of a generation.
pub(super) struct SegmentFile {
    /// As the manifest names it.
    named: NamedFile,
    access: Access,
    slot: Arc<Slot>,
    /// The table of segments: at most one entry for each partition.
    segments: OnceLock<Vec<Segment>>,
}

impl SegmentFile {
    /// The file of the generation of this entry. Nothing is read yet.
    pub(super) fn of(entry: &Entry, access: Access) -> Self {
        Self { named: entry.records.clone(), access, slot: Arc::default(), segments: OnceLock::new() }
    }

    /// The file, opened if it is closed.
    fn file(&self) -> Result<Arc<SealedFile>, ReadError> {
        self.access.open_files.file(&self.slot, || {
            let path = &self.named.name;
            let file = SealedFile::open(&self.access.disk, path, Kind::Segments, self.access.mode)?;
            match file.header_crc() == self.named.checksum {
                true => Ok(file),
                false => Err(file.damaged(0, "the manifest names other segments")),
            }
        })
    }

    fn table(&self, file: &SealedFile) -> Result<&[Segment], ReadError> {
        if let Some(segments) = self.segments.get() {
            return Ok(segments);
        }
        let column = file.column(SEGMENTS, SEGMENT_ENTRY_BYTES as u64);
        let table = index(column.len()) * SEGMENT_ENTRY_BYTES;
        let segments = column.with(0, table, |bytes| segment::segments(file.header(), bytes))?;
        let segments = segments.map_err(|problem| file.damaged(0, problem))?;
        Ok(self.segments.get_or_init(|| segments))
    }

    fn segment(&self, file: &SealedFile, partition: u32) -> Result<Option<Segment>, ReadError> {
        let table = self.table(file)?;
        let found = table.binary_search_by_key(&partition, |segment| segment.partition);
        Ok(found.ok().and_then(|number| table.get(number)).copied())
    }

    /// Calls `each` with the numbers of the runs of a partition in the table of runs, and their entries.
    fn entries(
        &self,
        file: &SealedFile,
        partition: u32,
        numbers: Range<u64>,
        mut each: impl FnMut(u64, segment::Run),
    ) -> Result<(), ReadError> {
        let before = self.table(file)?.iter().take_while(|segment| segment.partition < partition);
        let first: u64 = before.map(|segment| u64::from(segment.runs)).sum();
        let column = file.column(RUNS, RUN_ENTRY_BYTES as u64);
        for number in numbers {
            let bytes: [u8; RUN_ENTRY_BYTES] = column.entry(first + number)?;
            each(number, segment::Run::decode(&bytes).map_err(|problem| file.damaged(0, problem))?);
        }
        Ok(())
    }

    /// Prefetches the run in which a scan continues: the scan will read all of it.
    fn read_ahead(&self, file: &SealedFile, wanted: &Wanted, ahead: &mut Ahead) -> Result<(), ReadError> {
        let known = ahead.of(wanted.partition());
        if known.contains(&wanted.address()) {
            return Ok(());
        }
        let Some(segment) = self.segment(file, wanted.partition())? else { return Ok(()) };
        let start = file.header().section(RECORDS).offset;
        self.entries(file, wanted.partition(), 0..u64::from(segment.runs), |_, run| {
            let run = start + run.offset..start + run.offset + run.bytes;
            if run.contains(&wanted.address()) {
                file.will_need(run.start, run.end - run.start);
                *known = run;
            }
        })
    }
}

impl Holder for SegmentFile {
    fn fetch(
        &self,
        wanted: &[Wanted],
        ahead: Option<&mut Ahead>,
        into: &mut Copied,
    ) -> Result<(), ReadError> {
        let file = &*self.file()?;
        if let Some(ahead) = ahead {
            wanted.iter().try_for_each(|wanted| self.read_ahead(file, wanted, ahead))?;
        }
        // Read all lengths first, so that these scattered reads overlap.
        let records = file.header().section(RECORDS);
        let lengths = wanted.iter().map(|wanted| length_at(file, &records, wanted.address()));
        let lengths = lengths.collect::<Result<SmallVec<[Option<NonZeroU32>; 64]>, _>>()?;
        into.reserve(lengths.iter().flatten().map(|length| length.get() as usize).sum());
        for (wanted, length) in wanted.iter().zip(lengths) {
            let length = length.map(|length| length.get() as usize).filter(|length| into.has_room(*length));
            let is_copied = length.map(|length| copy_record(file, length, wanted, into)).transpose()?;
            if is_copied != Some(true) {
                break;
            }
        }
        Ok(())
    }

    fn first_of(&self, stretch: &Stretch, look: &mut dyn FnMut(&Record<'_>)) -> Result<bool, ReadError> {
        let file = self.file()?;
        let records = file.header().section(RECORDS);
        let Some(length) = length_at(&file, &records, stretch.offset)? else { return Ok(false) };
        file.with(stretch.offset, length.get() as usize, |bytes| {
            Record::at(bytes).map(|record| look(&record)).is_ok()
        })
    }

    fn stretch(&self, stretch: &Stretch) -> Result<AlignedVec, ReadError> {
        let mut copied = AlignedVec::new();
        let copy = |found: &[u8]| {
            copied.clear();
            copied.reserve_exact(found.len());
            copied.extend_from_slice(found);
        };
        let file = self.file()?;
        let left = records_from(&file.header().section(RECORDS), stretch.offset);
        if left.is_some_and(|bytes| u64::from(stretch.bytes) <= bytes) {
            file.with(stretch.offset, stretch.bytes as usize, copy)?;
        }
        Ok(copied)
    }

    fn first_sequence(&self, partition: u32) -> Result<Option<u64>, ReadError> {
        Ok(self.segment(&*self.file()?, partition)?.map(|segment| segment.first_sequence))
    }

    fn runs(&self, partition: u32) -> Result<Vec<Run>, ReadError> {
        let (file, mut runs) = (self.file()?, Vec::new());
        let Some(segment) = self.segment(&file, partition)? else { return Ok(runs) };
        self.entries(&file, partition, 0..u64::from(segment.runs), |number, run| {
            let segment::Run { first_position, last_position, bytes, .. } = run;
            runs.push(Run { partition, number, first_position, last_position, bytes });
        })?;
        Ok(runs)
    }

    fn records(&self, run: &Run) -> Result<Box<dyn RunReader>, ReadError> {
        let (file, mut entry) = (self.file()?, None);
        self.entries(&file, run.partition, run.number..run.number + 1, |_, run| entry = Some(run))?;
        #[expect(clippy::expect_used, reason = "one entry was asked for")]
        let entry = entry.expect("a run has an entry");
        Ok(Box::new(Records::of(file, &entry)?))
    }

    fn written_by(&self) -> Result<(StoreId, u64), ReadError> {
        let file = self.file()?;
        Ok((file.header().store, file.header().epoch))
    }

    fn check(&self) -> Result<(), ReadError> {
        self.file().map(drop)
    }

    fn files(&self) -> Vec<String> {
        vec![self.named.name.clone()]
    }

    fn reread(&self, path: &str) -> Result<Box<dyn Reread>, ReadError> {
        Ok(Box::new(SealedReread::open(&*self.access.disk, path, Kind::Segments)?))
    }

    fn remove(&self) {
        files::remove(&*self.access.disk, std::slice::from_ref(&self.named.name));
    }

    fn damaged(&self, address: u64, problem: &str) -> ReadError {
        ReadError::damaged(&*self.named.name, address, problem)
    }
}

/// The bytes of records from an offset on; `None`: it does not lie among them.
fn records_from(records: &Section, offset: u64) -> Option<u64> {
    records.bytes.checked_sub(offset.checked_sub(records.offset)?)
}

/// The length of the record at an offset; `None`: none begins there.
fn length_at(file: &SealedFile, records: &Section, offset: u64) -> Result<Option<NonZeroU32>, ReadError> {
    let Some(left) = records_from(records, offset).filter(|left| *left >= 8) else { return Ok(None) };
    let length = u32::from_le_bytes(file.array(offset)?).saturating_add(8);
    let is_one = length.is_multiple_of(8) && length as usize <= RECORD_BYTES_MAX && u64::from(length) <= left;
    Ok(NonZeroU32::new(length).filter(|_| is_one))
}

/// Copies the wanted record, which has this length. False: another one lies there, or none.
fn copy_record(
    file: &SealedFile,
    length: usize,
    wanted: &Wanted,
    copied: &mut Copied,
) -> Result<bool, ReadError> {
    let count = copied.len();
    file.with(wanted.address(), length, |bytes| {
        copied.truncate(count);
        copied.push(bytes, wanted)
    })
}
