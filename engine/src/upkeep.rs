//! Upkeep: background maintenance of a store, split into small steps. Threads take them in production; a simulation takes
//! them one at a time.

mod retired;
mod seal;
mod merge;
mod snapshots;
mod check;
mod scrub;
mod task;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use allsource_format::StoreId;
use allsource_format::manifest::Generation as Entry;
use parking_lot::Mutex;

use crate::committer::Progress;
use crate::error::{AppendError, ReadError};
use crate::generation::{self, Access, Generation, WriteError};
use crate::journal::{self, Spare, is_full};
use crate::manifest::{self, Catalog, PublishError};
use crate::platform::{Clock, Disk};
use crate::signal::Signal;
use crate::snapshot::Snapshots;
use crate::view::Store;
use crate::watermark::Watermark;

pub(crate) use check::Unchecked;
pub(crate) use retired::Retired;
pub(crate) use scrub::Scrub;
pub use task::TaskReport;
pub(crate) use task::{ALL, Tasks, Work};

/// Why a step of upkeep failed. It is tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpkeepError {
    /// A generation could not be written, because the disk refused or its sources are damaged.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Sealed data cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The disk refused.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The store is fenced.
    #[error("the store is fenced")]
    Fenced,
    /// A folder of the store leads elsewhere or nowhere: the next opening would not find what is in the open one.
    #[error("{0} was removed or replaced while the store was open")]
    Misplaced(String),
}

/// A folder of the store whose name no longer leads to the folder that is open.
pub(crate) fn misplaced_folder(disk: &dyn Disk) -> io::Result<Option<String>> {
    for dir in [journal::DIR, manifest::DIR, generation::DIR] {
        if !disk.is_in_place(dir)? {
            return Ok(Some(format!("the folder {dir}")));
        }
    }
    Ok(None)
}

impl UpkeepError {
    fn is_full(&self) -> bool {
        matches!(self, Self::Write(WriteError::Io(error)) if is_full(error))
    }
}

/// Counts of what was done since the store was opened.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) seals: AtomicU64,
    pub(crate) merges: AtomicU64,
    pub(crate) sealed_bytes: AtomicU64,
    pub(crate) merged_bytes: AtomicU64,
    pub(crate) scrubbed_bytes: AtomicU64,
}

/// Everything upkeep works on.
pub(crate) struct Upkeep {
    pub(crate) access: Access,
    pub(crate) store_id: StoreId,
    pub(crate) epoch: u64,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) store: Arc<Store>,
    pub(crate) spare: Arc<Spare>,
    pub(crate) progress: Arc<Progress>,
    /// A tail was frozen.
    pub(crate) frozen: Arc<Signal>,
    /// A tail was sealed, or sealing failed: wakes waiting appends.
    pub(crate) sealed: Signal,
    pub(crate) grown: Signal,
    pub(crate) done: Done,
    pub(crate) watermark: Arc<Watermark>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) snapshots: Arc<Snapshots>,
    /// A snapshot is due after this many events of an entity; 0: never.
    pub(crate) snapshot_events: u64,
    pub(crate) unchecked: Mutex<Unchecked>,
    /// The rate of scrubbing; 0: off.
    pub(crate) scrub_bytes_per_second: u64,
    pub(crate) scrubbing: Mutex<Scrub>,
    /// Events up to this position were followed for snapshots.
    pub(crate) followed: AtomicU64,
    pub(crate) tasks: Tasks,
    pub(crate) retired: Retired,
    /// Held while existing generations are changed. Sealing does not take it: it only appends a generation.
    pub(crate) changing: Mutex<()>,
}

/// Guards the steps between naming a manifest and swapping the view. A panic in between leaves readers with files other
/// than those in the manifest, so it fences the store.
struct Halfway<'a>(&'a Progress);

impl Drop for Halfway<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fence("a change of sealed files broke off half way".to_owned());
        }
    }
}

impl Upkeep {
    /// Why the last attempt to seal failed, if it did.
    pub(crate) fn failure(&self) -> Option<String> {
        self.tasks.error(Work::Seal)
    }

    /// The error for appends that wait for sealing, if the last attempt failed.
    pub(crate) fn refusal(&self) -> Option<AppendError> {
        let reason = self.failure()?;
        Some(match self.tasks.is_full(Work::Seal) {
            true => AppendError::StorageFull,
            false => AppendError::Refusing(format!("events in memory cannot be sealed: {reason}")),
        })
    }

    /// Seals the oldest frozen tail, and wakes those waiting for it. False: there is none, or it failed.
    pub(crate) fn seal(&self) -> bool {
        let is_sealed = self.run(Work::Seal);
        self.sealed.raise();
        self.grown.raise();
        is_sealed
    }

    /// Writes an index that was rebuilt in memory. False: there is none.
    fn write_index(&self) -> Result<bool, UpkeepError> {
        let _changing = self.changing.lock();
        let layers = self.store.layers();
        // An index that cannot be rebuilt is an error of this task: nothing else reports it.
        let failure = layers.generations.iter().find_map(|generation| generation.rebuild_failure());
        let Some(number) = layers.generations.iter().position(|generation| generation.is_index_missing())
        else {
            return failure.map_or(Ok(false), |error| Err(error.into()));
        };
        let Some(generation) = layers.generations.get(number) else { return Ok(false) };
        generation.write_index()?;
        let whole = Arc::new(generation.reopened());
        self.store.change(|layers| {
            if let Some(place) = layers.generations.get_mut(number) {
                *place = whole;
            }
        });
        Ok(true)
    }

    /// Remembers damage that a task met.
    fn note(&self, error: &UpkeepError) {
        match error {
            UpkeepError::Read(error) | UpkeepError::Write(WriteError::Read(error)) => {
                self.access.damages.note(error);
            }
            UpkeepError::Write(WriteError::Io(_) | WriteError::Misplaced(_))
            | UpkeepError::Io(_)
            | UpkeepError::Fenced
            | UpkeepError::Misplaced(_) => {}
        }
    }

    /// Publishes a manifest with a new generation, then has `swap` show it to readers. Returns the journal files that are
    /// no longer needed.
    fn publish(
        &self,
        generation: &Generation,
        change: impl FnOnce(&mut Vec<Entry>, &mut Vec<u64>),
        swap: impl FnOnce(),
    ) -> Result<Vec<u64>, UpkeepError> {
        if let Some(folder) = misplaced_folder(&*self.access.disk).inspect_err(|_| generation.replace())? {
            generation.replace();
            return Err(UpkeepError::Misplaced(folder));
        }
        let _halfway = Halfway(&self.progress);
        let retired = self.published(generation, self.catalog.publish(&*self.access.disk, change))?;
        swap();
        Ok(retired)
    }

    /// Handles a failure to publish. If it is unknown which manifest counts, the store is fenced; if the previous one
    /// certainly counts, the files of the new generation are removed.
    fn published<T>(
        &self,
        generation: &Generation,
        result: Result<T, PublishError>,
    ) -> Result<T, UpkeepError> {
        result.map_err(|error| match error {
            PublishError::Unwritten(error) => {
                generation.replace();
                UpkeepError::Write(error.into())
            }
            PublishError::Unknown(error) => {
                self.progress.fence(format!("writing a manifest failed: {error}"));
                UpkeepError::Fenced
            }
        })
    }

    /// Wakes all waiters: the store is stopping.
    pub(crate) fn stop(&self) {
        self.frozen.stop();
        self.sealed.stop();
        self.grown.stop();
    }

    fn check_not_fenced(&self) -> Result<(), UpkeepError> {
        match self.progress.fenced() {
            Some(_) => Err(UpkeepError::Fenced),
            None => Ok(()),
        }
    }
}

fn count(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}
