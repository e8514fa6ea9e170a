//! Reading a sealed file: mapped, or with a system call for each read, or from memory.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use allsource_format::sealed::{BLOCK_BYTES, HEADER_BYTES, Header, Kind};

use parking_lot::Mutex;

use super::column::Column;
use crate::error::Damage;
use crate::options::ReadMode;
use crate::planted::{self, Bug};
use crate::platform::{Disk, DiskFile, Mapping};

/// Reads of so many bytes are told to the system before: one page at a time would be slow where they are not in memory.
const ADVISED_BYTES: usize = 16 << 10;

enum Source {
    Mapped(Arc<dyn Mapping>),
    /// Whole blocks are read and checked each time; the last one is kept.
    Read(Arc<dyn DiskFile>, Mutex<(usize, Vec<u8>)>),
    /// A file that could not be written, or not yet.
    Memory(Vec<u8>),
}

/// A sealed file, open.
pub(crate) struct SealedFile {
    path: String,
    header: Header,
    header_crc: u32,
    source: Source,
    checksums: Vec<u32>,
    /// A bit for each block: its checksum was compared.
    checked: Vec<AtomicU64>,
}

fn decode_header(
    path: &str,
    kind: Kind,
    length: u64,
    read: impl FnOnce(&mut [u8]) -> Result<(), Damage>,
) -> Result<(Header, u32), Damage> {
    let mut bytes = [0; HEADER_BYTES];
    if length < HEADER_BYTES as u64 {
        return Err(Damage::new(path, length, "the file is shorter than its header"));
    }
    read(&mut bytes)?;
    let header = Header::decode(&bytes, kind).map_err(|problem| Damage::new(path, 0, problem))?;
    match header.file_bytes() == length {
        true => Ok((header, Header::crc(&bytes))),
        false => {
            Err(Damage::new(path, length, format!("the file should have {} bytes", header.file_bytes())))
        }
    }
}

impl SealedFile {
    /// Opens a file; blocks are checked when they are first used.
    pub(crate) fn open(disk: &dyn Disk, path: &str, kind: Kind, mode: ReadMode) -> Result<Self, Damage> {
        let failed = |error: std::io::Error| Damage::new(path, 0, error);
        let source = match mode {
            ReadMode::Map => Source::Mapped(disk.map(path).map_err(failed)?),
            ReadMode::Read => Source::Read(disk.open_read_only(path).map_err(failed)?, Mutex::default()),
        };
        Self::over(path, kind, source)
    }

    /// Opens a file to see what the medium holds of it, whatever the page cache shows.
    pub(crate) fn open_past_cache(disk: &dyn Disk, path: &str, kind: Kind) -> Result<Self, Damage> {
        let file = disk.open_past_cache(path).map_err(|error| Damage::new(path, 0, error))?;
        Self::over(path, kind, Source::Read(file, Mutex::default()))
    }

    /// A file that is in memory.
    pub(crate) fn in_memory(path: &str, kind: Kind, bytes: Vec<u8>) -> Result<Self, Damage> {
        Self::over(path, kind, Source::Memory(bytes))
    }

    fn over(path: &str, kind: Kind, source: Source) -> Result<Self, Damage> {
        let length = match &source {
            Source::Mapped(mapping) => mapping.bytes().len() as u64,
            Source::Read(file, _) => file.length().map_err(|error| Damage::new(path, 0, error))?,
            Source::Memory(bytes) => bytes.len() as u64,
        };
        let read = |offset, bytes: &mut [u8]| source.copy(path, offset, bytes);
        let (header, header_crc) = decode_header(path, kind, length, |bytes| read(0, bytes))?;
        let mut table = vec![0; header.blocks() * 4];
        read(header.checksums, &mut table)?;
        if crc32fast::hash(&table) != header.checksums_crc {
            return Err(Damage::new(path, header.checksums, "checksum mismatch in the table of checksums"));
        }
        let checksums: Vec<u32> = table
            .chunks_exact(4)
            .map(|bytes| bytes.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes)))
            .collect();
        let checked = (0..checksums.len().div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Ok(Self { path: path.to_owned(), header, header_crc, source, checksums, checked })
    }

    /// Its bytes, if it is in memory.
    pub(crate) fn memory(&self) -> &[u8] {
        match &self.source {
            Source::Memory(bytes) => bytes,
            Source::Mapped(_) | Source::Read(..) => &[],
        }
    }

    /// What its header says.
    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// The checksum of its header.
    pub(crate) fn header_crc(&self) -> u32 {
        self.header_crc
    }

    /// A section as a column of entries of so many bytes.
    pub(crate) fn column(&self, kind: u32, entry_bytes: u64) -> Column<'_> {
        Column::of(self, self.header.section(kind).unwrap_or_default(), entry_bytes)
    }

    /// A damage of this file.
    pub(crate) fn damage(&self, offset: u64, problem: impl ToString) -> Damage {
        Damage::new(&*self.path, offset, problem)
    }

    /// Hands over bytes of the sections, in place where they are mapped.
    #[inline]
    pub(crate) fn with<R>(
        &self,
        offset: u64,
        length: usize,
        look: impl FnOnce(&[u8]) -> R,
    ) -> Result<R, Damage> {
        let blocks = self.blocks_of(offset, length as u64)?;
        let mapped = match &self.source {
            Source::Mapped(mapping) => mapping.bytes(),
            Source::Memory(bytes) => bytes,
            Source::Read(_, kept) => {
                return self.read(blocks, kept, offset, length).map(|bytes| look(&bytes));
            }
        };
        if length >= ADVISED_BYTES {
            self.will_need(offset, length as u64);
        }
        for block in blocks {
            self.check_block(block)?;
        }
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes =
            mapped.get(start..start + length).ok_or_else(|| self.damage(offset, "the file ends before"))?;
        let looked = look(bytes);
        // What was seen is believed only now: a page that could not be had shows zeros.
        if let Source::Mapped(mapping) = &self.source
            && mapping.has_faulted()
        {
            return Err(self.damage(offset, "a part of the file could not be read"));
        }
        Ok(looked)
    }

    #[cold]
    fn read(
        &self,
        blocks: Range<usize>,
        kept: &Mutex<(usize, Vec<u8>)>,
        offset: u64,
        length: usize,
    ) -> Result<Vec<u8>, Damage> {
        let mut bytes = vec![0; length];
        for block in blocks {
            let mut kept = kept.lock();
            if kept.0 != block || kept.1.is_empty() {
                *kept = (block, self.compare(block)?);
            }
            overlap(&kept.1, block_start(block), offset, &mut bytes);
        }
        Ok(bytes)
    }

    /// Copies bytes out of the sections.
    pub(crate) fn copy(&self, offset: u64, into: &mut [u8]) -> Result<(), Damage> {
        self.with(offset, into.len(), |bytes| into.copy_from_slice(bytes))
    }

    /// A number at an offset in the sections.
    #[inline]
    pub(crate) fn array<const N: usize>(&self, offset: u64) -> Result<[u8; N], Damage> {
        self.with(offset, N, |bytes| bytes.first_chunk().copied().unwrap_or([0; N]))
    }

    /// The blocks that hold some of these bytes.
    #[inline]
    fn blocks_of(&self, offset: u64, length: u64) -> Result<Range<usize>, Damage> {
        let start = HEADER_BYTES as u64;
        let is_inside =
            offset >= start && offset.checked_add(length).is_some_and(|end| end <= self.header.checksums);
        if !is_inside {
            return Err(self.damage(offset, "something refers to bytes outside the sections"));
        }
        let block =
            |offset: u64| usize::try_from((offset - start) / BLOCK_BYTES as u64).unwrap_or(usize::MAX);
        Ok(block(offset)..if length == 0 { block(offset) } else { block(offset + length - 1) + 1 })
    }

    #[inline]
    fn check_block(&self, block: usize) -> Result<(), Damage> {
        let word = self.checked.get(block / 64);
        let bit = 1 << (block % 64);
        if word.is_some_and(|word| word.load(Ordering::Acquire) & bit != 0) {
            return Ok(());
        }
        self.compare(block)?;
        if let Some(word) = word {
            word.fetch_or(bit, Ordering::AcqRel);
        }
        Ok(())
    }

    /// These bytes are about to be read, all of them.
    pub(crate) fn will_need(&self, offset: u64, length: u64) {
        if let Source::Mapped(mapping) = &self.source {
            let number = |number| usize::try_from(number).unwrap_or(usize::MAX);
            let length = length.min(self.header.checksums.saturating_sub(offset));
            mapping.will_need(number(offset), number(length));
        }
    }

    /// Reads a block and compares its checksum.
    #[cold]
    fn compare(&self, block: usize) -> Result<Vec<u8>, Damage> {
        let offset = block_start(block);
        let length = (self.header.checksums.saturating_sub(offset)).min(BLOCK_BYTES as u64);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        self.will_need(offset, length);
        self.source.copy(&self.path, offset, &mut bytes)?;
        match self.checksums.get(block) {
            _ if planted::is(Bug::SkipBlockChecks) => Ok(bytes),
            Some(expected) if crc32fast::hash(&bytes) == *expected => Ok(bytes),
            _ => Err(self.damage(offset, format!("checksum mismatch in a block of {length} bytes"))),
        }
    }

    /// Compares the sections of two files, block by block.
    pub(crate) fn compare_with(&self, other: &Self) -> Result<(), Damage> {
        if (&self.header.sections, self.header.checksums) != (&other.header.sections, other.header.checksums)
        {
            return Err(self.damage(0, "the sections are not those that the segments give"));
        }
        let unlike = self.checksums.iter().zip(&other.checksums).position(|(one, other)| one != other);
        match unlike {
            None => Ok(()),
            Some(block) => {
                Err(self.damage(block_start(block), "a block is not the one that the segments give"))
            }
        }
    }

    /// Reads a block once more and compares its checksum. False: there is no such block.
    pub(crate) fn check_again(&self, block: usize) -> Result<bool, Damage> {
        if block < self.checksums.len() { self.compare(block).map(|_| true) } else { Ok(false) }
    }

    /// Compares every block; returns how many bytes the file has.
    pub(crate) fn check_all(&self) -> Result<u64, Damage> {
        (0..self.checksums.len()).try_for_each(|block| self.compare(block).map(drop))?;
        Ok(self.header.file_bytes())
    }
}

/// Where a block begins in the file.
fn block_start(block: usize) -> u64 {
    HEADER_BYTES as u64 + block as u64 * BLOCK_BYTES as u64
}

/// Copies what of `from`, which begins at `start`, belongs into `into`, which begins at `offset`.
fn overlap(from: &[u8], start: u64, offset: u64, into: &mut [u8]) {
    let skipped = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    let from = from.get(skipped(offset.saturating_sub(start))..).unwrap_or(&[]);
    let into = into.get_mut(skipped(start.saturating_sub(offset))..).unwrap_or(&mut []);
    into.iter_mut().zip(from).for_each(|(into, from)| *into = *from);
}

impl Source {
    fn copy(&self, path: &str, offset: u64, into: &mut [u8]) -> Result<(), Damage> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let from = |bytes: &[u8], into: &mut [u8]| match bytes.get(start..start.saturating_add(into.len())) {
            Some(bytes) => {
                into.copy_from_slice(bytes);
                Ok(())
            }
            None => Err(Damage::new(path, offset, "the file ends before")),
        };
        match self {
            Self::Mapped(mapping) => {
                from(mapping.bytes(), into)?;
                match mapping.has_faulted() {
                    true => Err(Damage::new(path, offset, "a part of the file could not be read")),
                    false => Ok(()),
                }
            }
            Self::Read(file, _) => {
                file.read_at(into, offset).map_err(|error| Damage::new(path, offset, error))
            }
            Self::Memory(bytes) => from(bytes, into),
        }
    }
}

#[cfg(test)]
mod tests;
