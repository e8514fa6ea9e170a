//! Upkeep: what keeps a store fit while it is used. Each piece of work is one step; a thread takes them in
//! production, a simulation one at a time.

mod retired;
mod seal;
mod merge;
mod snapshots;
mod scrub;
mod task;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use allsource_format::StoreId;
use allsource_format::manifest::Generation as Entry;
use parking_lot::Mutex;

use crate::committer::Progress;
use crate::error::{AppendError, ReadError};
use crate::generation::{Access, WriteError, remove};
use crate::journal::{Spare, is_full};
use crate::manifest::{Catalog, PublishError};
use crate::platform::Clock;
use crate::signal::Signal;
use crate::snapshot::Snapshots;
use crate::view::Store;
use crate::watermark::Watermark;

pub(crate) use retired::Retired;
pub(crate) use scrub::Scrub;
pub use task::TaskReport;
pub(crate) use task::{ALL, Tasks, Work};

/// Why a piece of upkeep was not done. It is tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpkeepError {
    /// The disk refused, or what was to be read is damaged.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// What was to be read cannot be.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The disk refused.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The store is fenced.
    #[error("the store is fenced")]
    Fenced,
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
    /// A tail was sealed, or could not be: for those who wait for that, and for the one who merges.
    pub(crate) sealed: Signal,
    pub(crate) grown: Signal,
    pub(crate) done: Done,
    pub(crate) watermark: Arc<Watermark>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) snapshots: Arc<Snapshots>,
    /// A snapshot is due after so many events of an entity; 0: never.
    pub(crate) snapshot_events: u64,
    /// So much is read again; 0: nothing.
    pub(crate) scrub_bytes_per_second: u64,
    pub(crate) scrubbing: Mutex<Scrub>,
    /// Events up to this position were looked at for snapshots.
    pub(crate) followed: AtomicU64,
    pub(crate) tasks: Tasks,
    pub(crate) retired: Retired,
    /// Held by whoever changes what is sealed already. A seal goes on beside that: it only adds to the end.
    pub(crate) changing: Mutex<()>,
}

/// Lives while a manifest is named and the view is swapped: a panic in between would leave readers with other files than
/// the manifest names, and nothing may be written after that.
struct Halfway<'a>(&'a Progress);

impl Drop for Halfway<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fence("a change of sealed files broke off half way".to_owned());
        }
    }
}

impl Upkeep {
    /// Why nothing is sealed at the moment, if that is so.
    pub(crate) fn failure(&self) -> Option<String> {
        self.tasks.error(Work::Seal)
    }

    /// What appends are told that wait for sealing, if the last attempt failed.
    pub(crate) fn refusal(&self) -> Option<AppendError> {
        let reason = self.failure()?;
        Some(match self.tasks.is_full(Work::Seal) {
            true => AppendError::StorageFull,
            false => AppendError::Refusing(format!("events in memory cannot be sealed: {reason}")),
        })
    }

    /// Seals the oldest frozen tail, and tells those who wait for it. False: there is none, or it failed.
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
        // One that cannot be rebuilt is an error of this task, for nobody else reports it.
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
            UpkeepError::Write(WriteError::Io(_)) | UpkeepError::Io(_) | UpkeepError::Fenced => {}
        }
    }

    /// Has a manifest name a new generation, then lets `swap` show it to readers. Returns the journal files that hold
    /// nothing else.
    fn publish(
        &self,
        entry: &Entry,
        change: impl FnOnce(&mut Vec<Entry>, &mut Vec<u64>),
        swap: impl FnOnce(),
    ) -> Result<Vec<u64>, UpkeepError> {
        let _halfway = Halfway(&self.progress);
        let retired = self.published(entry, self.catalog.publish(&*self.access.disk, change))?;
        swap();
        Ok(retired)
    }

    /// After a failure to publish that leaves it open which manifest counts, nothing may be written any more; if the one
    /// before counts for certain, the files of the generation that did not come to be are removed.
    fn published<T>(&self, entry: &Entry, result: Result<T, PublishError>) -> Result<T, UpkeepError> {
        result.map_err(|error| match error {
            PublishError::Unwritten(error) => {
                remove(&*self.access.disk, &entry.files().map(|file| file.name.clone()));
                UpkeepError::Write(error.into())
            }
            PublishError::Unknown(error) => {
                self.progress.fence(format!("writing a manifest failed: {error}"));
                UpkeepError::Fenced
            }
        })
    }

    /// Lets go of everyone who waits: the store is stopping.
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
