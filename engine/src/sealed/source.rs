//! Where the bytes of a sealed file come from: a mapping, a system call for each read, or memory.

use std::io;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use crate::error::ReadError;
use crate::options::ReadMode;
use crate::platform::{Disk, DiskFile, Mapping};

/// An open file, with the block that was read last: its number and its bytes, which were compared.
pub(super) struct Reads {
    file: Arc<dyn DiskFile>,
    pub(super) kept: Mutex<Option<(usize, Vec<u8>)>>,
}

/// A mapped file. Once a page of it has faulted, system calls replace the mapping: they tell block by block what can
/// be read, and the mapping shows zeros where it could not.
pub(super) struct Mapped {
    mapping: Arc<dyn Mapping>,
    disk: Arc<dyn Disk>,
    instead: OnceLock<Reads>,
}

pub(super) enum Source {
    Mapped(Mapped),
    /// Whole blocks are read and checked each time.
    Read(Reads),
    /// A file that could not be written, or not yet.
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
    /// Its bytes, as long as all that were looked at were there.
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

    /// Opens a file to see what the medium holds of it, whatever the page cache shows.
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

    /// All bytes, where they can be looked at in place. What was seen counts only if this answers again afterwards: a
    /// page that could not be had shows zeros.
    #[inline]
    pub(super) fn in_place(&self) -> Option<&[u8]> {
        match self {
            Self::Mapped(mapped) => mapped.bytes(),
            Self::Memory(bytes) => Some(bytes),
            Self::Read(_) => None,
        }
    }

    /// What reads the file with system calls.
    pub(super) fn reads(&self, path: &str) -> Result<&Reads, ReadError> {
        match self {
            Self::Mapped(mapped) => mapped.instead(path),
            Self::Read(reads) => Ok(reads),
            Self::Memory(_) => Err(ReadError::damaged(path, 0, "a file in memory cannot be opened")),
        }
    }

    /// Copies bytes out of the file, unchecked.
    pub(super) fn copy(&self, path: &str, offset: u64, into: &mut [u8]) -> Result<(), ReadError> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
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

    /// These bytes are about to be read, all of them.
    pub(super) fn will_need(&self, offset: usize, length: usize) {
        if let Self::Mapped(mapped) = self {
            mapped.mapping.will_need(offset, length);
        }
    }
}

/// The file has fewer bytes than its header promises.
pub(super) fn ends_before(path: &str, offset: u64) -> ReadError {
    ReadError::of_system("read", path, offset, &io::ErrorKind::UnexpectedEof.into())
}
