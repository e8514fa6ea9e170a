//! Journal files: their names, and how a new one becomes part of the log.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use allsource_format::journal::Header;
use parking_lot::{Condvar, Mutex};

use crate::error::{AppendError, Damage, OpenError};
use crate::manifest::{self, Catalog};
use crate::number::index;
use crate::planted::{self, Bug};
use crate::platform::{Disk, DiskFile, with_size};

/// The folder of journal files.
pub(crate) const DIR: &str = "journal";
/// The folder in which recovery keeps the bytes it cuts off.
pub(crate) const QUARANTINE: &str = "quarantine";
/// The next file before it has a number.
const UNNAMED: &str = "journal/spare.tmp";

/// The path of the journal file of this number.
pub(crate) fn path_of(number: u64) -> String {
    format!("{DIR}/{number:010}.jnl")
}

/// Turns a retired file into the unnamed next file. Its old frames cannot validate under another file number; it is
/// also filled with zeros, so that recovery does not report them as torn.
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

/// The numbers of the journal files, in ascending order. Files with other names are not the store's.
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

/// A place in the series of journal files.
pub(super) enum Item {
    /// A file that exists.
    File(u64),
    /// Files that do not, as damage.
    Missing(Damage),
}

/// The series of journal files from number `first` on, at least up to `last`: those of `present`, which ascend, and what
/// is missing before, between and after them. A gap is one item, however wide it is.
pub(super) fn series(present: &[u64], first: u64, last: u64) -> Vec<Item> {
    assert!(present.is_sorted(), "the numbers of journal files ascend");
    let mut items = Vec::new();
    let mut next = first;
    let missing = |from: u64, to: u64| match to - from {
        0 => None,
        1 => Some(Damage::new(path_of(from), 0, "the file is missing")),
        count => {
            let problem = format!("the file is missing, as are all {count} up to {}", path_of(to - 1));
            Some(Damage::new(path_of(from), 0, problem))
        }
    };
    for number in present.iter().copied().filter(|number| *number >= first) {
        items.extend(missing(next, number).map(Item::Missing));
        items.push(Item::File(number));
        next = number.saturating_add(1);
    }
    items.extend(missing(next, last.saturating_add(1).max(next)).map(Item::Missing));
    items
}

/// Removes journal files that do not belong to the store: retired ones, and one that was never named.
pub(crate) fn remove_leftovers(disk: &dyn Disk, first: u64) -> io::Result<()> {
    remove_unnamed(disk)?;
    let mut old = numbers(disk)?.into_iter().filter(|number| *number < first);
    old.try_for_each(|number| match disk.remove(&path_of(number)) {
        // A folder of such a name is not the store's.
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => Ok(()),
        removed => removed,
    })
}

fn remove_unnamed(disk: &dyn Disk) -> io::Result<()> {
    match disk.remove(UNNAMED) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The path of a journal file of the store that no longer has its name.
pub(crate) fn missing(disk: &dyn Disk, catalog: &Catalog) -> io::Result<Option<String>> {
    let needed = catalog.journals();
    let present = numbers(disk)?;
    let is_missing = |number: &u64| present.binary_search(number).is_err();
    let Some(missing) = needed.into_iter().find(is_missing) else { return Ok(None) };
    // The catalog forgets a file before the store removes it or gives it another name.
    Ok(catalog.journals().contains(&missing).then(|| path_of(missing)))
}

/// Whether there are journal files.
pub(crate) fn is_any(disk: &dyn Disk) -> Result<bool, OpenError> {
    let numbers = numbers(disk).map_err(|error| OpenError::io("list journal files", error))?;
    Ok(!numbers.is_empty())
}

/// Creates the unnamed next file: full length, all zero, durable. A leftover one is discarded, because it may hold
/// frames of an attempt that failed.
pub(crate) fn create_unnamed(disk: &dyn Disk, length: u64) -> io::Result<Arc<dyn DiskFile>> {
    remove_unnamed(disk)?;
    let file = disk.create(UNNAMED, length).map_err(|error| with_size(error, UNNAMED, length))?;
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
    /// It did not, and can be tried again.
    #[error(transparent)]
    Undone(io::Error),
    /// It did not, and its bytes are unknown: another file must be created.
    #[error(transparent)]
    Spoiled(io::Error),
    /// It may have become part of the log.
    #[error(transparent)]
    Unknown(io::Error),
}

impl AdoptError {
    /// A rename is atomic. These errors occur before it takes effect; after other errors it may have.
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

/// At most this many retired files are kept for reuse.
const RECYCLED_MAX: usize = 4;

/// The state of the next journal file.
#[derive(Default)]
enum SpareState {
    /// It does not exist, and must be created.
    #[default]
    Missing,
    /// It exists and is free.
    Ready(Next),
    /// It is reserved for a round that is being built.
    Reserved(Next),
    /// It could not be created; appends that need it are refused with this reason until it can.
    Failed(AppendError),
}

/// The next journal file, created ahead of need so that a full disk never tears a frame.
#[derive(Default)]
pub(crate) struct Spare {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Default)]
struct Inner {
    state: SpareState,
    /// Retired files, to be reused as the next one.
    retired: Vec<u64>,
    stopped: bool,
}

/// When the next file must be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needed {
    Now,
    /// It exists.
    Later,
    /// The store is stopping.
    Never,
}

/// Whether there is a next file for a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reserved {
    /// It is reserved for the round.
    Yes,
    /// It does not exist yet.
    NotYet,
    /// It could not be created.
    Refused(AppendError),
}

impl Spare {
    /// Takes retired journal files: a few are kept for reuse, the others are removed.
    pub(crate) fn recycle(&self, disk: &dyn Disk, numbers: Vec<u64>) {
        for number in numbers {
            let mut inner = self.inner.lock();
            if inner.retired.len() < RECYCLED_MAX {
                inner.retired.push(number);
            } else {
                drop(inner);
                // The next opening removes what cannot be removed now.
                let _ = disk.remove(&path_of(number));
            }
        }
    }

    /// Creates the file if it does not exist, and reserves room for the manifest that will name it.
    ///
    /// # Errors
    /// When the disk fails. Appends that need the file are refused with this reason until another attempt succeeds.
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

    /// Reserves the file for a round, if it exists.
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

    /// If the disk had no room for the file, refuses appends that need it until it can be created.
    pub(crate) fn refuse_if(&self, is_full: bool) {
        if is_full {
            self.set(SpareState::Failed(AppendError::StorageFull));
        }
    }

    /// Waits until the file exists or cannot be created, at most `timeout`: a store that is fenced never creates it.
    pub(crate) fn wait_made(&self, timeout: Duration) {
        let mut inner = self.inner.lock();
        if matches!(inner.state, SpareState::Missing | SpareState::Reserved(_)) && !inner.stopped {
            self.changed.wait_for(&mut inner, timeout);
        }
    }

    /// Waits until the file should be created: for `retry` after a failure, at most for `idle` if it exists.
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

    /// Makes the reserved file part of the log. The next one may be created only after [`Spare::is_used`]: until then this
    /// file and its manifest may still have the temporary names.
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

    /// Releases the file: the round it was reserved for does not use it.
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

    /// The reserved file is part of the log, and a manifest records it.
    pub(crate) fn is_used(&self) {
        self.set(SpareState::Missing);
    }

    /// Why the last attempt to create the file failed, if it did.
    pub(crate) fn failure(&self) -> Option<AppendError> {
        match &self.inner.lock().state {
            SpareState::Failed(reason) => Some(reason.clone()),
            _ => None,
        }
    }

    /// Releases all waiting threads: the store is stopping.
    pub(crate) fn stop(&self) {
        self.inner.lock().stopped = true;
        self.changed.notify_all();
    }
}

/// Whether the error says that the disk or a quota is full.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Whether the process or the system is out of descriptors.
fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}

/// "Too many open files", in the system and in the process: the same numbers on every system this runs on.
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;

/// The answer to an append that the journal cannot take now.
pub(crate) fn refusal(error: &io::Error) -> AppendError {
    match is_full(error) {
        true => AppendError::StorageFull,
        false => AppendError::Refusing(format!("the next journal file cannot be created: {error}")),
    }
}
