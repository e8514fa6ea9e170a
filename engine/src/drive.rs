//! Drives the store: with six threads in production, in single steps in a simulation.

mod sequencing;
mod by_hand;
mod threads;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::append::Queue;
use crate::committer::{Handoff, Progress, Tallies};
use crate::error::SealError;
use crate::journal::{self, Current, Spare};
use crate::lineage::Lineage;
use crate::manifest::Catalog;
use crate::options::Options;
use crate::platform::{Clock, Disk, DiskLock, Whereabouts};
use crate::position::Position;
use crate::sequencer::Round;
use crate::snapshot::Snapshots;
use crate::subscribe::Source;
use crate::subscribers::{self, Subscribers};
use crate::upkeep::{Upkeep, misplaced_folder};
use crate::view::Store;
use crate::watermark::Watermark;

pub(crate) use by_hand::ByHand;
pub(crate) use sequencing::SequencerStep;
pub(crate) use threads::{Thread, start};

/// How often a thread that waits for sealing checks again without a signal.
const STALL_CHECK: Duration = Duration::from_millis(50);

/// One step of background work, for those who drive a store by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Decide the waiting appends and build a round.
    Sequence,
    /// Write the round that was built, make it durable, answer.
    Commit,
    /// Build a mark.
    Mark,
    /// Make the next journal file.
    Prepare,
    /// Freeze what is in memory, so that it can be sealed.
    Freeze,
    /// Seal what was frozen first.
    Seal,
    /// Merge generations, if there are enough of one size.
    Merge,
    /// Write an index that had to be rebuilt.
    Index,
    /// Check once that the sealed files are there.
    Check,
    /// Read some of the sealed files again.
    Scrub,
    /// Follow the next events, and take the snapshots that are due.
    Snapshot,
    /// Remove the files, and give back the memory, that no reader needs any more.
    Reclaim,
}

/// What the store's threads share.
pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) options: Options,
    pub(crate) lineage: Arc<Lineage>,
    pub(crate) partitions: u32,
    pub(crate) journal_file_bytes: u64,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) upkeep: Upkeep,
    pub(crate) snapshots: Arc<Snapshots>,
    pub(crate) queue: Queue,
    pub(crate) spare: Arc<Spare>,
    pub(crate) store: Arc<Store>,
    pub(crate) watermark: Arc<Watermark>,
    pub(crate) subscribers: Arc<Subscribers>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) tallies: Arc<Tallies>,
    pub(crate) handoff: Handoff<Round>,
    /// The journal file that is being written.
    pub(crate) current: Arc<Current>,
    /// Keeps everyone else out; `None`: the store is closed.
    pub(crate) lock: Mutex<Option<Box<dyn DiskLock>>>,
    pub(crate) whereabouts: Mutex<Whereabouts>,
}

impl Shared {
    /// What subscriptions read from.
    pub(crate) fn source(&self) -> Source {
        Source {
            store: Arc::clone(&self.store),
            subscribers: Arc::clone(&self.subscribers),
            lineage: Arc::clone(&self.lineage),
            clock: Arc::clone(&self.clock),
        }
    }

    /// Wakes subscribers, where no thread does it.
    fn notify(&self) {
        self.subscribers.advance(|| subscribers::in_memory(self.store.layers()));
        self.subscribers.remind(self.clock.monotonic());
    }

    /// Where the store's folder is, as of the last check.
    pub(crate) fn whereabouts(&self) -> Whereabouts {
        *self.whereabouts.lock()
    }

    /// Checks that the store's folder, and what is needed in it, still exist. Open files outlive their names: without this
    /// check, appends would be acknowledged into a folder, or a journal file, that was removed.
    fn look_around(&self) {
        let looked = self.lock.lock().as_ref().map(|lock| lock.whereabouts());
        // A check that fails decides nothing; the next one follows soon.
        let Some(Ok(whereabouts)) = looked else { return };
        *self.whereabouts.lock() = whereabouts;
        if whereabouts == Whereabouts::Removed {
            self.progress.fence("the store's folder, or its LOCK file, was removed".to_owned());
        } else if let Ok(Some(path)) = self.misplaced() {
            self.progress.fence(format!("{path} was removed or replaced while the store was open"));
        }
    }

    /// A folder of the store, or a journal file, whose name leads elsewhere or nowhere.
    fn misplaced(&self) -> io::Result<Option<String>> {
        let disk = &*self.disk;
        if let Some(part) = misplaced_folder(disk)?.or(self.current.misplaced(disk)?) {
            return Ok(Some(part));
        }
        journal::missing(disk, &self.catalog)
    }

    /// Whether appends must wait until more is sealed.
    fn is_stalled(&self) -> bool {
        let layers = self.store.layers();
        layers.is_full() && layers.tails.last().is_some_and(|tail| tail.weight() >= self.options.seal_bytes)
    }
}

/// Requests that everything durable now be sealed, and waits for it.
pub(crate) fn seal(shared: &Shared) -> Result<Option<Position>, SealError> {
    let target = shared.watermark.position();
    while shared.store.layers().sealed_position() < target {
        if let Some(reason) = shared.progress.fenced() {
            return Err(SealError::Fenced(reason));
        }
        if let Some(reason) = shared.upkeep.failure() {
            return Err(SealError::Failed(reason));
        }
        shared.queue.ask_freeze();
        if !shared.upkeep.sealed.wait(STALL_CHECK) || shared.watermark.is_closed() {
            return Err(SealError::Closed);
        }
    }
    Ok(Position::new(target))
}
