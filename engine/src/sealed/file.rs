//! Reads a sealed file. Every block is compared with its checksum before it is used.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use allsource_format::sealed::{BLOCK_BYTES, HEADER_BYTES, Header, Kind};

use super::source::{Source, ends_before};
use crate::error::ReadError;
use crate::number::index;
use crate::options::ReadMode;
use crate::planted::{self, Bug};
use crate::platform::Disk;

/// Reads of at least this many bytes are prefetched, because faulting in one page at a time is slow.
const ADVISED_BYTES: usize = 16 << 10;

/// A sealed file, open.
pub(crate) struct SealedFile {
    path: String,
    header: Header,
    header_crc: u32,
    source: Source,
    checksums: Vec<u32>,
    /// A bit for each block that matched its checksum.
    checked: Vec<AtomicU64>,
}

fn decode_header(
    path: &str,
    kind: Kind,
    length: u64,
    read: impl FnOnce(&mut [u8]) -> Result<(), ReadError>,
) -> Result<(Header, u32), ReadError> {
    let mut bytes = [0; HEADER_BYTES];
    if length < HEADER_BYTES as u64 {
        return Err(ReadError::damaged(path, length, "the file is shorter than its header"));
    }
    read(&mut bytes)?;
    let header = Header::decode(&bytes, kind).map_err(|problem| ReadError::damaged(path, 0, problem))?;
    match header.file_bytes() == length {
        true => Ok((header, Header::crc(&bytes))),
        false => Err(ReadError::damaged(
            path,
            length,
            format!("the file should have {} bytes", header.file_bytes()),
        )),
    }
}

impl SealedFile {
    /// Opens a file; blocks are checked when they are first used.
    pub(crate) fn open(
        disk: &Arc<dyn Disk>,
        path: &str,
        kind: Kind,
        mode: ReadMode,
    ) -> Result<Self, ReadError> {
        Self::over(path, kind, Source::open(disk, path, mode)?)
    }

    /// Opens a file to read what the medium holds, bypassing the page cache.
    pub(crate) fn open_past_cache(disk: &dyn Disk, path: &str, kind: Kind) -> Result<Self, ReadError> {
        Self::over(path, kind, Source::open_past_cache(disk, path)?)
    }

    /// A file that is in memory.
    pub(crate) fn in_memory(path: &str, kind: Kind, bytes: Vec<u8>) -> Result<Self, ReadError> {
        Self::over(path, kind, Source::Memory(bytes))
    }

    fn over(path: &str, kind: Kind, source: Source) -> Result<Self, ReadError> {
        let length = source.length(path)?;
        let read = |offset, bytes: &mut [u8]| source.copy(path, offset, bytes);
        let (header, header_crc) = decode_header(path, kind, length, |bytes| read(0, bytes))?;
        let mut table = vec![0; header.blocks() * 4];
        read(header.checksums, &mut table)?;
        if crc32fast::hash(&table) != header.checksums_crc {
            return Err(ReadError::damaged(
                path,
                header.checksums,
                "checksum mismatch in the table of checksums",
            ));
        }
        let checksums: Vec<u32> =
            table.as_chunks().0.iter().map(|checksum| u32::from_le_bytes(*checksum)).collect();
        assert_eq!(checksums.len(), header.blocks(), "each block has a checksum");
        let checked = (0..checksums.len().div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Ok(Self { path: path.to_owned(), header, header_crc, source, checksums, checked })
    }

    /// The bytes of a file that is in memory.
    pub(crate) fn memory(&self) -> &[u8] {
        match &self.source {
            Source::Memory(bytes) => bytes,
            Source::Mapped(_) | Source::Read(_) => {
                unreachable!("only a rebuilt index is asked for its memory")
            }
        }
    }

    /// Its header.
    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// The checksum of its header.
    pub(crate) fn header_crc(&self) -> u32 {
        self.header_crc
    }

    /// An error that reports damage of this file.
    pub(crate) fn damaged(&self, offset: u64, problem: impl ToString) -> ReadError {
        ReadError::damaged(&*self.path, offset, problem)
    }

    /// Calls `look` with bytes of the sections, in place if they are mapped. If a page of the mapping faulted, calls `look`
    /// again with a copy. Only the last result counts.
    #[inline]
    pub(crate) fn with<R>(
        &self,
        offset: u64,
        length: usize,
        mut look: impl FnMut(&[u8]) -> R,
    ) -> Result<R, ReadError> {
        let blocks = self.blocks_of(offset, length as u64)?;
        if let Some(file) = self.source.in_place() {
            if length >= ADVISED_BYTES {
                self.will_need(offset, length as u64);
            }
            for block in blocks.clone() {
                self.check_block(block)?;
            }
            let start = index(offset);
            let bytes = file.get(start..start.saturating_add(length));
            let looked = look(bytes.ok_or_else(|| ends_before(&self.path, offset))?);
            if self.source.in_place().is_some() {
                return Ok(looked);
            }
        }
        self.read(blocks, offset, length).map(|bytes| look(&bytes))
    }

    #[cold]
    fn read(&self, blocks: Range<usize>, offset: u64, length: usize) -> Result<Vec<u8>, ReadError> {
        let reads = self.source.reads(&self.path)?;
        let mut bytes = vec![0; length];
        for block in blocks {
            let mut kept = reads.kept.lock();
            let (_, compared) = match kept.take() {
                Some(same) if same.0 == block => kept.insert(same),
                _ => kept.insert((block, self.compare(block)?)),
            };
            overlap(compared, block_start(block), offset, &mut bytes);
        }
        Ok(bytes)
    }

    /// Copies bytes out of the sections.
    pub(crate) fn copy(&self, offset: u64, into: &mut [u8]) -> Result<(), ReadError> {
        self.with(offset, into.len(), |bytes| into.copy_from_slice(bytes))
    }

    /// A number at an offset in the sections.
    #[inline]
    pub(crate) fn array<const N: usize>(&self, offset: u64) -> Result<[u8; N], ReadError> {
        #[expect(clippy::expect_used, reason = "`with` passes as many bytes as it is asked for")]
        self.with(offset, N, |bytes| *bytes.first_chunk().expect("N bytes were asked for"))
    }

    /// The blocks that hold some of these bytes.
    #[inline]
    fn blocks_of(&self, offset: u64, length: u64) -> Result<Range<usize>, ReadError> {
        let start = HEADER_BYTES as u64;
        let is_inside =
            offset >= start && offset.checked_add(length).is_some_and(|end| end <= self.header.checksums);
        if !is_inside {
            return Err(self.damaged(offset, "a reference points outside the sections"));
        }
        let block = |offset: u64| index((offset - start) / BLOCK_BYTES as u64);
        let blocks = block(offset)..if length == 0 { block(offset) } else { block(offset + length - 1) + 1 };
        assert!(blocks.end <= self.checksums.len(), "what lies in the sections lies in blocks");
        Ok(blocks)
    }

    #[inline]
    fn check_block(&self, block: usize) -> Result<(), ReadError> {
        #[expect(clippy::expect_used, reason = "callers compute blocks from offsets in the sections")]
        let word = self.checked.get(block / 64).expect("a block of the file");
        let bit = 1 << (block % 64);
        if word.load(Ordering::Acquire) & bit == 0 {
            self.compare(block)?;
            word.fetch_or(bit, Ordering::AcqRel);
        }
        Ok(())
    }

    /// Prefetches bytes that are about to be read.
    pub(crate) fn will_need(&self, offset: u64, length: u64) {
        let length = length.min(self.header.checksums.saturating_sub(offset));
        self.source.will_need(index(offset), index(length));
    }

    /// Reads a block and compares its checksum.
    #[cold]
    fn compare(&self, block: usize) -> Result<Vec<u8>, ReadError> {
        let offset = block_start(block);
        assert!(offset < self.header.checksums, "a block of the file holds bytes of its sections");
        let length = (self.header.checksums - offset).min(BLOCK_BYTES as u64);
        let mut bytes = vec![0; index(length)];
        self.will_need(offset, length);
        self.source.copy(&self.path, offset, &mut bytes)?;
        #[expect(clippy::expect_used, reason = "opening the file found a checksum for each block")]
        let expected = *self.checksums.get(block).expect("a block has a checksum");
        match crc32fast::hash(&bytes) == expected || planted::is(Bug::SkipBlockChecks) {
            true => Ok(bytes),
            false => Err(self.damaged(offset, format!("checksum mismatch in a block of {length} bytes"))),
        }
    }

    /// Compares the sections of two files, block by block.
    pub(crate) fn compare_with(&self, other: &Self) -> Result<(), ReadError> {
        if (&self.header.sections, self.header.checksums) != (&other.header.sections, other.header.checksums)
        {
            return Err(self.damaged(0, "the sections differ from those rebuilt from the records"));
        }
        assert_eq!(self.checksums.len(), other.checksums.len(), "equal sections have as many blocks");
        let unlike = self.checksums.iter().zip(&other.checksums).position(|(one, other)| one != other);
        match unlike {
            None => Ok(()),
            Some(block) => {
                Err(self.damaged(block_start(block), "a block differs from the one rebuilt from the records"))
            }
        }
    }

    /// Reads a block again and compares its checksum. False: the file has no such block.
    pub(crate) fn check_again(&self, block: usize) -> Result<bool, ReadError> {
        if block < self.checksums.len() { self.compare(block).map(|_| true) } else { Ok(false) }
    }
}

/// Where a block begins in the file.
fn block_start(block: usize) -> u64 {
    HEADER_BYTES as u64 + block as u64 * BLOCK_BYTES as u64
}

/// Copies the overlap of `from`, which begins at `start`, into `into`, which begins at `offset`.
fn overlap(from: &[u8], start: u64, offset: u64, into: &mut [u8]) {
    let (from, into) = (
        from.get(index(offset.saturating_sub(start))..),
        into.get_mut(index(start.saturating_sub(offset))..),
    );
    #[expect(clippy::expect_used, reason = "callers pass only blocks that hold some of the bytes")]
    let (from, into) = from.zip(into).expect("the two ranges overlap");
    into.iter_mut().zip(from).for_each(|(into, from)| *into = *from);
}
