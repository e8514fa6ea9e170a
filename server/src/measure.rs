//! Measures an engine beside the floor of its device, in the same run.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use allsource_engine::error::{AppendError, FoldError, ReadError};
use allsource_engine::event::{Entity, NewEvent};
use allsource_engine::platform::{Clock, Disk, DiskFile, SystemClock, cpu_time};
use allsource_engine::{Append, AsOf, Batch, Engine, Query};

/// Bytes of the smallest durable write.
pub const BLOCK_BYTES: usize = 4096;

/// Why a measurement failed.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// The device failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The engine could not append.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The engine could not read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The engine could not fold.
    #[error(transparent)]
    Fold(#[from] FoldError),
    /// A test event or name breaks a rule.
    #[error("cannot make an event: {0}")]
    Event(String),
}

/// Durations in ascending order.
#[derive(Debug, Clone, Default)]
pub struct Durations(Vec<Duration>);

impl Durations {
    /// Sorts durations.
    pub fn of(mut durations: Vec<Duration>) -> Self {
        durations.sort_unstable();
        Self(durations)
    }

    /// The quantile at `per_mille` thousandths; zero if there are no durations.
    pub fn quantile(&self, per_mille: usize) -> Duration {
        let place = self.0.len().saturating_sub(1) * per_mille / 1000;
        self.0.get(place).copied().unwrap_or_default()
    }

    /// The median.
    pub fn median(&self) -> Duration {
        self.quantile(500)
    }

    /// The sum.
    pub fn sum(&self) -> Duration {
        self.0.iter().sum()
    }
}

/// How long appends took, beside how long the device alone took for the same bytes.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// The engine.
    pub engine: Durations,
    /// The device: a write and a sync in a file whose blocks are allocated.
    pub floor: Durations,
}

/// A file with every block allocated, to overwrite again and again.
pub struct Floor {
    file: Arc<dyn DiskFile>,
    length: u64,
    next: u64,
    clock: SystemClock,
}

impl Floor {
    /// Creates the file.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn new(disk: &dyn Disk) -> io::Result<Self> {
        let length = 64 << 20;
        let file = disk.create("floor", length)?;
        file.sync()?;
        Ok(Self { file, length, next: 0, clock: SystemClock::default() })
    }

    /// Writes and syncs `bytes`, and returns how long that took.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<Duration> {
        if self.next + bytes.len() as u64 > self.length {
            self.next = 0;
        }
        let started = self.clock.monotonic();
        self.file.write_at(bytes, self.next)?;
        self.file.sync()?;
        self.next += bytes.len() as u64;
        Ok(self.clock.monotonic().saturating_sub(started))
    }

    /// Writes `count` blocks, one at a time.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn blocks(&mut self, count: usize) -> io::Result<Durations> {
        let block = [7; BLOCK_BYTES];
        Ok(Durations::of((0..count).map(|_| self.write(&block)).collect::<io::Result<_>>()?))
    }
}

/// The test event of this number, with a payload of about `payload_bytes` bytes, and its entity.
///
/// # Errors
/// When the event breaks a rule.
pub fn event(number: u64, payload_bytes: usize) -> Result<(Entity, NewEvent), MeasureError> {
    let refused = |error: &dyn std::fmt::Display| MeasureError::Event(error.to_string());
    let entity = Entity::new(format!("entity-{:07}", number % 10_000)).map_err(|error| refused(&error))?;
    let filling = "x".repeat(payload_bytes.saturating_sub(40));
    let payload = format!("{{\"number\":{number},\"status\":\"paid\",\"filling\":\"{filling}\"}}");
    let event = NewEvent::json("order.paid", payload).map_err(|error| refused(&error))?;
    Ok((entity, event))
}

/// One writer that waits for each append of one event, each beside a write of one block to the floor.
///
/// # Errors
/// When the device or the engine refuses.
pub fn one_writer(engine: &Engine, floor: &mut Floor, count: u64) -> Result<Measured, MeasureError> {
    let clock = SystemClock::default();
    let (mut appends, mut writes) = (Vec::new(), Vec::new());
    for number in 0..count {
        writes.push(floor.write(&[7; BLOCK_BYTES])?);
        let (entity, event) = event(number, 300)?;
        let started = clock.monotonic();
        engine.append(Batch::to(&entity).event(event)).wait()?;
        appends.push(clock.monotonic().saturating_sub(started));
    }
    Ok(Measured { engine: Durations::of(appends), floor: Durations::of(writes) })
}

/// Events a second with `window` appends of one event in flight.
///
/// # Errors
/// When the engine refuses.
pub fn in_flight(engine: &Engine, window: usize, count: u64) -> Result<f64, MeasureError> {
    let clock = SystemClock::default();
    let started = clock.monotonic();
    let mut waiting: VecDeque<Append> = VecDeque::new();
    for number in 0..count {
        if waiting.len() == window
            && let Some(oldest) = waiting.pop_front()
        {
            oldest.wait()?;
        }
        let (entity, event) = event(number, 300)?;
        waiting.push_back(engine.append(Batch::to(&entity).event(event)));
    }
    waiting.into_iter().try_for_each(|append| append.wait().map(drop))?;
    Ok(rate(count, clock.monotonic().saturating_sub(started)))
}

/// The cost of batches.
#[derive(Debug, Clone, Copy)]
pub struct Batches {
    /// Events a second.
    pub engine: f64,
    /// Events a second when the same bytes are only written and synced, in the same chunks.
    pub floor: f64,
    /// Processor time of all threads for each event.
    pub cpu_per_event: Duration,
}

/// `count` batches of 1,000 events of 300 bytes, two in flight, then the same bytes in the same chunks on the
/// floor. The batches are made before the clock starts; encoding them is part of appending.
///
/// # Errors
/// When the device or the engine refuses.
pub fn batches(engine: &Engine, floor: &mut Floor, count: u64) -> Result<Batches, MeasureError> {
    let mut made = (0..count).map(|number| batch(number * 1000)).collect::<Result<VecDeque<_>, _>>()?;
    let before = engine.counters();
    let (clock, cpu) = (SystemClock::default(), cpu_time());
    let started = clock.monotonic();
    let mut waiting: VecDeque<Append> = VecDeque::new();
    while let Some(batch) = made.pop_front() {
        waiting.push_back(engine.append(batch));
        if waiting.len() > 2
            && let Some(oldest) = waiting.pop_front()
        {
            oldest.wait()?;
        }
    }
    waiting.into_iter().try_for_each(|append| append.wait().map(drop))?;
    let (took, cpu) = (clock.monotonic().saturating_sub(started), cpu_time().saturating_sub(cpu));
    let after = engine.counters();
    let (rounds, bytes) = (after.rounds - before.rounds, after.journal_bytes - before.journal_bytes);
    let chunk =
        vec![7; usize::try_from(bytes / rounds.max(1)).unwrap_or(BLOCK_BYTES).next_multiple_of(BLOCK_BYTES)];
    let writes = (0..rounds).map(|_| floor.write(&chunk)).collect::<io::Result<Vec<_>>>()?;
    let events = count * 1000;
    Ok(Batches {
        engine: rate(events, took),
        floor: rate(events, writes.iter().sum()),
        cpu_per_event: cpu / u32::try_from(events).unwrap_or(u32::MAX),
    })
}

fn batch(first: u64) -> Result<Batch, MeasureError> {
    let (entity, event) = event(first, 300)?;
    let mut batch = Batch::to(&entity).event(event);
    for number in first + 1..first + 1000 {
        let (entity, event) = self::event(number, 300)?;
        batch = batch.and_to(&entity).event(event);
    }
    Ok(batch)
}

/// An entity with `events` events of about 300 bytes, each of which sets one of ten members.
///
/// # Errors
/// When the engine refuses.
pub fn entity(engine: &Engine, id: &str, events: u64) -> Result<Entity, MeasureError> {
    let refused = |error: &dyn std::fmt::Display| MeasureError::Event(error.to_string());
    let entity = Entity::new(id).map_err(|error| refused(&error))?;
    for number in 0..events {
        let payload = format!("{{\"number\":{number},\"member_{}\":\"{}\"}}", number % 10, "x".repeat(200));
        let event = NewEvent::json("bench.read", payload).map_err(|error| refused(&error))?;
        engine.append(Batch::to(&entity).event(event)).wait()?;
    }
    Ok(entity)
}

/// Reads all events of an entity, `times` times.
///
/// # Errors
/// When the engine refuses.
pub fn reads(engine: &Engine, entity: &Entity, times: usize) -> Result<Durations, MeasureError> {
    let query = Query::entity(entity);
    repeated(times, || {
        for event in engine.read(&query)? {
            std::hint::black_box(event?);
        }
        Ok(())
    })
}

/// Folds an entity, `times` times.
///
/// # Errors
/// When the engine refuses.
pub fn folds(engine: &Engine, entity: &Entity, times: usize) -> Result<Durations, MeasureError> {
    repeated(times, || {
        std::hint::black_box(engine.fold(entity, AsOf::Now)?);
        Ok(())
    })
}

fn repeated(
    times: usize,
    mut work: impl FnMut() -> Result<(), MeasureError>,
) -> Result<Durations, MeasureError> {
    let clock = SystemClock::default();
    let time = || {
        let started = clock.monotonic();
        work()?;
        Ok(clock.monotonic().saturating_sub(started))
    };
    std::iter::repeat_with(time).take(times).collect::<Result<_, _>>().map(Durations::of)
}

/// The rate of `count` in `took`, a second.
#[expect(clippy::cast_precision_loss, reason = "a rate may round")]
pub fn rate(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64().max(1e-9)
}
