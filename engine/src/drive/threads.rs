//! The threads of a store, each a loop around one step.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::sequencing::Wait;
use super::{STALL_CHECK, SequencerStep, Shared};
use crate::committer::{Committer, Taken};
use crate::error::OpenError;
use crate::journal::Needed;
use crate::number::micros;
use crate::options::Durability;
use crate::upkeep::{ALL, Work};

/// How long the preparer waits after a failure before it tries to make the next journal file again.
const ROOM_RETRY: Duration = Duration::from_millis(250);

/// How often the store checks that its folder is still there.
const FOLDER_CHECK: Duration = Duration::from_secs(1);

/// How often upkeep and the sealer check for work without a signal.
const UPKEEP_CHECK: Duration = Duration::from_millis(500);

/// A running thread, and how to stop it once those before it have ended.
pub(crate) struct Thread {
    pub(crate) handle: JoinHandle<()>,
    pub(crate) stop: fn(&Shared),
}

/// Starts the threads of a store. They are stopped and joined in this order: each finishes the work of those before it.
pub(crate) fn start(
    shared: &Arc<Shared>,
    sequencer: SequencerStep,
    committer: Committer,
) -> Result<Vec<Thread>, OpenError> {
    let spawn = |name: &str, stop: fn(&Shared), run: Box<dyn FnOnce(&Shared) + Send>| {
        let watched = Watched(Arc::clone(shared));
        let thread = thread::Builder::new().name(format!("allsource-{name}")).spawn(move || run(&watched.0));
        let handle = thread.map_err(|error| OpenError::io(format!("start the {name} thread"), error))?;
        Ok::<Thread, OpenError>(Thread { handle, stop })
    };
    let ends_by_itself: fn(&Shared) = |_| {};
    Ok(vec![
        spawn("sequencer", ends_by_itself, Box::new(move |shared| run_sequencer(shared, sequencer)))?,
        spawn("committer", ends_by_itself, Box::new(move |shared| run_committer(shared, committer)))?,
        spawn("preparer", |shared| shared.spare.stop(), Box::new(run_preparer))?,
        spawn("sealer", |shared| shared.upkeep.stop(), Box::new(run_sealer))?,
        spawn("upkeep", ends_by_itself, Box::new(run_upkeep))?,
        spawn("notifier", |shared| shared.subscribers.close(), Box::new(run_notifier))?,
    ])
}

/// Guards a thread that the store depends on. If the thread panics, the guard fences the store and releases all who wait
/// for the thread or for an append.
struct Watched(Arc<Shared>);

impl Drop for Watched {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.progress.fence("a thread of the engine panicked".to_owned());
            self.0.queue.abandon();
            self.0.handoff.close();
            drop(self.0.handoff.try_take());
            self.0.spare.stop();
            self.0.upkeep.stop();
        }
    }
}

fn run_sequencer(shared: &Shared, mut step: SequencerStep) {
    loop {
        let marks = step.is_mark_due && shared.options.durability != Durability::None;
        if step.held.is_empty() && !shared.queue.wait(marks.then_some(shared.options.mark_after)) {
            break;
        }
        let is_idle = step.held.is_empty() && shared.queue.is_empty();
        let round = match step.sequence(shared) {
            Ok(None) if is_idle => step.mark(shared),
            Ok(round) => round,
            Err(Wait::ForFile) => {
                shared.spare.wait_made(STALL_CHECK);
                None
            }
            Err(Wait::ForSealing) => {
                let start = shared.clock.monotonic();
                shared.upkeep.sealed.wait(STALL_CHECK);
                let waited = shared.clock.monotonic().saturating_sub(start);
                shared.tallies.stalled_micros.fetch_add(micros(waited), Ordering::Relaxed);
                None
            }
        };
        if let Some(round) = round {
            shared.queue.disk_is_busy();
            shared.handoff.put(round);
        }
    }
    step.abandon();
    if let Some(round) = step.mark(shared) {
        shared.handoff.put(round);
    }
    shared.handoff.close();
}

fn run_committer(shared: &Shared, mut committer: Committer) {
    let interval = match shared.options.durability {
        Durability::Interval(interval) => Some(interval),
        Durability::Sync | Durability::None => None,
    };
    loop {
        if shared.handoff.is_free() {
            shared.queue.disk_is_idle();
        }
        let timeout = interval.filter(|_| committer.unsynced.is_some());
        match (shared.handoff.take(timeout), timeout) {
            (Taken::Value(round), _) => committer.commit(round),
            (Taken::Nothing, Some(interval)) => committer.settle(interval),
            (Taken::Nothing, None) => unreachable!("a wait without a timeout ends with a value"),
            (Taken::Closed, _) => break,
        }
    }
    committer.settle(Duration::ZERO);
    shared.subscribers.close();
}

fn run_notifier(shared: &Shared) {
    shared.subscribers.run(|| shared.store.layers(), || shared.clock.monotonic());
}

fn run_preparer(shared: &Shared) {
    loop {
        match shared.spare.wait_needed(ROOM_RETRY, FOLDER_CHECK) {
            Needed::Now => {
                // A failure is retried; until then, appends that need the file are refused with its reason.
                let _ = shared.spare.make(&*shared.disk, &shared.catalog);
            }
            Needed::Later => {}
            Needed::Never => break,
        }
        shared.look_around();
    }
}

fn run_sealer(shared: &Shared) {
    while shared.upkeep.frozen.wait(UPKEEP_CHECK) {
        // A failure appears in the store's health and is retried after a rest.
        while shared.upkeep.seal() {}
    }
}

fn run_upkeep(shared: &Shared) {
    while shared.upkeep.grown.wait(UPKEEP_CHECK) {
        for work in ALL.into_iter().filter(|work| *work != Work::Seal) {
            // A task with much to do must not keep the others waiting.
            let start = shared.clock.monotonic();
            while shared.upkeep.run(work) && shared.clock.monotonic().saturating_sub(start) < UPKEEP_CHECK {}
        }
    }
    // A snapshot that is lost here only makes later folds slower.
    let _ = shared.snapshots.write(true);
}
