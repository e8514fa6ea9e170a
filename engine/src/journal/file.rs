//! Journal files: their names, and how a new one comes to be part of the log.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use allsource_format::journal::Header;
use parking_lot::{Condvar, Mutex};

use crate::error::OpenError;
use crate::manifest::{self, Catalog};
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

/// Makes the unnamed next file out of one that no longer belongs to the store. Nothing in it may ever count again:
/// frames of another file number do not validate, and it is filled with zeros besides, so that recovery does not
/// take what it held for something torn.
fn recycle(disk: &dyn Disk, retired: u64, length: u64) -> io::Result<Arc<dyn DiskFile>> {
    let path = path_of(retired);
    let file = disk.open(&path)?;
    if file.length()? != length {
        disk.remove(&path)?;
        return create_unnamed(disk, length);
    }
    remove_unnamed(disk)?;
    disk.rename(&path, UNNAMED)?;
    let piece = [0; 64 << 10];
    let mut offset = 0;
    while offset < length {
        let count = piece.len().min(usize::try_from(length - offset).unwrap_or(usize::MAX));
        file.write_at(piece.get(..count).unwrap_or(&[]), offset)?;
        offset += count as u64;
    }
    file.sync()?;
    Ok(file)
}

/// The numbers of the journal files that are there, in ascending order. What has another name is none of ours.
pub(super) fn numbers(disk: &dyn Disk) -> io::Result<Vec<u64>> {
    let names = match disk.list(DIR) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        names => names?,
    };
    let number_of = |name: &String| {
        let number = name.strip_suffix(".jnl")?.parse().ok()?;
        (path_of(number).strip_prefix(DIR)?.strip_prefix('/')? == name).then_some(number)
    };
    let mut numbers: Vec<u64> = names.iter().filter_map(number_of).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Removes journal files that no longer belong to the store.
pub(crate) fn remove_before(disk: &dyn Disk, first: u64) -> io::Result<()> {
    let mut old = numbers(disk)?.into_iter().filter(|number| *number < first);
    old.try_for_each(|number| disk.remove(&path_of(number)))
}

fn remove_unnamed(disk: &dyn Disk) -> io::Result<()> {
    match disk.remove(UNNAMED) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether there are journal files.
pub(crate) fn is_any(disk: &dyn Disk) -> Result<bool, OpenError> {
    let numbers = numbers(disk).map_err(|error| OpenError::io("list journal files", error))?;
    Ok(!numbers.is_empty())
}

/// Makes the unnamed next file: full length, all zero, durable. One left over from before is discarded, since
/// it may hold frames of an attempt that never counted.
pub(crate) fn create_unnamed(disk: &dyn Disk, length: u64) -> io::Result<Arc<dyn DiskFile>> {
    remove_unnamed(disk)?;
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

/// The next journal file, and room for the manifest that will name it.
#[derive(Clone)]
pub(crate) struct Next {
    pub(crate) journal: Arc<dyn DiskFile>,
    pub(crate) manifest: Arc<dyn DiskFile>,
}

/// So many files that no longer belong to the store are kept to be used again.
const RECYCLED_MAX: usize = 4;

/// The state of the next journal file.
#[derive(Default)]
enum SpareState {
    /// Not there; somebody should make it.
    #[default]
    Missing,
    /// There, waiting to be used.
    Ready(Next),
    /// Promised to a round that is being built.
    Reserved(Next),
    /// The disk had no room for it.
    Full,
}

/// The next journal file, made ahead of need so that a frame is never torn by a full disk.
#[derive(Default)]
pub(crate) struct Spare {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Default)]
struct Inner {
    state: SpareState,
    /// Files that no longer belong to the store, to be made the next one.
    retired: Vec<u64>,
    stopped: bool,
}

/// Whether there is a next file for a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reserved {
    /// It is kept for the round.
    Yes,
    /// It is not made yet.
    NotYet,
    /// The disk is full.
    NoRoom,
}

impl Spare {
    /// Takes journal files that no longer belong to the store: a few are kept to be used again, the others are
    /// removed.
    pub(crate) fn recycle(&self, disk: &dyn Disk, numbers: Vec<u64>) {
        for number in numbers {
            let mut inner = self.inner.lock();
            if inner.retired.len() < RECYCLED_MAX {
                inner.retired.push(number);
            } else {
                drop(inner);
                // What cannot be removed now is removed by the next opening.
                let _ = disk.remove(&path_of(number));
            }
        }
    }

    /// Makes the file if it is not there, and takes the room of the manifest that will name it.
    ///
    /// # Errors
    /// What the disk said, other than that it is full.
    pub(crate) fn make(&self, disk: &dyn Disk, catalog: &Catalog) -> io::Result<()> {
        let mut inner = self.inner.lock();
        if !matches!(inner.state, SpareState::Missing | SpareState::Full) {
            return Ok(());
        }
        let retired = inner.retired.pop();
        drop(inner);
        let manifest = catalog.manifest();
        let length = manifest.journal_file_bytes;
        let recycled = retired.and_then(|number| recycle(disk, number, length).ok());
        let made = recycled.map_or_else(|| create_unnamed(disk, length), Ok);
        let made =
            made.and_then(|journal| Ok(Next { journal, manifest: manifest::reserve(disk, &manifest)? }));
        let (state, result) = match made {
            Ok(next) => (SpareState::Ready(next), Ok(())),
            Err(error) if is_full(&error) => (SpareState::Full, Ok(())),
            Err(error) => (SpareState::Full, Err(error)),
        };
        self.inner.lock().state = state;
        self.changed.notify_all();
        result
    }

    /// Keeps the file for a round, if it is there.
    pub(crate) fn reserve(&self) -> Reserved {
        let state = &mut self.inner.lock().state;
        match std::mem::take(state) {
            SpareState::Ready(next) => {
                *state = SpareState::Reserved(next);
                Reserved::Yes
            }
            SpareState::Full => {
                *state = SpareState::Full;
                Reserved::NoRoom
            }
            other => {
                *state = other;
                Reserved::NotYet
            }
        }
    }

    /// Waits until the file is there, or cannot be, at most so long: a store that is fenced meanwhile never makes it.
    pub(crate) fn wait_made(&self, timeout: Duration) {
        let mut inner = self.inner.lock();
        if matches!(inner.state, SpareState::Missing | SpareState::Reserved(_)) && !inner.stopped {
            self.changed.wait_for(&mut inner, timeout);
        }
    }

    /// Waits until the file should be made, or for `retry` when there was no room the last time. False: the
    /// store is stopping.
    pub(crate) fn wait_needed(&self, retry: Duration) -> bool {
        let mut inner = self.inner.lock();
        loop {
            match inner.state {
                _ if inner.stopped => return false,
                SpareState::Missing => return true,
                SpareState::Full => {
                    self.changed.wait_for(&mut inner, retry);
                    return !inner.stopped;
                }
                SpareState::Ready(_) | SpareState::Reserved(_) => self.changed.wait(&mut inner),
            }
        }
    }

    /// Makes the file that was kept part of the log. The next one may be made only after [`Spare::is_used`]: until
    /// this one and its manifest have their own names, both would have the same.
    pub(crate) fn adopt(&self, disk: &dyn Disk, header: &Header) -> io::Result<Next> {
        let next = match &self.inner.lock().state {
            SpareState::Reserved(next) => next.clone(),
            _ => return Err(io::Error::other("no next journal file was reserved")),
        };
        adopt(disk, &*next.journal, header)?;
        Ok(next)
    }

    /// The file that was kept is part of the log, and a manifest says so.
    pub(crate) fn is_used(&self) {
        self.inner.lock().state = SpareState::Missing;
        self.changed.notify_all();
    }

    /// Whether the disk had no room at the last attempt.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self.inner.lock().state, SpareState::Full)
    }

    /// Lets go of everyone who waits: the store is stopping.
    pub(crate) fn stop(&self) {
        self.inner.lock().stopped = true;
        self.changed.notify_all();
    }
}

/// Whether the system says that there is no room.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
