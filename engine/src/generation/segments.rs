//! The standard holder of records: one file of segments.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use allsource_format::StoreId;
use allsource_format::index::Stretch;
use allsource_format::limits::RECORD_BYTES_MAX;
use allsource_format::manifest::{File as NamedFile, Generation as Entry};
use allsource_format::record::Record;
use allsource_format::sealed::Kind;
use allsource_format::segment::{
    RECORDS, RUN_ENTRY_BYTES, RUNS, Run, SEGMENT_ENTRY_BYTES, SEGMENTS, Segment, partition_and_offset,
};
use rkyv::util::AlignedVec;
use smallvec::SmallVec;

use super::Access;
use super::holder::{Ahead, Holder, Reread, RunReader, Wanted};
use super::scan::{Records, SealedReread};
use crate::error::ReadError;
use crate::event::{Block, EventRef};
use crate::sealed::{SealedFile, Slot};

/// Events share blocks of up to this many bytes: holding one event keeps its whole block in memory.
const BLOCK_BYTES: usize = 1 << 20;

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
        Self { named: entry.segments.clone(), access, slot: Arc::default(), segments: OnceLock::new() }
    }

    /// The file, opened if it is closed.
    fn file(&self) -> Result<Arc<SealedFile>, ReadError> {
        let opened = self.access.open_files.file(&self.slot, || {
            let path = &self.named.name;
            let file = SealedFile::open(&self.access.disk, path, Kind::Segments, self.access.mode)?;
            match file.header_crc() == self.named.checksum {
                true => Ok(file),
                false => Err(file.damaged(0, "the manifest names other segments")),
            }
        });
        self.noted(opened)
    }

    fn noted<T>(&self, result: Result<T, ReadError>) -> Result<T, ReadError> {
        result.inspect_err(|error| self.access.damages.note(error))
    }

    fn table(&self, file: &SealedFile) -> Result<&[Segment], ReadError> {
        if let Some(segments) = self.segments.get() {
            return Ok(segments);
        }
        let column = file.column(SEGMENTS, SEGMENT_ENTRY_BYTES as u64);
        let segment = |at| {
            let bytes: [u8; SEGMENT_ENTRY_BYTES] = column.entry(at)?;
            Segment::decode(&bytes).map_err(|problem| file.damaged(0, problem))
        };
        let segments = (0..column.len()).map(segment).collect::<Result<_, ReadError>>()?;
        Ok(self.segments.get_or_init(|| segments))
    }

    fn runs_in(&self, file: &SealedFile, partition: u32) -> Result<Vec<Run>, ReadError> {
        let (mut first, mut count) = (0, 0);
        for segment in self.table(file)? {
            if segment.partition >= partition {
                count = if segment.partition == partition { u64::from(segment.runs) } else { 0 };
                break;
            }
            first += u64::from(segment.runs);
        }
        let column = file.column(RUNS, RUN_ENTRY_BYTES as u64);
        let run = |at| {
            let bytes: [u8; RUN_ENTRY_BYTES] = column.entry(at)?;
            Run::decode(&bytes).map_err(|problem| file.damaged(0, problem))
        };
        (first..first + count).map(run).collect()
    }

    /// Prefetches the run in which a scan continues: the scan will read all of it.
    fn read_ahead(&self, file: &SealedFile, place: u64, ahead: &mut Ahead) -> Result<(), ReadError> {
        let (partition, offset) = partition_and_offset(place);
        ahead.resize(ahead.len().max(partition as usize + 1), 0..0);
        let Some(known) = ahead.get_mut(partition as usize).filter(|known| !known.contains(&offset)) else {
            return Ok(());
        };
        let start = file.header().section(RECORDS).offset;
        let runs = self.runs_in(file, partition)?.into_iter();
        let mut runs = runs.map(|run| start + run.offset..start + run.offset + run.bytes);
        if let Some(run) = runs.find(|run| run.contains(&offset)) {
            file.will_need(run.start, run.end - run.start);
            *known = run;
        }
        Ok(())
    }

    fn fetch_in(
        &self,
        file: &SealedFile,
        wanted: &[Wanted],
        ahead: Option<&mut Ahead>,
        into: &mut VecDeque<EventRef>,
    ) -> Result<usize, ReadError> {
        if let Some(ahead) = ahead {
            wanted.iter().try_for_each(|wanted| self.read_ahead(file, wanted.place, ahead))?;
        }
        // Read all lengths first, so that these scattered reads overlap.
        let lengths = wanted.iter().map(|wanted| length_at(file, offset_of(wanted)));
        let lengths = lengths.collect::<Result<SmallVec<[usize; 64]>, _>>()?;
        let mut bytes = AlignedVec::with_capacity(lengths.iter().sum::<usize>().min(BLOCK_BYTES));
        let mut offsets = SmallVec::<[u32; 64]>::new();
        for (wanted, length) in wanted.iter().zip(lengths) {
            if bytes.len() + length > BLOCK_BYTES && !offsets.is_empty() {
                break;
            }
            offsets.push(copy_record(file, offset_of(wanted), length, wanted.position, &mut bytes)?);
        }
        let count = offsets.len();
        hand_over(bytes, &mut offsets, into);
        Ok(count)
    }
}

impl Holder for SegmentFile {
    fn fetch(
        &self,
        wanted: &[Wanted],
        ahead: Option<&mut Ahead>,
        into: &mut VecDeque<EventRef>,
    ) -> Result<usize, ReadError> {
        self.noted(self.fetch_in(&*self.file()?, wanted, ahead, into))
    }

    fn first_of(&self, stretch: &Stretch, look: &mut dyn FnMut(&Record<'_>)) -> Result<(), ReadError> {
        let file = self.file()?;
        let first = length_at(&file, stretch.offset).and_then(|length| {
            let looked =
                file.with(stretch.offset, length, |bytes| Record::at(bytes).map(|record| look(&record)))?;
            looked.map_err(|problem| file.damaged(stretch.offset, problem))
        });
        self.noted(first)
    }

    fn stretch(&self, stretch: &Stretch) -> Result<AlignedVec, ReadError> {
        let mut copied = AlignedVec::new();
        let copy = |found: &[u8]| {
            copied.clear();
            copied.reserve_exact(found.len());
            copied.extend_from_slice(found);
        };
        self.noted(self.file()?.with(stretch.offset, stretch.bytes as usize, copy))?;
        Ok(copied)
    }

    fn segments(&self) -> Result<Vec<Segment>, ReadError> {
        let file = self.file()?;
        self.noted(self.table(&file).map(<[Segment]>::to_vec))
    }

    fn runs(&self, partition: u32) -> Result<Vec<Run>, ReadError> {
        self.noted(self.runs_in(&*self.file()?, partition))
    }

    fn records(&self, run: &Run) -> Result<Box<dyn RunReader>, ReadError> {
        let records = Records::of(self.file()?, run, Arc::clone(&self.access.damages));
        Ok(Box::new(self.noted(records)?))
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

    fn damaged(&self, offset: u64, problem: &str) -> ReadError {
        ReadError::damaged(&*self.named.name, offset, problem)
    }
}

fn offset_of(wanted: &Wanted) -> u64 {
    partition_and_offset(wanted.place).1
}

/// Adds the events of the records at these offsets.
fn hand_over(bytes: AlignedVec, offsets: &mut SmallVec<[u32; 64]>, into: &mut VecDeque<EventRef>) {
    let block = Arc::new(Block::new(bytes));
    into.extend(offsets.drain(..).map(|offset| EventRef::new(Arc::clone(&block), offset)));
}

/// The length of the record at an offset.
fn length_at(file: &SealedFile, offset: u64) -> Result<usize, ReadError> {
    let length = (u32::from_le_bytes(file.array(offset)?) as usize).saturating_add(8);
    match length.is_multiple_of(8) && length <= RECORD_BYTES_MAX {
        true => Ok(length),
        false => Err(file.damaged(offset, "no record begins here")),
    }
}

/// Copies a record of this length, which must have this position, to the end of `into`.
fn copy_record(
    file: &SealedFile,
    offset: u64,
    length: usize,
    position: u64,
    into: &mut AlignedVec,
) -> Result<u32, ReadError> {
    let start = into.len();
    let position_of = file.with(offset, length, |bytes| {
        into.resize(start, 0);
        into.extend_from_slice(bytes);
        Record::at(bytes).map(|record| (record.position(), record.version()))
    })?;
    #[expect(clippy::expect_used, reason = "a block holds 1 MiB, or one record")]
    match position_of {
        Ok((found, 1..)) if found == position => Ok(u32::try_from(start).expect("a block is small")),
        _ => Err(file.damaged(offset, "another event lies here than the index says")),
    }
}
