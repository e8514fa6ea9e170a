//! Assembles an open store from its parts.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::append::Queue;
use crate::committer::{Committer, Handoff, Progress, Tallies};
use crate::drive::{ByHand, SequencerStep, Shared};
use crate::error::OpenError;
use crate::generation::{Access, Damages, Generation};
use crate::journal::{Current, Spare};
use crate::lineage::Lineage;
use crate::manifest::Catalog;
use crate::open::{Opened, open};
use crate::options::Options;
use crate::platform::{Clock, Disk, Entropy, Whereabouts};
use crate::sealed::OpenFiles;
use crate::sequencer::{Checkpoint, Sequencer};
use crate::signal::Signal;
use crate::snapshot::{Context, Snapshots};
use crate::subscribers::Subscribers;
use crate::upkeep::{Done, Retired, Tasks, Upkeep};
use crate::view::Store;
use crate::watermark::Watermark;

/// An open store whose work has not started yet.
pub(crate) struct Composed {
    pub(crate) shared: Shared,
    pub(crate) by_hand: ByHand,
}

/// Opens the store on a disk, creating it if there is none.
pub(crate) fn compose(
    disk: Arc<dyn Disk>,
    path: &Path,
    clock: Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
    options: Options,
) -> Result<Composed, OpenError> {
    let Opened { lock, manifest, journals, tail, last_recorded_at, cursor, file } =
        open(&*disk, path, &*clock, &**entropy, &options)?;
    let (partitions, journal_file_bytes) = (manifest.partitions, manifest.journal_file_bytes);
    let (watermark, progress) = (Arc::new(Watermark::default()), Arc::new(Progress::after(last_recorded_at)));
    let spare = Arc::new(Spare::default());
    let last = cursor.next_position - 1;
    watermark.publish(last);
    progress.synced_through.store(cursor.log_offset, Ordering::Release);
    let access = access(&disk, &clock, &options, partitions);
    let generations = manifest.generations.iter();
    let generations =
        generations.map(|entry| Arc::new(Generation::new(entry.clone(), access.clone()))).collect();
    let sequences = tail.sequences_through(last);
    let store = Arc::new(Store::new(generations, tail));
    let epoch = cursor.header.epoch;
    let lineage = Arc::new(Lineage::of(&manifest.lineage));
    let catalog = Arc::new(Catalog::new(manifest, journals));
    let tallies = Arc::new(Tallies::default());
    let current = Arc::new(Current::new(cursor.header.number, Arc::clone(&file)));
    let committer = Committer {
        disk: Arc::clone(&disk),
        clock: Arc::clone(&clock),
        current: Arc::clone(&current),
        file,
        spare: Arc::clone(&spare),
        catalog: Arc::clone(&catalog),
        durability: options.durability,
        seal_bytes: options.seal_bytes,
        tail: store.tail(),
        store: Arc::clone(&store),
        frozen: Arc::new(Signal::default()),
        watermark: Arc::clone(&watermark),
        progress: Arc::clone(&progress),
        tallies: Arc::clone(&tallies),
        committed: Checkpoint { cursor: cursor.clone(), last_recorded_at },
        unclean: None,
        unrecorded: None,
        unsynced: None,
    };
    let upkeep = upkeep(&committer, access, epoch, entropy, &options, &lineage);
    let sequencer = SequencerStep::new(Sequencer::new(cursor, last_recorded_at, sequences));
    let (queue, handoff) = (Queue::bounded(options.queue_bytes), Handoff::default());
    let shared = Shared {
        disk,
        clock,
        options,
        lineage,
        partitions,
        journal_file_bytes,
        catalog,
        snapshots: Arc::clone(&upkeep.snapshots),
        upkeep,
        queue,
        spare,
        store,
        subscribers: Arc::new(Subscribers::new(Arc::clone(&watermark))),
        watermark,
        progress,
        tallies,
        handoff,
        current,
        lock: Mutex::new(Some(lock)),
        whereabouts: Mutex::new(Whereabouts::InPlace),
    };
    Ok(Composed { shared, by_hand: ByHand { sequencer, committer, taken: None } })
}

/// How the sealed files of a store are read.
fn access(disk: &Arc<dyn Disk>, clock: &Arc<dyn Clock>, options: &Options, partitions: u32) -> Access {
    Access {
        disk: Arc::clone(disk),
        clock: Arc::clone(clock),
        mode: options.read_mode,
        partitions,
        damages: Arc::new(Damages::default()),
        open_files: Arc::new(OpenFiles::at_most(options.open_files)),
        holders: options.holders.clone(),
    }
}

/// The upkeep of the store that a committer writes to.
fn upkeep(
    committer: &Committer,
    access: Access,
    epoch: u64,
    entropy: &Arc<dyn Entropy>,
    options: &Options,
    lineage: &Arc<Lineage>,
) -> Upkeep {
    let store_id = committer.catalog.manifest().store;
    let context = Context {
        disk: Arc::clone(&access.disk),
        mode: options.read_mode,
        store: store_id,
        epoch,
        lineage: Arc::clone(lineage),
        open_files: Arc::clone(&access.open_files),
        clock: Arc::clone(&access.clock),
        entropy: Arc::clone(entropy),
        due_events: options.snapshot_events,
    };
    Upkeep {
        snapshots: Arc::new(Snapshots::open(context)),
        access,
        store_id,
        epoch,
        catalog: Arc::clone(&committer.catalog),
        followed: AtomicU64::new(committer.store.layers().sealed_position()),
        store: Arc::clone(&committer.store),
        spare: Arc::clone(&committer.spare),
        progress: Arc::clone(&committer.progress),
        frozen: Arc::clone(&committer.frozen),
        sealed: Signal::default(),
        grown: Signal::default(),
        done: Done::default(),
        watermark: Arc::clone(&committer.watermark),
        clock: Arc::clone(&committer.clock),
        snapshot_events: options.snapshot_events,
        scrub_bytes_per_second: options.scrub_bytes_per_second,
        scrubbing: Mutex::default(),
        tasks: Tasks::default(),
        retired: Retired::default(),
        changing: Mutex::default(),
    }
}
