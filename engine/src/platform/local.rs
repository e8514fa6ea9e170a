//! A folder of the operating system.
#![expect(clippy::disallowed_methods, reason = "this is where files are touched")]

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::direct::DirectFile;
use super::disk::{Disk, DiskFile, DiskLock, Mapping};
use super::fault::MappedFile;

/// Zeros are written in pieces of this size.
static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

/// A store's folder in the file system.
#[derive(Debug)]
pub struct LocalDisk {
    root: PathBuf,
}

impl LocalDisk {
    /// The folder at `root`, which need not exist yet.
    pub fn new(root: impl AsRef<Path>) -> Self {
        Self { root: root.as_ref().to_owned() }
    }

    fn at(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.root.clone() } else { self.root.join(path) }
    }
}

impl Disk for LocalDisk {
    fn create_dir(&self, dir: &str) -> io::Result<()> {
        fs::create_dir_all(self.at(dir))
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let names =
            fs::read_dir(self.at(dir))?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let mut names: Vec<String> = names.collect::<io::Result<_>>()?;
        names.sort();
        Ok(names)
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        File::open(self.at(dir))?.sync_all()
    }

    fn create(&self, path: &str, length: u64) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(self.at(path))?;
        let filled = preallocate(&file, length);
        if let Err(error) = filled {
            // A file that could not get its room would only stand in the way of the next attempt.
            let _ = fs::remove_file(self.at(path));
            return Err(error);
        }
        Ok(Arc::new(LocalFile { file }))
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).open(self.at(path))?;
        Ok(Arc::new(LocalFile { file }))
    }

    fn open_read_only(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(LocalFile { file: File::open(self.at(path))? }))
    }

    fn map(&self, path: &str) -> io::Result<Arc<dyn Mapping>> {
        Ok(Arc::new(MappedFile::new(&File::open(self.at(path))?)?))
    }

    fn open_past_cache(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        DirectFile::open(&self.at(path))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        if self.at(to).exists() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        fs::rename(self.at(from), self.at(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.at(path))
    }

    fn lock(&self, path: &str) -> io::Result<Box<dyn DiskLock>> {
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).to_owned();
        let file = options.open(self.at(path))?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(LocalLock { _file: file })),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// Reserves the room first, so that a full disk is noticed at once, then writes zeros: later writes then
/// change no metadata, which makes each sync cheaper.
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
        let piece = ZEROS.len().min(usize::try_from(length - offset).unwrap_or(usize::MAX));
        file.write_all_at(ZEROS.get(..piece).unwrap_or(&[]), offset)?;
        offset += piece as u64;
    }
    Ok(())
}

#[derive(Debug)]
pub(super) struct LocalFile {
    pub(super) file: File,
}

impl DiskFile for LocalFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }
}

#[derive(Debug)]
struct LocalLock {
    _file: File,
}

impl DiskLock for LocalLock {}
