//! What makes the store go: six threads in production, single steps in a simulation.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;

use crate::append::{Queue, Request};
use crate::committer::{Committer, Handoff, Progress, Taken, Tallies};
use crate::error::{AppendError, OpenError, SealError};
use crate::journal::{Needed, Reserved, Spare, round_bytes, round_bytes_max};
use crate::lineage::Lineage;
use crate::manifest::Catalog;
use crate::options::{Durability, Options};
use crate::planted::{self, Bug};
use crate::platform::{Clock, Disk, DiskLock, Whereabouts};
use crate::position::Position;
use crate::sequencer::{Moment, Rotate, Round, Sequencer};
use crate::snapshot::Snapshots;
use crate::subscribe::Source;
use crate::subscribers::{self, Subscribers};
use crate::upkeep::{ALL, Upkeep, Work};
use crate::view::Store;
use crate::watermark::Watermark;

/// How long to wait before asking a full disk for room again.
const ROOM_RETRY: Duration = Duration::from_millis(250);

/// How often the store looks whether its folder is still there.
const LOOK_AROUND: Duration = Duration::from_secs(1);

/// How often those who wait for sealing, and the one who seals, look again without being told.
const STALL_LOOK: Duration = Duration::from_millis(50);
const UPKEEP_LOOK: Duration = Duration::from_millis(500);

/// One step of background work, for those who drive a store by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Decide what waits and build a round.
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
    /// Read some of the sealed files again.
    Scrub,
    /// Look at the next events, and take the snapshots that are due.
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

    /// What became of the store's folder, as of the last look.
    pub(crate) fn whereabouts(&self) -> Whereabouts {
        *self.whereabouts.lock()
    }

    /// Looks whether the store's folder is still there. Open files outlive their names: without this, appends would be
    /// acknowledged into a folder that was removed.
    fn look_around(&self) {
        let looked = self.lock.lock().as_ref().map(|lock| lock.whereabouts());
        // A look that fails says nothing; the next one is soon.
        let Some(Ok(whereabouts)) = looked else { return };
        *self.whereabouts.lock() = whereabouts;
        if whereabouts == Whereabouts::Removed {
            self.progress.fence("the store's folder, or its LOCK file, was removed".to_owned());
        }
    }

    /// Whether appends must wait until more is sealed.
    fn is_stalled(&self) -> bool {
        let layers = self.store.layers();
        layers.is_full() && layers.tails.last().is_some_and(|tail| tail.weight() >= self.options.seal_bytes)
    }
}

/// What must happen before a round can be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// The next journal file must be made.
    ForFile,
    /// What was frozen must be sealed.
    ForSealing,
}

/// The sequencer with the requests it has taken and could not place yet.
pub(crate) struct SequencerStep {
    pub(crate) sequencer: Sequencer,
    held: Vec<Request>,
    held_bytes: usize,
    /// Events were committed since the last mark.
    is_mark_due: bool,
}

impl SequencerStep {
    pub(crate) fn new(sequencer: Sequencer) -> Self {
        Self { sequencer, held: Vec::new(), held_bytes: 0, is_mark_due: true }
    }

    /// If a round was refused after it had been built, goes back to where the log really ends.
    fn rewind_if_due(&mut self, shared: &Shared) {
        let attempt = self.sequencer.attempt();
        if let Some((attempt, checkpoint)) = shared.progress.refusals.checkpoint_since(attempt) {
            let last = checkpoint.cursor.next_position - 1;
            self.sequencer.rewind(attempt, checkpoint, shared.store.tail().sequences_through(last));
            self.is_mark_due = true;
        }
    }

    /// Builds a round of what waits.
    fn sequence(&mut self, shared: &Shared) -> Result<Option<Round>, Wait> {
        self.rewind_if_due(shared);
        if self.held.is_empty() {
            let room = round_bytes_max(shared.journal_file_bytes);
            self.held_bytes = shared.queue.drain(room, &mut self.held);
        }
        if self.held.is_empty() {
            return Ok(shared.queue.take_freeze().then(|| self.sequencer.freeze()));
        }
        if let Some(reason) = shared.progress.fenced() {
            refuse(&mut self.held, &AppendError::Fenced(reason));
            return Ok(None);
        }
        if shared.is_stalled() {
            match shared.upkeep.refusal() {
                Some(reason) => refuse(&mut self.held, &reason),
                None => return Err(Wait::ForSealing),
            }
            return Ok(None);
        }
        let is_fitting = round_bytes(self.held_bytes) as u64 <= self.sequencer.cursor().room();
        let rotate = match if is_fitting { Reserved::Yes } else { shared.spare.reserve() } {
            Reserved::Yes if is_fitting => Rotate::No,
            Reserved::Yes => Rotate::To { file_bytes: shared.journal_file_bytes },
            Reserved::NotYet => return Err(Wait::ForFile),
            Reserved::Refused(reason) => {
                refuse(&mut self.held, &reason);
                return Ok(None);
            }
        };
        let watermark = shared.watermark.position();
        let layers = shared.store.layers();
        let (now, synced_through) = (shared.clock.now_micros(), synced_through(shared));
        let moment = Moment { watermark, now, synced_through, layers: &layers };
        let requests = std::mem::take(&mut self.held);
        let mut round = self.sequencer.sequence(requests, self.held_bytes, rotate, &moment);
        shared.progress.last_recorded_at.store(self.sequencer.last_recorded_at(), Ordering::Relaxed);
        self.is_mark_due = true;
        round.is_freeze = shared.queue.take_freeze();
        if planted::is(Bug::RefuseEarly) {
            let (refused, rest) = round.answers.into_iter().partition(|(_, answer)| answer.is_err());
            round.answers = rest;
            let refused: Vec<_> = refused;
            refused.into_iter().for_each(|(reply, answer)| drop(reply.send(answer)));
        }
        Ok(Some(round))
    }

    /// Builds a mark, if there is anything that lacks its proof.
    fn mark(&mut self, shared: &Shared) -> Option<Round> {
        self.rewind_if_due(shared);
        // Asking the sequencer takes a place in the log: it is asked only for a mark that will be written.
        std::mem::take(&mut self.is_mark_due).then(|| self.sequencer.mark()).flatten()
    }

    /// Refuses what is left when the store stops.
    fn abandon(&mut self) {
        refuse(&mut self.held, &AppendError::Fenced("the store was closed".to_owned()));
    }
}

fn refuse(requests: &mut Vec<Request>, error: &AppendError) {
    for request in requests.drain(..) {
        let _ = request.reply.send(Err(error.clone()));
    }
}

fn synced_through(shared: &Shared) -> Option<u64> {
    match shared.options.durability {
        Durability::Sync => None,
        Durability::Interval(_) | Durability::None => {
            Some(shared.progress.synced_through.load(Ordering::Acquire))
        }
    }
}

/// A store that somebody steps by hand.
pub(crate) struct ByHand {
    pub(crate) sequencer: SequencerStep,
    pub(crate) committer: Committer,
    /// The round that the committer has taken and not written yet.
    pub(crate) taken: Option<Round>,
}

impl ByHand {
    /// Takes one step. False: there was nothing to do.
    pub(crate) fn step(&mut self, shared: &Shared, step: Step) -> bool {
        if self.taken.is_none() && step != Step::Commit {
            self.taken = shared.handoff.try_take();
        }
        match step {
            Step::Sequence | Step::Mark if !shared.handoff.is_free() => false,
            Step::Sequence => {
                let round = self.sequencer.sequence(shared).unwrap_or(None);
                round.map(|round| shared.handoff.put(round)).is_some()
            }
            Step::Mark => self.sequencer.mark(shared).map(|round| shared.handoff.put(round)).is_some(),
            Step::Commit => {
                let round = self.taken.take().or_else(|| shared.handoff.try_take());
                let committed = round.map(|round| self.committer.commit(round)).is_some();
                shared.notify();
                committed
            }
            Step::Prepare => {
                shared.look_around();
                shared.spare.make(&*shared.disk, &shared.catalog).is_ok()
            }
            Step::Freeze => {
                shared.queue.ask_freeze();
                self.step(shared, Step::Sequence)
            }
            Step::Seal => shared.upkeep.seal(),
            Step::Merge => shared.upkeep.run(Work::Merge),
            Step::Index => shared.upkeep.run(Work::Index),
            Step::Scrub => shared.upkeep.run(Work::Scrub),
            Step::Snapshot => shared.upkeep.run(Work::Snapshots),
            Step::Reclaim => shared.upkeep.run(Work::Reclaim),
        }
    }

    /// Finishes what waits, as a close does.
    pub(crate) fn finish(&mut self, shared: &Shared) {
        loop {
            self.step(shared, Step::Prepare);
            // Only what stands in the way of an append is sealed by a close.
            if shared.is_stalled() {
                self.step(shared, Step::Seal);
            }
            let is_busy = self.step(shared, Step::Commit) | self.step(shared, Step::Sequence);
            if !is_busy && shared.queue.is_empty() {
                break;
            }
        }
        self.sequencer.abandon();
        let _ = shared.snapshots.write(true);
        self.step(shared, Step::Mark);
        self.step(shared, Step::Commit);
    }
}

/// A running thread, and what ends it once those before it have ended.
pub(crate) struct Thread {
    pub(crate) handle: JoinHandle<()>,
    pub(crate) stop: fn(&Shared),
}

/// Starts the threads of a store. They are stopped and joined in this order: each finishes what those before it left.
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

/// Belongs to a thread that the store cannot do without. If it panics, the store is fenced and whoever waits for
/// it, or for an append, is let go of.
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
                shared.spare.wait_made(STALL_LOOK);
                None
            }
            Err(Wait::ForSealing) => {
                let start = shared.clock.monotonic();
                shared.upkeep.sealed.wait(STALL_LOOK);
                let waited = shared.clock.monotonic().saturating_sub(start);
                let micros = u64::try_from(waited.as_micros()).unwrap_or(0);
                shared.tallies.stalled_micros.fetch_add(micros, Ordering::Relaxed);
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
    loop {
        let interval = match shared.options.durability {
            Durability::Interval(interval) => Some(interval),
            Durability::Sync | Durability::None => None,
        };
        if shared.handoff.is_free() {
            shared.queue.disk_is_idle();
        }
        match shared.handoff.take(interval.filter(|_| committer.unsynced.is_some())) {
            Taken::Value(round) => committer.commit(round),
            Taken::Nothing => committer.settle(interval.unwrap_or_default()),
            Taken::Closed => break,
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
        match shared.spare.wait_needed(ROOM_RETRY, LOOK_AROUND) {
            Needed::Now => {
                // Any failure is tried again; until then appends that need the file are refused for its reason.
                let _ = shared.spare.make(&*shared.disk, &shared.catalog);
            }
            Needed::Later => {}
            Needed::Never => break,
        }
        shared.look_around();
    }
}

fn run_sealer(shared: &Shared) {
    while shared.upkeep.frozen.wait(UPKEEP_LOOK) {
        // A failure is reported by the health of the store, and tried again after a rest.
        while shared.upkeep.seal() {}
    }
}

fn run_upkeep(shared: &Shared) {
    while shared.upkeep.grown.wait(UPKEEP_LOOK) {
        for work in ALL.into_iter().filter(|work| *work != Work::Seal) {
            // No task keeps the others waiting for long, however much it has to do.
            let start = shared.clock.monotonic();
            while shared.upkeep.run(work) && shared.clock.monotonic().saturating_sub(start) < UPKEEP_LOOK {}
        }
    }
    // What is not written is only slower to fold.
    let _ = shared.snapshots.write(true);
}

/// Has everything that is durable now sealed, and waits for it.
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
        if !shared.upkeep.sealed.wait(STALL_LOOK) || shared.watermark.is_closed() {
            return Err(SealError::Closed);
        }
    }
    Ok(Position::new(target))
}
