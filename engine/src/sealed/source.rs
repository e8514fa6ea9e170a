//! Where the bytes of a sealed file come from: a mapping, a system call for each read, or memory.

use std::io;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use crate::error::ReadError;
use crate::number::index;
use crate::options::ReadMode;
use crate::platform::{Disk, DiskFile, Mapping};

/// An open file, with the number and bytes of the last block that was read. The bytes matched their checksum.
pub(super) struct Reads {
    file: Arc<dyn DiskFile>,
    pub(super) kept: Mutex<Option<(usize, Vec<u8>)>>,
}

/// A mapped file. A page that faulted shows zeros, so from then on the file is read with system calls, which report for
/// each block whether it can be read.
pub(super) struct Mapped {
    mapping: Arc<dyn Mapping>,
    disk: Arc<dyn Disk>,
    instead: OnceLock<Reads>,
}

pub(super) enum Source {
    Mapped(Mapped),
    /// Whole blocks are read and checked each time.
    Read(Reads),
    /// A rebuilt index that is not in a file yet.
    Memory(Vec<u8>),
}

impl Reads {
    fn over(file: Arc<dyn DiskFile>) -> Self {
        Self { file, kept: Mutex::default() }
    }

    fn open(disk: &dyn Disk, path: &str) -> Result<Self, ReadError> {
        let opened = disk.open_read_only(path).map(Self::over);
        opened.map_err(|error| ReadError::of_system("open", path, 0, &error))
    }
}

impl Mapped {
    /// Its bytes, unless a page has faulted.
    fn bytes(&self) -> Option<&[u8]> {
        (!self.mapping.has_faulted()).then(|| self.mapping.bytes())
    }

    fn instead(&self, path: &str) -> Result<&Reads, ReadError> {
        if let Some(reads) = self.instead.get() {
            return Ok(reads);
        }
        let reads = Reads::open(&*self.disk, path)?;
        Ok(self.instead.get_or_init(|| reads))
    }
}

impl Source {
    /// Opens a file. One that cannot be mapped is read with system calls.
    pub(super) fn open(disk: &Arc<dyn Disk>, path: &str, mode: ReadMode) -> Result<Self, ReadError> {
        match mode {
            ReadMode::Read => Reads::open(&**disk, path).map(Self::Read),
            ReadMode::Map => match disk.map(path) {
                Ok(mapping) => {
                    Ok(Self::Mapped(Mapped { mapping, disk: Arc::clone(disk), instead: OnceLock::new() }))
                }
                Err(_) => Reads::open(&**disk, path).map(Self::Read),
            },
        }
    }

    /// Opens a file to read what the medium holds, bypassing the page cache.
    pub(super) fn open_past_cache(disk: &dyn Disk, path: &str) -> Result<Self, ReadError> {
        let opened = disk.open_past_cache(path).map(|file| Self::Read(Reads::over(file)));
        opened.map_err(|error| ReadError::of_system("open", path, 0, &error))
    }

    /// How many bytes there are.
    pub(super) fn length(&self, path: &str) -> Result<u64, ReadError> {
        let length = |reads: &Reads| {
            let length = reads.file.length();
            length.map_err(|error| ReadError::of_system("look at the length", path, 0, &error))
        };
        match self {
            Self::Mapped(mapped) => match mapped.bytes() {
                Some(bytes) => Ok(bytes.len() as u64),
                None => length(mapped.instead(path)?),
            },
            Self::Read(reads) => length(reads),
            Self::Memory(bytes) => Ok(bytes.len() as u64),
        }
    }

    /// All bytes, if they can be used in place. After using them, call it again: if it no longer returns them, a page has
    /// faulted and showed zeros.
    #[inline]
    pub(super) fn in_place(&self) -> Option<&[u8]> {
        match self {
            Self::Mapped(mapped) => mapped.bytes(),
            Self::Memory(bytes) => Some(bytes),
            Self::Read(_) => None,
        }
    }

    /// The file for reading with system calls.
    pub(super) fn reads(&self, path: &str) -> Result<&Reads, ReadError> {
        match self {
            Self::Mapped(mapped) => mapped.instead(path),
            Self::Read(reads) => Ok(reads),
            Self::Memory(_) => unreachable!("a file in memory is read in place"),
        }
    }

    /// Copies bytes out of the file, unchecked.
    pub(super) fn copy(&self, path: &str, offset: u64, into: &mut [u8]) -> Result<(), ReadError> {
        let start = index(offset);
        if let Some(bytes) = self.in_place() {
            match bytes.get(start..start.saturating_add(into.len())) {
                Some(bytes) => into.copy_from_slice(bytes),
                None => return Err(ends_before(path, offset)),
            }
            if self.in_place().is_some() {
                return Ok(());
            }
        }
        let read = self.reads(path)?.file.read_at(into, offset);
        read.map_err(|error| ReadError::of_system("read", path, offset, &error))
    }

    /// Prefetches bytes that are about to be read.
    pub(super) fn will_need(&self, offset: usize, length: usize) {
        if let Self::Mapped(mapped) = self {
            mapped.mapping.will_need(offset, length);
        }
    }
}

/// The error for a file that is shorter than its header says.
pub(super) fn ends_before(path: &str, offset: u64) -> ReadError {
    ReadError::of_system("read", path, offset, &io::ErrorKind::UnexpectedEof.into())
}
