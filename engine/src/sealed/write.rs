//! Writing a sealed file: sections one after the other, then the checksums, then the header.

use std::io;
use std::sync::Arc;

use allsource_format::sealed::{Checksums, HEADER_BYTES, Header, SECTION_ALIGN, Section};

use crate::planted::{self, Bug};
use crate::platform::{Disk, DiskFile};

/// Bytes are handed to the disk in pieces of about this size.
const PIECE_BYTES: usize = 1 << 20;

/// Where the bytes go.
pub(crate) enum Target {
    /// A file that is empty so far.
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
        let filling = self.length.next_multiple_of(SECTION_ALIGN as u64) - self.length;
        self.push([0; SECTION_ALIGN].get(..usize::try_from(filling).unwrap_or(0)).unwrap_or(&[]))?;
        self.sections.push(Section { kind, offset: self.length, bytes: 0, count: 0 });
        Ok(())
    }

    /// Adds bytes to the open section; returns their offset in the file.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<u64> {
        let offset = self.length;
        self.push(bytes)?;
        if let Some(section) = self.sections.last_mut() {
            section.bytes += bytes.len() as u64;
        }
        Ok(offset)
    }

    /// Ends the open section, which has so many entries.
    pub(crate) fn close_section(&mut self, count: u64) {
        if let Some(section) = self.sections.last_mut() {
            section.count = count;
        }
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
        self.target.write(&self.pending, offset)?;
        self.pending.clear();
        Ok(())
    }

    /// Completes the file: `header` lacks only what is known here. Returns its header and the checksum of that.
    pub(crate) fn finish(mut self, header: Header) -> io::Result<(Header, u32, Target)> {
        self.flush()?;
        let (table, checksums_crc) = self.checksums.finish();
        self.target.write(&table, self.length)?;
        let header = Header { checksums: self.length, checksums_crc, sections: self.sections, ..header };
        let bytes = header.encode();
        self.target.write(&bytes, 0)?;
        Ok((header, Header::crc(&bytes), self.target))
    }
}

impl Target {
    /// An empty file of this name, in the place of what may have been left there by an attempt that never counted.
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
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                memory.resize(memory.len().max(start + bytes.len()), 0);
                if let Some(place) = memory.get_mut(start..start + bytes.len()) {
                    place.copy_from_slice(bytes);
                }
                Ok(())
            }
        }
    }
}
