//! The one asynchronous door to the engine. It answers from memory at once; work that may read a file runs on a worker
//! thread, and ends when its caller has gone.

mod error;
mod workers;
mod look;
mod following;
mod vitals;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use allsource_engine::error::AppendError;
use allsource_engine::event::{Entity, EventRef, Filter, TenantId, Timestamp};
use allsource_engine::platform::{Clock, SystemClock};
use allsource_engine::{
    Batch, Commit, Cursor, CursorError, Engine, Health, Incarnation, LookUp, OpenError, Options, Position,
    Query, Resident, SealError, Start, Stats, TaskReport, Version,
};
use tokio::time::Instant;
use uuid::Uuid;

use vitals::Shared;
use workers::Workers;

pub use error::Error;
pub use following::Following;
pub use look::{Events, Look};
pub use vitals::Vitals;

/// Most concurrent look-ups of appends and of single events.
const LOOK_UPS_MAX: usize = 32;
/// Most concurrent reads of any length. Each holds at most one event that is not charged yet.
const READS_MAX: usize = 16;
/// Most concurrent reads and encodings for streams. Each holds at most one piece that is not charged yet.
const STREAMS_MAX: usize = 4;
/// Most concurrent computations, such as parsing a large body.
const COMPUTATIONS_MAX: usize = 4;
/// Work on this many bytes takes too long for a thread that answers.
const LARGE_BYTES: usize = 64 << 10;
/// Most callers that wait for sealing at once.
const SEALS_MAX: usize = 4;

/// The store as the server sees it. Clones are handles to the same store.
#[derive(Clone)]
pub struct Store {
    engine: Arc<Engine>,
    look_ups: Workers,
    reads: Workers,
    streams: Workers,
    computations: Workers,
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
            streams: Workers::at_most(STREAMS_MAX),
            computations: Workers::at_most(COMPUTATIONS_MAX),
            seals: Workers::at_most(SEALS_MAX),
            shared: Arc::default(),
        }
    }

    /// Opens the store in a folder, creating it if there is none.
    ///
    /// # Errors
    /// When the store is in use, damaged, or the system refuses.
    pub fn open(path: &Path, options: Options) -> Result<Self, OpenError> {
        Ok(Self::over(Arc::new(Engine::open_with(path, options)?)))
    }

    /// Closes the store: writes what is queued, and ends its threads. Later calls are refused.
    pub fn close(&self) {
        self.engine.close();
    }

    /// Appends a batch: all of its events, or none. Every look-up ends before the batch is enqueued. Dropping the
    /// future does not take back an enqueued batch.
    ///
    /// # Errors
    /// When the batch is refused, or its outcome is unknown.
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

    /// As [`Store::append`], for a batch that takes long to build and encode: both are done on a worker thread.
    ///
    /// # Errors
    /// As [`Store::append`].
    pub async fn append_large(
        &self,
        batch: impl FnOnce() -> Batch + Send + 'static,
    ) -> Result<Commit, AppendError> {
        let engine = Arc::clone(&self.engine);
        let prepare = move || {
            let prepared = engine.prepare(batch())?;
            match engine.look_up_in_memory(prepared) {
                LookUp::Ready(ready) => Ok(ready),
                LookUp::NeedsFiles(prepared) => engine.look_up(prepared),
            }
        };
        let ready = self.look_ups.run(move |_| prepare()).await;
        let ready = ready.map_err(|stopping| AppendError::Fenced(stopping.to_string()))??;
        self.engine.enqueue(ready).await
    }

    /// Runs work that takes long for its size, such as parsing: on a worker thread if it is about many bytes.
    ///
    /// # Errors
    /// When the server is stopping.
    pub async fn compute<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        if bytes < LARGE_BYTES { Ok(work()) } else { self.computations.run(|_| work()).await }
    }

    /// Runs work that reads on a worker thread. Once this future is dropped, the next read ends the work.
    ///
    /// # Errors
    /// The error of the work, or that the server is stopping.
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

    /// The tenant's event with this id, if there is one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn event(&self, tenant: TenantId, id: Uuid) -> Result<Option<EventRef>, Error> {
        match self.engine.event_in_memory(&tenant, id) {
            Resident::Known(event) => Ok(event),
            Resident::NeedsFiles => self.look_on(&self.look_ups, move |look| look.event(&tenant, id)).await,
        }
    }

    /// Whether the tenant has an event with each of these ids, in the order given.
    ///
    /// # Errors
    /// When the store cannot be read.
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

    /// The version of an entity; `None` if it has no events.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn head(&self, entity: Entity) -> Result<Option<Version>, Error> {
        match self.engine.head_in_memory(&entity) {
            Resident::Known(head) => Ok(head),
            Resident::NeedsFiles => self.look_on(&self.look_ups, move |look| look.head(&entity)).await,
        }
    }

    /// The first position recorded at or after a time, or the position of the next event.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn first_recorded_since(&self, time: Timestamp) -> Result<Position, Error> {
        self.look_on(&self.look_ups, move |look| look.first_recorded_since(time)).await
    }

    /// The time on the clock.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_micros(SystemClock::default().now_micros())
    }

    /// Follows the log from `start`: first the stored events, then new ones as they become durable.
    ///
    /// # Errors
    /// When the cursor does not belong to this store's history.
    pub fn subscribe(&self, start: Start, filter: Filter) -> Result<Following, CursorError> {
        Ok(Following::new(self.streams.clone(), self.engine.subscribe(start, filter)?))
    }

    /// Encodes a large piece of a stream on a worker thread.
    ///
    /// # Errors
    /// When the server is stopping.
    pub async fn encode<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.streams.run(|_| work()).await
    }

    /// The cursor of a position; `None` stands for the beginning.
    pub fn cursor(&self, position: Option<Position>) -> Cursor {
        self.engine.cursor(position)
    }

    /// The position of a cursor; `None` if it is before the first event.
    ///
    /// # Errors
    /// When the cursor does not belong to this store's history.
    pub fn check_cursor(&self, cursor: Cursor) -> Result<Option<Position>, CursorError> {
        self.engine.check_cursor(cursor)
    }

    /// The incarnations of the store, each with the first position it may have written, oldest first.
    pub fn lineage(&self) -> Vec<(Incarnation, Position)> {
        self.engine.lineage()
    }

    /// The incarnation that wrote a position.
    pub fn writer_of(&self, position: Position) -> Incarnation {
        #[expect(clippy::expect_used, reason = "every position has a writer, if only an unknown one")]
        self.engine.cursor(Some(position)).incarnation.expect("the cursor of a position names its writer")
    }

    /// The incarnation that wrote a version of an entity; `None` if the entity has not reached it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn writer_of_version(
        &self,
        entity: &Entity,
        version: Version,
    ) -> Result<Option<Incarnation>, Error> {
        let filter = Filter::entity(entity).since_version(version).until_version(version);
        let event = move |look: &Look<'_>| look.read(&Query::matching(filter))?.next().transpose();
        let event = self.look_on(&self.look_ups, event).await?;
        Ok(event.map(|event| self.writer_of(event.position())))
    }

    /// The incarnation that writes now.
    pub fn incarnation(&self) -> Incarnation {
        self.engine.incarnation()
    }

    /// The size of the store, with everything that is durable now.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn stats(&self) -> Result<Stats, Error> {
        self.shared.stats(self, Instant::now()).await
    }

    /// The size of a tenant.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn stats_of(&self, tenant: TenantId) -> Result<Stats, Error> {
        self.look(move |look| look.stats(Some(&tenant))).await
    }

    /// The store's own metrics: counters and health as of now, its size at most a second old.
    pub async fn vitals(&self) -> Vitals {
        self.shared.vitals(self).await
    }

    /// The health of the store.
    pub fn health(&self) -> Health {
        self.engine.health()
    }

    /// The outcome of each upkeep task.
    pub fn upkeep(&self) -> Vec<TaskReport> {
        self.engine.upkeep()
    }

    /// How far the clock is behind the last stored event.
    pub fn clock_behind(&self) -> Duration {
        Duration::from_micros(self.engine.counters().clock_behind_micros)
    }

    /// The highest durable position; `None` if the store is empty.
    pub fn watermark(&self) -> Option<Position> {
        self.engine.watermark()
    }

    /// The number of partitions.
    pub fn partitions(&self) -> u32 {
        self.engine.partitions()
    }

    /// Seals everything that is durable now, and waits for it.
    ///
    /// # Errors
    /// When the store cannot seal now.
    pub async fn seal(&self) -> Result<Option<Position>, SealError> {
        let engine = Arc::clone(&self.engine);
        let sealed = self.seals.run(move |_| engine.seal()).await;
        sealed.map_err(|_| SealError::Closed)?
    }
}

#[cfg(test)]
mod tests;
