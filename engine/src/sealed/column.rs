//! A section of a sealed file as a column of entries of one size.

use std::ops::Range;

use allsource_format::sealed::Section;

use super::file::SealedFile;
use crate::error::ReadError;
use crate::number::index;

/// How many bytes a scan copies at a time.
const PIECE_BYTES: usize = 64 << 10;

/// Entries of one size, one after the other.
#[derive(Clone, Copy)]
pub(crate) struct Column<'a> {
    file: &'a SealedFile,
    section: Section,
    entry_bytes: u64,
}

impl SealedFile {
    /// A section as a column of entries of this many bytes.
    pub(crate) fn column(&self, kind: u32, entry_bytes: u64) -> Column<'_> {
        let section = self.header().section(kind);
        assert!(entry_bytes > 0, "entries have a size");
        Column { file: self, section, entry_bytes }
    }
}

impl<'a> Column<'a> {
    /// How many entries.
    pub(crate) fn len(&self) -> u64 {
        self.section.bytes / self.entry_bytes
    }

    #[inline]
    fn offset(&self, index: u64) -> Result<u64, ReadError> {
        match index < self.len() {
            true => Ok(self.section.offset + index * self.entry_bytes),
            false => Err(self
                .file
                .damaged(self.section.offset, "a reference points past the last entry of a section")),
        }
    }

    /// The bytes of an entry.
    #[inline]
    pub(crate) fn entry<const N: usize>(&self, index: u64) -> Result<[u8; N], ReadError> {
        self.file.array(self.offset(index)?)
    }

    /// An entry of four bytes.
    pub(crate) fn u32(&self, index: u64) -> Result<u32, ReadError> {
        self.entry(index).map(u32::from_le_bytes)
    }

    /// An entry of eight bytes.
    pub(crate) fn u64(&self, index: u64) -> Result<u64, ReadError> {
        self.entry(index).map(u64::from_le_bytes)
    }

    /// Calls `look` with `length` bytes that begin at an entry.
    pub(crate) fn with<R>(
        &self,
        index: u64,
        length: usize,
        look: impl FnMut(&[u8]) -> R,
    ) -> Result<R, ReadError> {
        let start = index.saturating_mul(self.entry_bytes);
        match start.checked_add(length as u64).is_some_and(|end| end <= self.section.bytes) {
            true => self.file.with(self.section.offset + start, length, look),
            false => Err(self.file.damaged(self.section.offset, "a reference points outside its section")),
        }
    }

    /// Calls `each` with the entries of a range, in order.
    pub(crate) fn scan<const N: usize>(
        &self,
        range: Range<u64>,
        mut each: impl FnMut([u8; N]),
    ) -> Result<(), ReadError> {
        assert!(N as u64 == self.entry_bytes, "a scan takes whole entries");
        let (mut at, mut piece) = (range.start, Vec::new());
        if range.start > range.end || range.end > self.len() {
            return Err(self.file.damaged(self.section.offset, "a reference points outside its section"));
        }
        while at < range.end {
            let count = (range.end - at).min((PIECE_BYTES / N) as u64);
            let length = index(count) * N;
            piece.resize(length, 0);
            self.with(at, length, |bytes| piece.copy_from_slice(bytes))?;
            piece.as_chunks::<N>().0.iter().for_each(|entry| each(*entry));
            at += count;
        }
        Ok(())
    }

    /// A binary search: the first index of a range for which `is_below` is false, if the entries ascend.
    #[inline]
    pub(crate) fn partition_point(
        &self,
        range: Range<u64>,
        mut is_below: impl FnMut(u64) -> Result<bool, ReadError>,
    ) -> Result<u64, ReadError> {
        let Range { mut start, mut end } = range.clone();
        while start < end {
            let middle = start + (end - start) / 2;
            if is_below(middle)? { start = middle + 1 } else { end = middle }
        }
        assert!(start <= range.end.max(range.start), "a search stays within its range");
        Ok(start)
    }
}
