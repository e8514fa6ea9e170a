//! The one door to the engine. What memory knows is answered at once; whatever may read a file runs on a worker
//! thread, and stops once nobody waits for it.

mod error;
mod workers;
mod look;
mod following;
mod vitals;

use std::sync::Arc;
use std::time::Duration;

use allsource_engine::error::AppendError;
use allsource_engine::event::{Entity, EventRef, Filter, TenantId, Timestamp};
use allsource_engine::platform::{Clock, SystemClock};
use allsource_engine::{
    Batch, Commit, Cursor, CursorError, Engine, Health, Incarnation, LookUp, Position, Resident, SealError,
    Start, Stats, TaskReport, Version,
};
use tokio::time::Instant;
use uuid::Uuid;

use vitals::Shared;
use workers::Workers;

pub use error::Error;
pub use following::Following;
pub use look::{Events, Look};
pub use vitals::Vitals;

/// Look-ups of appends and of single events that run at once.
const LOOK_UPS_MAX: usize = 32;
/// Reads of any length that run at once.
const READS_MAX: usize = 32;
/// Callers that wait at once for everything to be sealed.
const SEALS_MAX: usize = 4;

/// The store as the server sees it. Clones are handles to the same store.
#[derive(Clone)]
pub struct Store {
    engine: Arc<Engine>,
    look_ups: Workers,
    reads: Workers,
    seals: Workers,
    shared: Arc<Shared>,
}

impl Store {
    /// The store over an open engine.
    pub fn over(engine: Arc<Engine>) -> Self {
        Self {
            engine,
            look_ups: Workers::at_most(LOOK_UPS_MAX),
            reads: Workers::at_most(READS_MAX),
            seals: Workers::at_most(SEALS_MAX),
            shared: Arc::default(),
        }
    }

    /// Appends a batch: all of its events, or none. Every look-up is done before the batch is enqueued. Dropping the
    /// future takes nothing back that was enqueued.
    ///
    /// # Errors
    /// Why the batch was not accepted, or that its outcome is unknown.
    pub async fn append(&self, batch: Batch) -> Result<Commit, AppendError> {
        let prepared = self.engine.prepare(batch)?;
        let ready = match self.engine.look_up_in_memory(prepared) {
            LookUp::Ready(ready) => ready,
            LookUp::NeedsFiles(prepared) => {
                let engine = Arc::clone(&self.engine);
                let looked_up = self.look_ups.run(move |_| engine.look_up(prepared)).await;
                looked_up.map_err(|stopping| AppendError::Fenced(stopping.to_string()))??
            }
        };
        self.engine.enqueue(ready).await
    }

    /// Runs work that reads on a worker thread. Once this future is dropped the work's next read ends it.
    ///
    /// # Errors
    /// The work's own, or that the server is stopping.
    pub async fn look<T, E>(
        &self,
        work: impl FnOnce(&Look<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.look_on(&self.reads, work).await
    }

    async fn look_on<T, E>(
        &self,
        workers: &Workers,
        work: impl FnOnce(&Look<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let engine = Arc::clone(&self.engine);
        workers.run(move |cancel| work(&Look::new(&engine, cancel))).await?
    }

    /// The event of an id, if the tenant has it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn event(&self, tenant: TenantId, id: Uuid) -> Result<Option<EventRef>, Error> {
        match self.engine.event_in_memory(&tenant, id) {
            Resident::Known(event) => Ok(event),
            Resident::NeedsFiles => self.look_on(&self.look_ups, move |look| look.event(&tenant, id)).await,
        }
    }

    /// Which of these ids the tenant has events of, in the order given.
    ///
    /// # Errors
    /// When that cannot be read.
    pub async fn has_events(&self, tenant: TenantId, ids: Vec<Uuid>) -> Result<Vec<bool>, Error> {
        let known = ids.iter().map(|id| match self.engine.event_in_memory(&tenant, *id) {
            Resident::Known(event) => Some(event.is_some()),
            Resident::NeedsFiles => None,
        });
        if let Some(known) = known.collect() {
            return Ok(known);
        }
        let look_up = move |look: &Look<'_>| {
            ids.iter().map(|id| look.event(&tenant, *id).map(|event| event.is_some())).collect()
        };
        self.look_on(&self.look_ups, look_up).await
    }

    /// The version of an entity; `None`: it has no events.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn head(&self, entity: Entity) -> Result<Option<Version>, Error> {
        match self.engine.head_in_memory(&entity) {
            Resident::Known(head) => Ok(head),
            Resident::NeedsFiles => self.look_on(&self.look_ups, move |look| look.head(&entity)).await,
        }
    }

    /// The first position recorded at or after a time, or the one that the next event gets.
    ///
    /// # Errors
    /// When that cannot be read.
    pub async fn first_recorded_since(&self, time: Timestamp) -> Result<Position, Error> {
        self.look_on(&self.look_ups, move |look| look.first_recorded_since(time)).await
    }

    /// What the clock says.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_micros(SystemClock::default().now_micros())
    }

    /// Follows the log from a moment on: first what is stored, then what becomes durable.
    ///
    /// # Errors
    /// When the cursor to start from is not of this store's history.
    pub fn subscribe(&self, start: Start, filter: Filter) -> Result<Following, CursorError> {
        Ok(Following::new(self.reads.clone(), self.engine.subscribe(start, filter)?))
    }

    /// The cursor of a position; `None`: the one before the first event.
    pub fn cursor(&self, position: Option<Position>) -> Cursor {
        self.engine.cursor(position)
    }

    /// The position that a cursor stands for; `None`: before the first event.
    ///
    /// # Errors
    /// When the cursor is not of this store's history.
    pub fn check_cursor(&self, cursor: Cursor) -> Result<Option<Position>, CursorError> {
        self.engine.check_cursor(cursor)
    }

    /// The incarnations of the store, each with the first position it may have written, oldest first.
    pub fn lineage(&self) -> Vec<(Incarnation, Position)> {
        self.engine.lineage()
    }

    /// The incarnation that writes now.
    pub fn incarnation(&self) -> Incarnation {
        self.engine.incarnation()
    }

    /// How much the store holds, everything durable now included.
    ///
    /// # Errors
    /// When that cannot be read.
    pub async fn stats(&self) -> Result<Stats, Error> {
        self.shared.stats(self, Instant::now()).await
    }

    /// How much a tenant holds.
    ///
    /// # Errors
    /// When that cannot be read.
    pub async fn stats_of(&self, tenant: TenantId) -> Result<Stats, Error> {
        self.look(move |look| look.stats(Some(&tenant))).await
    }

    /// What the store says about itself: counters and health as of now, its size at most a second old.
    pub async fn vitals(&self) -> Vitals {
        self.shared.vitals(self).await
    }

    /// Whether the store does its work.
    pub fn health(&self) -> Health {
        self.engine.health()
    }

    /// What became of each task of upkeep.
    pub fn upkeep(&self) -> Vec<TaskReport> {
        self.engine.upkeep()
    }

    /// By how much the clock is behind the last stored event.
    pub fn clock_behind(&self) -> Duration {
        Duration::from_micros(self.engine.counters().clock_behind_micros)
    }

    /// The highest durable position; `None`: the store is empty.
    pub fn watermark(&self) -> Option<Position> {
        self.engine.watermark()
    }

    /// How many partitions the store has.
    pub fn partitions(&self) -> u32 {
        self.engine.partitions()
    }

    /// Seals everything that is durable now, and waits until that is done.
    ///
    /// # Errors
    /// When it cannot be done now.
    pub async fn seal(&self) -> Result<Option<Position>, SealError> {
        let engine = Arc::clone(&self.engine);
        let sealed = self.seals.run(move |_| engine.seal()).await;
        sealed.map_err(|_| SealError::Closed)?
    }
}

#[cfg(test)]
mod tests;
