//! Journal files: their names, and how a new one comes to be part of the log.

use std::io;
use std::sync::Arc;

use allsource_format::journal::Header;
use parking_lot::{Condvar, Mutex};

use crate::planted::{self, Bug};
use crate::platform::{Disk, DiskFile};

/// The folder of journal files.
pub(crate) const DIR: &str = "journal";
/// Where recovery keeps what it cut off.
pub(crate) const QUARANTINE: &str = "quarantine";
/// The next file while it has no number yet.
const UNNAMED: &str = "journal/spare.tmp";

/// The path of the journal file of this number.
pub(crate) fn path_of(number: u64) -> String {
    format!("{DIR}/{number:010}.jnl")
}

/// Creates the folders of a store.
pub(crate) fn create_dirs(disk: &dyn Disk) -> io::Result<()> {
    for dir in [crate::manifest::DIR, DIR, QUARANTINE] {
        disk.create_dir(dir)?;
    }
    disk.sync_dir("")
}

/// Makes the unnamed next file: full length, all zero, durable. One left over from before is discarded, since
/// it may hold frames of an attempt that never counted.
pub(crate) fn create_unnamed(disk: &dyn Disk, length: u64) -> io::Result<Arc<dyn DiskFile>> {
    match disk.remove(UNNAMED) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = disk.create(UNNAMED, length)?;
    file.sync()?;
    Ok(file)
}

/// Gives the unnamed file its header and its name, in this order: a named file always has a valid header.
pub(crate) fn adopt(disk: &dyn Disk, file: &dyn DiskFile, header: &Header) -> io::Result<()> {
    file.write_at(&header.encode(), 0)?;
    file.sync()?;
    disk.rename(UNNAMED, &path_of(header.number))?;
    if planted::is(Bug::SkipDirectorySync) { Ok(()) } else { disk.sync_dir(DIR) }
}

/// The state of the next journal file.
#[derive(Default)]
pub(crate) enum SpareState {
    /// Not there; somebody should make it.
    #[default]
    Missing,
    /// There, waiting to be used.
    Ready(Arc<dyn DiskFile>),
    /// Promised to a round that is being built.
    Reserved(Arc<dyn DiskFile>),
    /// The disk had no room for it.
    Full,
}

/// The next journal file, made ahead of need so that a frame is never torn by a full disk.
#[derive(Default)]
pub(crate) struct Spare {
    state: Mutex<SpareState>,
    changed: Condvar,
}

impl Spare {
    /// Makes the file if it is not there.
    ///
    /// # Errors
    /// What the disk said, other than that it is full.
    pub(crate) fn make(&self, disk: &dyn Disk, length: u64) -> io::Result<()> {
        if !matches!(*self.state.lock(), SpareState::Missing | SpareState::Full) {
            return Ok(());
        }
        let (state, result) = match create_unnamed(disk, length) {
            Ok(file) => (SpareState::Ready(file), Ok(())),
            Err(error) if is_full(&error) => (SpareState::Full, Ok(())),
            Err(error) => (SpareState::Full, Err(error)),
        };
        *self.state.lock() = state;
        self.changed.notify_all();
        result
    }

    /// Promises the file to a round. `None`: it is not there yet. `Some(false)`: the disk is full.
    pub(crate) fn reserve(&self) -> Option<bool> {
        let mut state = self.state.lock();
        match std::mem::take(&mut *state) {
            SpareState::Ready(file) => {
                *state = SpareState::Reserved(file);
                Some(true)
            }
            SpareState::Full => {
                *state = SpareState::Full;
                Some(false)
            }
            other => {
                *state = other;
                None
            }
        }
    }

    /// Waits until the file is there, or cannot be.
    pub(crate) fn wait(&self) {
        let mut state = self.state.lock();
        while matches!(*state, SpareState::Missing | SpareState::Reserved(_)) {
            self.changed.wait(&mut state);
        }
    }

    /// Hands out the file that was promised.
    pub(crate) fn take(&self) -> Option<Arc<dyn DiskFile>> {
        let mut state = self.state.lock();
        let SpareState::Reserved(file) = std::mem::take(&mut *state) else { return None };
        self.changed.notify_all();
        Some(file)
    }

    /// Whether the disk had no room at the last attempt.
    pub(crate) fn is_full(&self) -> bool {
        matches!(*self.state.lock(), SpareState::Full)
    }

    /// Lets go of everyone who waits: the store is stopping.
    pub(crate) fn stop(&self) {
        let mut state = self.state.lock();
        if matches!(*state, SpareState::Missing) {
            *state = SpareState::Full;
        }
        self.changed.notify_all();
    }
}

/// Whether the system says that there is no room.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
