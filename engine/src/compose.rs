//! Assembles an open store from its parts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use allsource_format::StoreId;
use parking_lot::Mutex;

use crate::append::Queue;
use crate::committer::{Committer, Handoff, Progress, Tallies};
use crate::drive::{ByHand, SequencerStep, Shared};
use crate::error::OpenError;
use crate::generation::{Access, Damages, Generation};
use crate::journal::{Current, Spare};
use crate::lineage::Lineage;
use crate::manifest::Catalog;
use crate::open::{Machine, Opened, open};
use crate::options::Options;
use crate::platform::Whereabouts;
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

/// Opens the store on a machine, creating it if there is none.
pub(crate) fn compose(machine: &Machine, options: Options) -> Result<Composed, OpenError> {
    let opened = open(machine, &options)?;
    let Opened { lock, manifest, journals, tail, last_recorded_at, cursor, file, is_without_room } = opened;
    let (partitions, journal_file_bytes, store_id) =
        (manifest.partitions, manifest.journal_file_bytes, manifest.store);
    let (watermark, progress) = (Arc::new(Watermark::default()), Arc::new(Progress::after(last_recorded_at)));
    let spare = Arc::new(Spare::default());
    spare.refuse_if(is_without_room);
    let last = cursor.next_position - 1;
    watermark.publish(last);
    progress.synced_through.store(cursor.log_offset, Ordering::Release);
    let access = access(machine, &options, partitions);
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
        disk: Arc::clone(&machine.disk),
        clock: Arc::clone(&machine.clock),
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
    let of_store = OfStore { store: store_id, epoch, lineage: Arc::clone(&lineage) };
    let snapshots = Snapshots::open(context(machine, &access, of_store, options.snapshot_events));
    let upkeep = upkeep(&committer, access, snapshots, &options);
    let sequencer = SequencerStep::new(Sequencer::new(cursor, last_recorded_at, sequences));
    let (queue, handoff) = (Queue::bounded(options.queue_bytes), Handoff::default());
    let shared = Shared {
        disk: Arc::clone(&machine.disk),
        clock: Arc::clone(&machine.clock),
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
fn access(machine: &Machine, options: &Options, partitions: u32) -> Access {
    Access {
        disk: Arc::clone(&machine.disk),
        clock: Arc::clone(&machine.clock),
        mode: options.read_mode,
        partitions,
        damages: Arc::new(Damages::default()),
        open_files: Arc::new(OpenFiles::at_most(options.open_files)),
        holders: options.holders.clone(),
    }
}

/// What new snapshots say of the store that they are taken from.
struct OfStore {
    store: StoreId,
    epoch: u64,
    lineage: Arc<Lineage>,
}

/// Where the snapshots of a store are, and how they are read.
fn context(machine: &Machine, access: &Access, of: OfStore, due_events: u64) -> Context {
    let OfStore { store, epoch, lineage } = of;
    Context {
        disk: Arc::clone(&machine.disk),
        mode: access.mode,
        store,
        epoch,
        lineage,
        open_files: Arc::clone(&access.open_files),
        clock: Arc::clone(&machine.clock),
        entropy: Arc::clone(&machine.entropy),
        due_events,
    }
}

/// The upkeep of the store that a committer writes to.
fn upkeep(committer: &Committer, access: Access, snapshots: Snapshots, options: &Options) -> Upkeep {
    Upkeep {
        snapshots: Arc::new(snapshots),
        access,
        store_id: committer.catalog.manifest().store,
        epoch: committer.committed.cursor.header.epoch,
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
        unchecked: Mutex::default(),
        scrubbing: Mutex::default(),
        tasks: Tasks::default(),
        retired: Retired::default(),
        changing: Mutex::default(),
    }
}
