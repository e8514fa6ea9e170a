//! Reading a run of a segments file sequentially.

use std::sync::Arc;

use allsource_format::limits::RECORD_BYTES_MAX;
use allsource_format::record::Record;
use allsource_format::segment::{RECORDS, Run};
use rkyv::util::AlignedVec;

use crate::error::ReadError;
use crate::holder::RunReader;
use crate::number::index;
use crate::sealed::SealedFile;

/// How many bytes are copied out of the file at a time.
const PIECE_BYTES: usize = 256 << 10;

/// The records of a run of a file of segments.
pub(super) struct Records {
    file: Arc<SealedFile>,
    /// Offset in the file of the current record, where it ends, and where the run ends.
    offset: u64,
    next: u64,
    end: u64,
    piece: AlignedVec,
    piece_start: u64,
}

impl Records {
    pub(super) fn of(file: Arc<SealedFile>, run: &Run) -> Result<Self, ReadError> {
        let section = file.header().section(RECORDS);
        let is_inside = run.offset.checked_add(run.bytes).is_some_and(|end| end <= section.bytes);
        if !is_inside {
            return Err(file.damaged(section.offset, "a run lies outside the records"));
        }
        let next = section.offset + run.offset;
        let end = next + run.bytes;
        Ok(Self { file, offset: next, next, end, piece: AlignedVec::new(), piece_start: next })
    }

    /// The bytes of the piece from the current record on.
    fn here(&self) -> &[u8] {
        assert!(self.piece_start <= self.offset, "a run is read forwards");
        // Behind the piece, nothing is loaded yet.
        self.piece.get(index(self.offset - self.piece_start)..).unwrap_or(&[])
    }

    /// Loads the piece, unless it holds this many bytes from the current record on.
    fn load(&mut self, bytes: usize) -> Result<(), ReadError> {
        if self.here().len() >= bytes {
            return Ok(());
        }
        assert!(self.offset < self.end, "only the bytes of the run are loaded");
        let left = index(self.end - self.offset);
        if bytes > left {
            return Err(self.file.damaged(self.offset, "a record reaches beyond its run"));
        }
        self.piece.resize(left.min(bytes.max(PIECE_BYTES)), 0);
        self.piece_start = self.offset;
        match self.file.copy(self.offset, &mut self.piece) {
            // The damage may lie after the record: read the record alone.
            Err(_) if self.piece.len() > bytes => {
                self.piece.resize(bytes, 0);
                self.file.copy(self.offset, &mut self.piece)
            }
            copied => copied,
        }
    }
}

impl RunReader for Records {
    fn advance(&mut self) -> Result<bool, ReadError> {
        self.offset = self.next;
        if self.next >= self.end {
            return Ok(false);
        }
        self.load(8)?;
        #[expect(clippy::expect_used, reason = "eight bytes were just loaded")]
        let archive = u32::from_le_bytes(*self.here().first_chunk().expect("a record has a length")) as usize;
        if archive >= RECORD_BYTES_MAX {
            return Err(self.file.damaged(self.offset, "no record begins here"));
        }
        self.load(archive + 8)?;
        Record::at(self.here()).map_err(|problem| self.file.damaged(self.offset, problem))?;
        self.next += archive as u64 + 8;
        Ok(true)
    }

    fn current(&self) -> Option<(u64, Record<'_>)> {
        if self.offset == self.next {
            return None;
        }
        #[expect(clippy::expect_used, reason = "advancing read this record")]
        Some((self.offset, Record::at(self.here()).expect("the current record was read")))
    }
}
