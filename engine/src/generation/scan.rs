//! Going through the records of a segment one after the other.

use allsource_format::limits::RECORD_BYTES_MAX;
use allsource_format::record::Record;
use allsource_format::segment::{RECORDS, RUN_ENTRY_BYTES, RUNS, Run};
use rkyv::util::AlignedVec;

use crate::error::ReadError;
use crate::sealed::SealedFile;

/// Bytes are taken out of the file in pieces of this size.
const PIECE_BYTES: usize = 256 << 10;

/// The runs of a segment.
pub(crate) fn runs(segment: &SealedFile) -> Result<Vec<Run>, ReadError> {
    let column = segment.column(RUNS, RUN_ENTRY_BYTES as u64);
    let run = |at| {
        let bytes: [u8; RUN_ENTRY_BYTES] = column.entry(at)?;
        Run::decode(&bytes).map_err(|problem| segment.damaged(0, problem))
    };
    (0..column.len()).map(run).collect()
}

/// The records of a run, in their order.
pub(crate) struct Records<'a> {
    segment: &'a SealedFile,
    /// Offset in the file of the current record, where it ends, and where the run ends.
    offset: u64,
    next: u64,
    end: u64,
    piece: AlignedVec,
    piece_start: u64,
}

impl<'a> Records<'a> {
    /// The records of a run of a segment; before the first [`Records::advance`] there is no current one.
    pub(crate) fn of(segment: &'a SealedFile, run: &Run) -> Result<Self, ReadError> {
        let section = segment.header().section(RECORDS).unwrap_or_default();
        let is_inside = run.offset.checked_add(run.bytes).is_some_and(|end| end <= section.bytes);
        if !is_inside {
            return Err(segment.damaged(section.offset, "a run lies outside the records"));
        }
        let next = section.offset + run.offset;
        let end = next + run.bytes;
        Ok(Self { segment, offset: next, next, end, piece: AlignedVec::new(), piece_start: next })
    }

    /// Goes on to the next record. False: there is none.
    pub(crate) fn advance(&mut self) -> Result<bool, ReadError> {
        self.offset = self.next;
        if self.next >= self.end {
            return Ok(false);
        }
        self.load(8)?;
        let archive = self.here().first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes)) as usize;
        if archive >= RECORD_BYTES_MAX {
            return Err(self.segment.damaged(self.offset, "no record begins here"));
        }
        self.load(archive + 8)?;
        Record::at(self.here()).map_err(|problem| self.segment.damaged(self.offset, problem))?;
        self.next += archive as u64 + 8;
        Ok(true)
    }

    /// The current record and its offset in the file.
    pub(crate) fn current(&self) -> Option<(u64, Record<'_>)> {
        let is_one = self.offset < self.next;
        let record = is_one.then(|| Record::at(self.here()).ok()).flatten()?;
        Some((self.offset, record))
    }

    /// The bytes of the piece from the current record on.
    fn here(&self) -> &[u8] {
        let start = usize::try_from(self.offset - self.piece_start).unwrap_or(usize::MAX);
        self.piece.get(start..).unwrap_or(&[])
    }

    /// Sees to it that so many bytes from the current record on are in the piece.
    fn load(&mut self, bytes: usize) -> Result<(), ReadError> {
        if self.here().len() >= bytes {
            return Ok(());
        }
        let left = usize::try_from(self.end - self.offset).unwrap_or(usize::MAX);
        if bytes > left {
            return Err(self.segment.damaged(self.offset, "a record reaches beyond its run"));
        }
        self.piece.resize(left.min(bytes.max(PIECE_BYTES)), 0);
        self.piece_start = self.offset;
        self.segment.copy(self.offset, &mut self.piece)
    }
}
