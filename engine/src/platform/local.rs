//! A folder of the operating system.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::OFlags;

use super::buffered::LocalFile;
use super::direct::DirectFile;
use super::disk::{Disk, DiskFile, DiskLock, Identity, Mapping, Whereabouts};
use super::fault::MappedFile;
use super::folder::Folder;
use super::limits::ignore_file_size_signal;
use crate::number::index;

/// Zeros are written in pieces of this size.
static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

/// A store's folder in the file system.
#[derive(Debug)]
pub struct LocalDisk {
    folder: Folder,
}

impl LocalDisk {
    /// The folder at `root`, which need not exist yet. From now on, a write beyond the file size limit is an error instead
    /// of a fatal signal.
    pub fn new(root: impl AsRef<Path>) -> Self {
        ignore_file_size_signal();
        Self { folder: Folder::at(root.as_ref()) }
    }
}

impl Disk for LocalDisk {
    fn create_dir(&self, dir: &str) -> io::Result<()> {
        self.folder.create(dir)
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.folder.list(dir)
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.folder.sync(dir)
    }

    fn sync_parent(&self) -> io::Result<()> {
        self.folder.sync_parent()
    }

    fn create(&self, path: &str, length: u64) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.folder.open(path, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL)?;
        let filled = preallocate(&file, length);
        if let Err(error) = filled {
            // A file without its full room would block the next attempt.
            let _ = self.folder.remove(path);
            return Err(error);
        }
        Ok(Arc::new(LocalFile { file }))
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(LocalFile { file: self.folder.open(path, OFlags::RDWR)? }))
    }

    fn open_read_only(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(LocalFile { file: self.folder.open(path, OFlags::RDONLY)? }))
    }

    fn map(&self, path: &str) -> io::Result<Arc<dyn Mapping>> {
        Ok(Arc::new(MappedFile::new(&self.folder.open(path, OFlags::RDONLY)?)?))
    }

    fn open_past_cache(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        DirectFile::open(|flags| self.folder.open(path, flags))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.folder.rename(from, to)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.folder.remove(path)
    }

    fn lock(&self, path: &str) -> io::Result<Box<dyn DiskLock>> {
        let file = self.folder.open(path, OFlags::RDWR | OFlags::CREATE)?;
        locked(file.try_lock())?;
        Ok(Box::new(LocalLock { file, path: self.folder.path().join(path) }))
    }

    fn lock_shared(&self, path: &str) -> io::Result<Option<Box<dyn DiskLock>>> {
        let file = match self.folder.open(path, OFlags::RDONLY) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        locked(file.try_lock_shared())?;
        Ok(Some(Box::new(LocalLock { file, path: self.folder.path().join(path) })))
    }

    fn leads_to(&self, path: &str, file: Identity) -> io::Result<bool> {
        self.folder.leads_to(path, file)
    }

    fn is_in_place(&self, dir: &str) -> io::Result<bool> {
        self.folder.is_in_place(dir)
    }
}

fn locked(result: Result<(), TryLockError>) -> io::Result<()> {
    result.map_err(|error| match error {
        TryLockError::WouldBlock => io::ErrorKind::WouldBlock.into(),
        TryLockError::Error(error) => error,
    })
}

/// Reserves the room first, so that a full disk is noticed at once, then writes zeros, so that later writes change no
/// metadata and each sync is cheaper.
fn preallocate(file: &File, length: u64) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    if length > 0 {
        match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, length) {
            Ok(()) | Err(rustix::io::Errno::OPNOTSUPP) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    let mut offset = 0;
    while offset < length {
        let piece = ZEROS.len().min(index(length - offset));
        file.write_all_at(ZEROS.split_at(piece).0, offset)?;
        offset += piece as u64;
    }
    Ok(())
}

#[derive(Debug)]
struct LocalLock {
    file: File,
    path: PathBuf,
}

impl DiskLock for LocalLock {
    fn whereabouts(&self) -> io::Result<Whereabouts> {
        let held = self.file.metadata()?;
        if held.nlink() == 0 {
            return Ok(Whereabouts::Removed);
        }
        match std::fs::metadata(&self.path) {
            Ok(found) if (found.dev(), found.ino()) == (held.dev(), held.ino()) => Ok(Whereabouts::InPlace),
            Ok(_) => Ok(Whereabouts::Moved),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Ok(Whereabouts::Moved)
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests;
