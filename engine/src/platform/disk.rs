//! The operations that the engine needs from a disk, and the guarantees it relies on.

use std::io;
use std::sync::Arc;

/// A folder that holds one store. Paths are relative to it, with `/` between names.
///
/// Guarantees: bytes written to a file are durable once [`DiskFile::sync`] returns; a name (created, renamed or
/// removed) is durable once [`Disk::sync_dir`] of its folder returns. Before that, a crash may keep any part,
/// sector by sector, in any order. The engine relies on nothing else.
pub trait Disk: Send + Sync + 'static {
    /// Creates a folder and those above it; existing ones are no error.
    fn create_dir(&self, dir: &str) -> io::Result<()>;
    /// The names in a folder, in ascending order.
    fn list(&self, dir: &str) -> io::Result<Vec<String>>;
    /// Makes the names in a folder durable; `""` is the store's own folder.
    fn sync_dir(&self, dir: &str) -> io::Result<()>;
    /// Makes the name of the store's own folder durable.
    fn sync_parent(&self) -> io::Result<()>;
    /// Creates a file of `length` zero bytes with room for all of them on the disk. It must not exist.
    fn create(&self, path: &str, length: u64) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file for reading and writing.
    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file for reading.
    fn open_read_only(&self, path: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Maps a file that will not be written any more, for random reads.
    fn map(&self, path: &str) -> io::Result<Arc<dyn Mapping>>;
    /// Opens a file for reading from the medium instead of the page cache, where the system supports it.
    fn open_past_cache(&self, path: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Gives a file a name that must be free.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &str) -> io::Result<()>;
    /// Takes the lock that keeps everyone else out, creating its file if it does not exist.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when another process holds it.
    fn lock(&self, path: &str) -> io::Result<Box<dyn DiskLock>>;
    /// Takes a lock that keeps out writers and admits other readers, and writes nothing; `None`: there is no file to
    /// lock, so no process has ever opened this folder.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when a writer holds it.
    fn lock_shared(&self, path: &str) -> io::Result<Option<Box<dyn DiskLock>>>;
    /// Whether a path leads to this file, looked up again from the store's own folder. A disk whose names only the
    /// store can change need not look.
    fn leads_to(&self, _path: &str, _file: Identity) -> io::Result<bool> {
        Ok(true)
    }
    /// Whether the name of a folder directly inside the store's own still leads to the folder that is used. A disk whose
    /// names only the store can change need not look.
    fn is_in_place(&self, _dir: &str) -> io::Result<bool> {
        Ok(true)
    }
}

/// Tells a file or folder from every other that exists, whatever its name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The device it is on.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
}

/// An open file.
pub trait DiskFile: Send + Sync + 'static {
    /// Reads exactly `buffer.len()` bytes at `offset`.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes all of `bytes` at `offset`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes the file's bytes and its length durable.
    fn sync(&self) -> io::Result<()>;
    /// Its length in bytes.
    fn length(&self) -> io::Result<u64>;
    /// Cuts it to `length` bytes.
    fn truncate(&self, length: u64) -> io::Result<()>;
    /// Which file this is; `None`: the disk does not tell.
    fn identity(&self) -> io::Result<Option<Identity>> {
        Ok(None)
    }
}

/// A file in memory, read only.
pub trait Mapping: Send + Sync + 'static {
    /// Its bytes.
    fn bytes(&self) -> &[u8];
    /// Whether some of them could not be read and zeros were returned instead: what was read before this returns true
    /// must not be used.
    fn has_faulted(&self) -> bool;
    /// Announces that all of these bytes are about to be read, so that the system can read them at once.
    fn will_need(&self, offset: usize, length: usize);
}

/// A lock, held until it is dropped.
pub trait DiskLock: Send + Sync {
    /// Where the locked folder is now.
    fn whereabouts(&self) -> io::Result<Whereabouts>;
}

/// Where a folder is since it was locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whereabouts {
    /// It is where it was.
    InPlace,
    /// Its path leads elsewhere or nowhere; the folder itself is whole and still locked.
    Moved,
    /// Its lock no longer has a name: the folder was removed, or another process could lock it now.
    Removed,
}
