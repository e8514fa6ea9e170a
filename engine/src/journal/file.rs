//! Journal files: their names, and how a new one comes to be part of the log.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use allsource_format::journal::Header;
use parking_lot::{Condvar, Mutex};

use crate::error::{AppendError, OpenError};
use crate::manifest::{self, Catalog};
use crate::number::index;
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
        let count = piece.len().min(index(length - offset));
        file.write_at(piece.split_at(count).0, offset)?;
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

/// Removes journal files that do not belong to the store: those of the past, and one that never got its name.
pub(crate) fn remove_leftovers(disk: &dyn Disk, first: u64) -> io::Result<()> {
    remove_unnamed(disk)?;
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
pub(crate) fn adopt(disk: &dyn Disk, file: &dyn DiskFile, header: &Header) -> Result<(), AdoptError> {
    file.write_at(&header.encode(), 0).map_err(AdoptError::Undone)?;
    file.sync().map_err(AdoptError::Spoiled)?;
    disk.rename(UNNAMED, &path_of(header.number)).map_err(AdoptError::of_rename)?;
    match planted::is(Bug::SkipDirectorySync) {
        true => Ok(()),
        false => disk.sync_dir(DIR).map_err(AdoptError::Unknown),
    }
}

/// Why an unnamed file did not become part of the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdoptError {
    /// It did not, and may be tried again.
    #[error(transparent)]
    Undone(io::Error),
    /// It did not, and nothing is known of its bytes any more: another file must be made.
    #[error(transparent)]
    Spoiled(io::Error),
    /// It may have become a part of it.
    #[error(transparent)]
    Unknown(io::Error),
}

impl AdoptError {
    /// A rename is one step. These errors come before it; after others it may have been done.
    fn of_rename(error: io::Error) -> Self {
        use io::ErrorKind::{NotFound, OutOfMemory, PermissionDenied, ReadOnlyFilesystem};
        match error.kind() {
            NotFound => Self::Spoiled(error),
            PermissionDenied | ReadOnlyFilesystem | OutOfMemory => Self::Undone(error),
            _ if is_full(&error) || is_out_of_descriptors(&error) => Self::Undone(error),
            _ => Self::Unknown(error),
        }
    }
}

impl From<AdoptError> for io::Error {
    fn from(error: AdoptError) -> Self {
        match error {
            AdoptError::Undone(error) | AdoptError::Spoiled(error) | AdoptError::Unknown(error) => error,
        }
    }
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
    /// It could not be made; appends that need it are refused for this reason until it can.
    Failed(AppendError),
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

/// When the next file is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needed {
    Now,
    /// It is there.
    Later,
    /// The store is stopping.
    Never,
}

/// Whether there is a next file for a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reserved {
    /// It is kept for the round.
    Yes,
    /// It is not made yet.
    NotYet,
    /// It could not be made.
    Refused(AppendError),
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
    /// What the disk said. Appends that need the file are refused for this reason until another attempt succeeds.
    pub(crate) fn make(&self, disk: &dyn Disk, catalog: &Catalog) -> io::Result<()> {
        let mut inner = self.inner.lock();
        if !matches!(inner.state, SpareState::Missing | SpareState::Failed(_)) {
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
            Err(error) => (SpareState::Failed(refusal(&error)), Err(error)),
        };
        self.set(state);
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
            SpareState::Failed(reason) => {
                *state = SpareState::Failed(reason.clone());
                Reserved::Refused(reason)
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

    /// Waits until the file should be made: for `retry` if it could not be the last time, at most for `idle` if it is
    /// there.
    pub(crate) fn wait_needed(&self, retry: Duration, idle: Duration) -> Needed {
        let mut inner = self.inner.lock();
        let is_failed = matches!(inner.state, SpareState::Failed(_));
        if !inner.stopped && !matches!(inner.state, SpareState::Missing) {
            self.changed.wait_for(&mut inner, if is_failed { retry } else { idle });
        }
        match inner.state {
            _ if inner.stopped => Needed::Never,
            SpareState::Missing | SpareState::Failed(_) => Needed::Now,
            SpareState::Ready(_) | SpareState::Reserved(_) => Needed::Later,
        }
    }

    /// Makes the file that was kept part of the log. The next one may be made only after [`Spare::is_used`]: until
    /// this one and its manifest have their own names, both would have the same.
    pub(crate) fn adopt(&self, disk: &dyn Disk, header: &Header) -> Result<Next, AdoptError> {
        let next = match &self.inner.lock().state {
            SpareState::Reserved(next) => next.clone(),
            _ => unreachable!("a round that changes the file has reserved one"),
        };
        adopt(disk, &*next.journal, header).inspect_err(|error| match error {
            AdoptError::Spoiled(error) => self.set(SpareState::Failed(refusal(error))),
            AdoptError::Undone(_) => self.release(),
            AdoptError::Unknown(_) => {}
        })?;
        Ok(next)
    }

    /// The round that the file was kept for does not use it.
    pub(crate) fn release(&self) {
        let mut inner = self.inner.lock();
        inner.state = match std::mem::take(&mut inner.state) {
            SpareState::Reserved(next) => SpareState::Ready(next),
            other => other,
        };
    }

    fn set(&self, state: SpareState) {
        self.inner.lock().state = state;
        self.changed.notify_all();
    }

    /// The file that was kept is part of the log, and a manifest says so.
    pub(crate) fn is_used(&self) {
        self.set(SpareState::Missing);
    }

    /// Why the file could not be made at the last attempt.
    pub(crate) fn failure(&self) -> Option<AppendError> {
        match &self.inner.lock().state {
            SpareState::Failed(reason) => Some(reason.clone()),
            _ => None,
        }
    }

    /// Lets go of everyone who waits: the store is stopping.
    pub(crate) fn stop(&self) {
        self.inner.lock().stopped = true;
        self.changed.notify_all();
    }
}

/// Whether the system says that there is no room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Whether the process, or the system, has no descriptor left.
fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}

/// "Too many open files", in the system and in the process: the same numbers on every system this runs on.
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;

/// What an append is told that the journal has no place for now.
pub(crate) fn refusal(error: &io::Error) -> AppendError {
    match is_full(error) {
        true => AppendError::StorageFull,
        false => AppendError::Refusing(format!("the next journal file cannot be made: {error}")),
    }
}
