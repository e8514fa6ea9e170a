//! The store's public interface. It delegates to the parts of the store and owns its threads.

mod appending;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use uuid::Uuid;

use allsource_format::partition::key_hash;

use crate::compose::{Composed, compose};
use crate::drive::{self, ByHand, Shared, Step};
use crate::error::{FoldError, OpenError, ReadError, SealError};
use crate::event::{Entity, EventRef, Filter, TenantId, Timestamp};
use crate::fold::{AsOf, state_of};
use crate::journal::body_bytes_max;
use crate::lineage::{Cursor, CursorError, Incarnation};
use crate::open::Machine;
use crate::options::Options;
use crate::platform::{Clock, Disk, Entropy, LocalDisk, SystemClock, SystemEntropy};
use crate::position::{Position, Version};
use crate::query::Query;
use crate::read::{self, Events};
use crate::snapshot::{Cause, Snapshot};
use crate::state::State;
use crate::subscribe::{Start, Subscription};
use crate::tail::id_hash;
use crate::upkeep::TaskReport;
use crate::view::{Resident, View};
use crate::vitals::{Counters, Health, Stats};

/// An open store. Share it between threads behind an [`Arc`]; dropping it closes it.
pub struct Engine {
    shared: Arc<Shared>,
    entropy: Arc<dyn Entropy>,
    body_bytes_max: usize,
    threads: Mutex<Vec<drive::Thread>>,
    by_hand: Option<Mutex<ByHand>>,
}

impl Engine {
    /// Opens the store in a folder with the default options, creating it if there is none.
    ///
    /// # Errors
    /// When it is in use, damaged, of a newer release, or the system refuses.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::open_with(path, Options::default())
    }

    /// Opens the store in a folder, creating it if there is none.
    ///
    /// # Errors
    /// As [`Engine::open`], and when an option is out of range.
    pub fn open_with(path: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        let disk = Arc::new(LocalDisk::new(&path));
        let (clock, entropy) = (Arc::new(SystemClock::default()), Arc::new(SystemEntropy));
        Self::start(Machine { disk, path: path.as_ref().to_owned(), clock, entropy }, options)
    }

    /// Opens a store on any disk.
    ///
    /// # Errors
    /// As [`Engine::open_with`].
    pub fn open_on(
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        options: Options,
    ) -> Result<Self, OpenError> {
        Self::start(Machine { disk, path: PathBuf::from("store"), clock, entropy }, options)
    }

    fn start(machine: Machine, options: Options) -> Result<Self, OpenError> {
        let (mut engine, by_hand) = Self::over(machine, options)?;
        engine.threads = Mutex::new(drive::start(&engine.shared, by_hand.sequencer, by_hand.committer)?);
        Ok(engine)
    }

    /// Opens a store on any disk without starting threads: all work happens in [`Engine::step`]. For simulations.
    ///
    /// # Errors
    /// As [`Engine::open_with`].
    pub fn open_by_hand(
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        options: Options,
    ) -> Result<Self, OpenError> {
        let machine = Machine { disk, path: PathBuf::from("store"), clock, entropy };
        let (mut engine, by_hand) = Self::over(machine, options)?;
        engine.by_hand = Some(Mutex::new(by_hand));
        Ok(engine)
    }

    fn over(machine: Machine, options: Options) -> Result<(Self, ByHand), OpenError> {
        let Composed { shared, by_hand } = compose(&machine, options)?;
        let engine = Self {
            body_bytes_max: body_bytes_max(shared.journal_file_bytes),
            shared: Arc::new(shared),
            entropy: machine.entropy,
            threads: Mutex::default(),
            by_hand: None,
        };
        Ok((engine, by_hand))
    }

    fn view(&self) -> View {
        // The watermark first: the layers read after it hold every event up to it.
        let watermark = self.shared.watermark.position();
        View::new(watermark, self.shared.store.layers())
    }

    /// The events that match a query, found one by one. Events appended after this call are not among them.
    ///
    /// # Errors
    /// When the data is damaged.
    pub fn read(&self, query: &Query) -> Result<Events, ReadError> {
        Ok(Events::plan(self.view(), query))
    }

    /// The event with an id, if the tenant has it.
    ///
    /// # Errors
    /// When the data is damaged.
    pub fn event(&self, tenant: &TenantId, id: Uuid) -> Result<Option<EventRef>, ReadError> {
        let (tenant, id) = (tenant.as_str(), id.as_bytes());
        self.view().find_id(id_hash(tenant, id), tenant, id)
    }

    /// The version of an entity; `None`: it has no events.
    ///
    /// # Errors
    /// When the data is damaged.
    pub fn head(&self, entity: &Entity) -> Result<Option<Version>, ReadError> {
        let key = entity.key();
        Ok(self.view().head(key_hash(&key), &key)?.and_then(Version::new))
    }

    /// As [`Engine::event`], without reading a file.
    pub fn event_in_memory(&self, tenant: &TenantId, id: Uuid) -> Resident<Option<EventRef>> {
        self.view().resident_id(tenant.as_str(), id.as_bytes())
    }

    /// As [`Engine::head`], without reading a file.
    pub fn head_in_memory(&self, entity: &Entity) -> Resident<Option<Version>> {
        match self.view().resident_head(&entity.key()) {
            Resident::Known(head) => Resident::Known(head.and_then(Version::new)),
            Resident::NeedsFiles => Resident::NeedsFiles,
        }
    }

    /// How many events match a query, regardless of its limit. `None`: no index can tell without reading events.
    ///
    /// # Errors
    /// When the data is damaged.
    pub fn count(&self, query: &Query) -> Result<Option<u64>, ReadError> {
        read::count(&self.view(), query)
    }

    /// The first position whose event was recorded at or after a time; if there is none yet, the position that the next
    /// event gets. Positions and times of commit rise together, so a few looks find it.
    ///
    /// # Errors
    /// When the data is damaged.
    pub fn first_recorded_since(&self, time: Timestamp) -> Result<Position, ReadError> {
        read::first_recorded_since(&self.view(), time)
    }

    /// The state of an entity as of a moment; `None`: it had no events then. It takes memory for the state, whatever
    /// the length of the history.
    ///
    /// # Errors
    /// When the data is damaged or cannot be read now, or the events found do not fit their versions.
    pub fn fold(&self, entity: &Entity, as_of: AsOf) -> Result<Option<State>, FoldError> {
        self.fold_within(entity, as_of, &mut |_| true, None)
    }

    /// As [`Engine::fold`], under the caller's control. `room` is called often, with the bytes that the fold holds or is
    /// about to hold; once it returns false, the fold ends. `visit` gets the events from the first on, in the order of
    /// versions, until it returns false. Each is read once, and all belong to the state that is returned.
    ///
    /// # Errors
    /// As [`Engine::fold`]; [`FoldError::Stopped`] if `room` ended the fold.
    pub fn fold_within(
        &self,
        entity: &Entity,
        as_of: AsOf,
        room: &mut dyn FnMut(usize) -> bool,
        visit: Option<&mut dyn FnMut(&EventRef) -> bool>,
    ) -> Result<Option<State>, FoldError> {
        let snapshots = &self.shared.snapshots;
        let (state, folded) = state_of(self.view(), snapshots, entity, as_of, room, visit)?;
        if let Some(state) = state.as_ref().filter(|_| as_of == AsOf::Now) {
            snapshots.keep_if_due(entity, state, folded);
        }
        Ok(state)
    }

    /// Keeps the state of an entity as it is now, so that later folds begin there; `None`: it has no events. Snapshots are
    /// a cache: this one survives a clean close, and a crash once upkeep has written it with others.
    ///
    /// # Errors
    /// When the data is damaged or cannot be read now.
    pub fn snapshot(&self, entity: &Entity) -> Result<Option<Snapshot>, FoldError> {
        self.snapshot_within(entity, &mut |_| true)
    }

    /// As [`Engine::snapshot`], under the caller's control, as [`Engine::fold_within`] is.
    ///
    /// # Errors
    /// As [`Engine::snapshot`]; [`FoldError::Stopped`] if `room` ended the fold.
    pub fn snapshot_within(
        &self,
        entity: &Entity,
        room: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Option<Snapshot>, FoldError> {
        let snapshots = &self.shared.snapshots;
        let (state, _) = state_of(self.view(), snapshots, entity, AsOf::Now, room, None)?;
        Ok(state.map(|state| Snapshot::clone(&snapshots.keep(entity, Cause::Manual, state))))
    }

    /// The snapshots of a tenant, or of one entity, at most `limit`: of each entity the newest first. Also how many there
    /// are.
    pub fn snapshots(
        &self,
        tenant: &TenantId,
        entity: Option<&Entity>,
        limit: usize,
    ) -> (Vec<Arc<Snapshot>>, u64) {
        self.shared.snapshots.list(tenant, entity, limit)
    }

    /// The newest snapshot of an entity.
    pub fn latest_snapshot(&self, entity: &Entity) -> Option<Arc<Snapshot>> {
        self.latest_snapshot_within(entity, &mut |_| true)
    }

    /// As [`Engine::latest_snapshot`], but a snapshot in a file is read only if there `is_room` for its bytes.
    pub fn latest_snapshot_within(
        &self,
        entity: &Entity,
        is_room: &mut dyn FnMut(usize) -> bool,
    ) -> Option<Arc<Snapshot>> {
        let key = entity.key();
        self.shared.snapshots.find(key_hash(&key), &key, &|_| true, is_room)
    }

    /// Follows the log from some point on: first the stored events, then new ones.
    ///
    /// # Errors
    /// When the start lies beyond the end of the log, or in another history.
    pub fn subscribe(&self, start: Start, filter: Filter) -> Result<Subscription, CursorError> {
        Subscription::new(self.shared.source(), start, filter)
    }

    /// The cursor of a reader that has seen everything up to a position, and nothing if that is `None`.
    pub fn cursor(&self, position: Option<Position>) -> Cursor {
        self.shared.lineage.cursor(position.map_or(0, Position::value))
    }

    /// Checks a cursor and returns its position; `None`: it lies before the first event.
    ///
    /// # Errors
    /// When it lies beyond the end of the log, or in another history.
    pub fn check_cursor(&self, cursor: Cursor) -> Result<Option<Position>, CursorError> {
        self.shared.lineage.check(cursor, self.shared.watermark.position())
    }

    /// The incarnations that wrote the log, each with the first position it wrote, oldest first. The last is that of this
    /// opening.
    pub fn lineage(&self) -> Vec<(Incarnation, Position)> {
        self.shared.lineage.spans()
    }

    /// The incarnation that this opening of the store began.
    pub fn incarnation(&self) -> Incarnation {
        self.shared.lineage.current()
    }

    /// The highest durable position; `None`: the store is empty.
    pub fn watermark(&self) -> Option<Position> {
        Position::new(self.shared.watermark.position())
    }

    /// How much the store, or one of its tenants, holds.
    ///
    /// # Errors
    /// When the data is damaged.
    pub fn stats(&self, tenant: Option<&TenantId>) -> Result<Stats, ReadError> {
        Stats::of(&self.shared, tenant)
    }

    /// Whether the store works, and if not, why.
    pub fn health(&self) -> Health {
        Health::of(&self.shared)
    }

    /// The counters since it was opened.
    pub fn counters(&self) -> Counters {
        Counters::of(&self.shared)
    }

    /// The outcome of each task of upkeep since it was opened.
    pub fn upkeep(&self) -> Vec<TaskReport> {
        self.shared.upkeep.tasks.report()
    }

    /// The number of partitions.
    pub fn partitions(&self) -> u32 {
        self.shared.partitions
    }

    /// Seals everything that is durable now, moving it from memory and the journal into sealed files, and waits until that
    /// is done. The store also seals by itself as events accumulate.
    ///
    /// # Errors
    /// When sealing is not possible now. Nothing is lost, and the store keeps trying.
    pub fn seal(&self) -> Result<Option<Position>, SealError> {
        drive::seal(&self.shared)
    }

    /// Takes one step of a store opened with [`Engine::open_by_hand`]. False: there was nothing to do.
    pub fn step(&self, step: Step) -> bool {
        self.by_hand.as_ref().is_some_and(|by_hand| by_hand.lock().step(&self.shared, step))
    }

    /// Finishes the waiting appends, writes a mark, and releases the folder. Subscriptions end.
    pub fn close(&self) {
        self.shared.queue.close();
        if let Some(by_hand) = &self.by_hand {
            by_hand.lock().finish(&self.shared);
        }
        for thread in self.threads.lock().drain(..) {
            (thread.stop)(&self.shared);
            // A thread that panicked has already fenced the store; its result adds nothing.
            let _ = thread.handle.join();
        }
        self.shared.subscribers.close();
        *self.shared.lock.lock() = None;
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if self.by_hand.is_none() {
            self.close();
        }
    }
}
