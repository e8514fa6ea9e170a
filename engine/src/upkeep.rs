//! Upkeep: what keeps a store fit while it is used. Each piece of work is one step; a thread takes them in
//! production, a simulation one at a time.

mod seal;
mod merge;
mod snapshots;
mod scrub;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use allsource_format::StoreId;
use allsource_format::manifest::Generation as Entry;
use parking_lot::Mutex;

use crate::committer::Progress;
use crate::error::AppendError;
use crate::generation::{Access, WriteError, remove};
use crate::journal::{Spare, is_full};
use crate::manifest::{Catalog, PublishError};
use crate::platform::{Clock, Entropy};
use crate::signal::Signal;
use crate::snapshot::Snapshots;
use crate::view::Store;
use crate::watermark::Watermark;

pub(crate) use scrub::Scrub;

/// How long merging and writing indexes rest after an attempt that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(60);

/// Why a piece of upkeep was not done. It is tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpkeepError {
    /// The disk refused, or what was to be read is damaged.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The store is fenced.
    #[error("the store is fenced")]
    Fenced,
}

/// Why the last attempt to seal failed.
#[derive(Debug)]
pub(crate) struct Failed {
    reason: String,
    is_full: bool,
}

impl Failed {
    fn of(error: &UpkeepError) -> Self {
        let is_full = matches!(error, UpkeepError::Write(WriteError::Io(error)) if is_full(error));
        Self { reason: error.to_string(), is_full }
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
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) snapshots: Snapshots,
    /// A snapshot is due after so many events of an entity; 0: never.
    pub(crate) snapshot_events: u64,
    /// So much is read again; 0: nothing.
    pub(crate) scrub_bytes_per_second: u64,
    pub(crate) scrubbing: Mutex<Scrub>,
    /// Events up to this position were looked at for snapshots.
    pub(crate) followed: AtomicU64,
    /// Why the last attempt to seal failed, until one succeeds.
    pub(crate) failed: Mutex<Option<Failed>>,
    /// One seal at a time, and one change of what is sealed already: the two go on side by side, for a seal only adds
    /// to the end.
    pub(crate) sealing: Mutex<()>,
    /// Until when it rests after a failure.
    pub(crate) merging: Mutex<Option<Duration>>,
}

impl Upkeep {
    /// Why nothing is sealed at the moment, if that is so.
    pub(crate) fn failure(&self) -> Option<String> {
        self.failed.lock().as_ref().map(|failed| failed.reason.clone())
    }

    /// What appends are told that wait for sealing, if the last attempt failed.
    pub(crate) fn refusal(&self) -> Option<AppendError> {
        self.failed.lock().as_ref().map(|failed| match failed.is_full {
            true => AppendError::StorageFull,
            false => AppendError::Refusing(format!("events in memory cannot be sealed: {}", failed.reason)),
        })
    }

    /// Seals the oldest frozen tail. False: there is none.
    pub(crate) fn seal(&self) -> Result<bool, UpkeepError> {
        let _sealing = self.sealing.lock();
        let result = seal::seal(self);
        *self.failed.lock() = result.as_ref().err().map(Failed::of);
        self.sealed.raise();
        self.grown.raise();
        result
    }

    /// Merges generations, if there are enough of about one size. False: there are not.
    pub(crate) fn merge(&self) -> Result<bool, UpkeepError> {
        let mut rest = self.merging.lock();
        let now = self.clock.monotonic();
        if rest.is_some_and(|until| now < until) {
            return Ok(false);
        }
        // A merge that fails, over damage or for want of room, has read and written for nothing.
        let result = merge::merge(self);
        *rest = result.is_err().then(|| now + AFTER_FAILURE);
        if let Err(UpkeepError::Write(WriteError::Read(error))) = &result {
            self.access.damages.note(error);
        }
        result
    }

    /// Writes an index that had to be made anew in memory. False: there is none.
    pub(crate) fn write_index(&self) -> Result<bool, UpkeepError> {
        let mut rest = self.merging.lock();
        let now = self.clock.monotonic();
        if rest.is_some_and(|until| now < until) {
            return Ok(false);
        }
        let layers = self.store.layers();
        let Some(number) = layers.generations.iter().position(|generation| generation.is_index_missing())
        else {
            return Ok(false);
        };
        let Some(generation) = layers.generations.get(number) else { return Ok(false) };
        generation.write_index().inspect_err(|_| *rest = Some(now + AFTER_FAILURE))?;
        let whole = Arc::new(generation.reopened());
        self.store.change(|layers| {
            if let Some(place) = layers.generations.get_mut(number) {
                *place = whole;
            }
        });
        Ok(true)
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
