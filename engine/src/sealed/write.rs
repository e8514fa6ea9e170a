//! Writes a sealed file: the sections one after the other, then the checksums, then the header.

use std::io;
use std::sync::Arc;

use allsource_format::sealed::{Checksums, HEADER_BYTES, Header, SECTION_ALIGN, Section};

use crate::number::index;
use crate::planted::{self, Bug};
use crate::platform::{Disk, DiskFile};

/// About how many bytes one write to the disk takes.
const PIECE_BYTES: usize = 1 << 20;

/// Where the bytes go.
pub(crate) enum Target {
    /// A new file.
    File(Arc<dyn DiskFile>),
    /// Memory.
    Memory(Vec<u8>),
}

/// A sealed file under construction.
pub(crate) struct Writer {
    target: Target,
    pending: Vec<u8>,
    /// Bytes written or pending, the header included.
    length: u64,
    checksums: Checksums,
    sections: Vec<Section>,
}

impl Writer {
    /// Begins a file.
    pub(crate) fn new(target: Target) -> Self {
        let (checksums, sections) = (Checksums::default(), Vec::new());
        Self { target, pending: Vec::new(), length: HEADER_BYTES as u64, checksums, sections }
    }

    /// Begins a section.
    pub(crate) fn open_section(&mut self, kind: u32) -> io::Result<()> {
        let is_next = self.sections.last().is_none_or(|last| last.kind < kind);
        assert!(is_next, "sections are written in the order of their kinds");
        let padding = self.length.next_multiple_of(SECTION_ALIGN as u64) - self.length;
        self.push(&vec![0; index(padding)])?;
        assert!(self.length.is_multiple_of(SECTION_ALIGN as u64), "a section begins aligned");
        self.sections.push(Section { kind, offset: self.length, bytes: 0, count: 0 });
        Ok(())
    }

    /// Adds bytes to the open section; returns their offset in the file.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<u64> {
        let offset = self.length;
        self.push(bytes)?;
        self.section().bytes += bytes.len() as u64;
        Ok(offset)
    }

    /// Ends the open section, which has `count` entries.
    pub(crate) fn close_section(&mut self, count: u64) {
        let section = self.section();
        assert!(count <= section.bytes, "an entry takes at least one byte");
        section.count = count;
    }

    fn section(&mut self) -> &mut Section {
        #[expect(clippy::expect_used, reason = "callers open a section before they write")]
        self.sections.last_mut().expect("a section is open")
    }

    /// Where the next byte goes.
    pub(crate) fn offset(&self) -> u64 {
        self.length
    }

    fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.checksums.update(bytes);
        self.length += bytes.len() as u64;
        self.pending.extend_from_slice(bytes);
        if self.pending.len() >= PIECE_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        let offset = self.length - self.pending.len() as u64;
        assert!(offset >= HEADER_BYTES as u64, "the header comes before the sections");
        self.target.write(&self.pending, offset)?;
        self.pending.clear();
        Ok(())
    }

    /// Completes the file, filling in the rest of `header`. Returns the whole header and its checksum.
    pub(crate) fn finish(mut self, header: Header) -> io::Result<(Header, u32, Target)> {
        self.flush()?;
        let end = self.sections.last().map(|section| section.offset + section.bytes);
        assert_eq!(end, Some(self.length), "nothing is written after the last section");
        let kinds = self.sections.iter().map(|section| section.kind);
        assert!(kinds.eq(1..=header.kind.sections()), "a file has every section of its kind");
        let (table, checksums_crc) = self.checksums.finish();
        assert!(table.len().is_multiple_of(4), "a checksum has four bytes");
        self.target.write(&table, self.length)?;
        let header = Header { checksums: self.length, checksums_crc, sections: self.sections, ..header };
        let bytes = header.encode();
        self.target.write(&bytes, 0)?;
        Ok((header, Header::crc(&bytes), self.target))
    }
}

impl Target {
    /// Creates an empty file, replacing one that an earlier attempt left unfinished.
    pub(crate) fn create(disk: &dyn Disk, path: &str) -> io::Result<Self> {
        match disk.remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        Ok(Self::File(disk.create(path, 0)?))
    }

    /// Makes the file durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        match self {
            Self::File(file) if !planted::is(Bug::SkipSegmentSync) => file.sync(),
            Self::File(_) | Self::Memory(_) => Ok(()),
        }
    }

    /// Writes bytes at an offset.
    pub(crate) fn write(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        match self {
            Self::File(file) if !bytes.is_empty() => file.write_at(bytes, offset),
            Self::File(_) => Ok(()),
            Self::Memory(memory) => {
                let (start, end) = (index(offset), index(offset) + bytes.len());
                memory.resize(memory.len().max(end), 0);
                #[expect(clippy::expect_used, reason = "the memory was just resized to hold these bytes")]
                memory.get_mut(start..end).expect("the bytes lie within memory").copy_from_slice(bytes);
                Ok(())
            }
        }
    }
}
