//! A store's statistics, health and counters.

use std::sync::atomic::Ordering;

use crate::drive::Shared;
use crate::error::{AppendError, Damage, ReadError};
use crate::event::TenantId;
use crate::platform::Whereabouts;

/// How much a store, or one of its tenants, holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Events.
    pub events: u64,
    /// Entities that have events.
    pub entities: u64,
    /// Distinct event types.
    pub event_types: u64,
}

/// Whether a store works, and if not, why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It serves reads and appends.
    Serving,
    /// These files are damaged. It accepts appends and answers reads that do not need them.
    Damaged(Vec<Damage>),
    /// It serves reads and appends, but cannot seal: once memory is full, it refuses appends.
    NotSealing(String),
    /// It serves reads and refuses appends until the disk has room.
    StorageFull {
        /// The free space that is enough to continue, in bytes: the length of a journal file.
        needed_bytes: u64,
    },
    /// It serves reads and refuses appends until this condition passes.
    Refusing(String),
    /// It serves reads. A failed write or sync ended appends until it is opened again.
    Fenced(String),
    /// It serves reads and appends, but its folder was moved while it was open: the path under which it was opened no
    /// longer leads to it.
    Moved,
}

/// What happened since a store was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Events appended.
    pub events_appended: u64,
    /// Appends that succeeded.
    pub appends: u64,
    /// Appends refused over an expected version.
    pub conflicts: u64,
    /// Events that were stored already.
    pub replays: u64,
    /// Appends refused because too much was waiting.
    pub overloads: u64,
    /// Group commits.
    pub rounds: u64,
    /// Bytes written to the journal.
    pub journal_bytes: u64,
    /// Microseconds spent waiting for syncs.
    pub sync_micros: u64,
    /// Bytes of appends that wait right now.
    pub queue_bytes: u64,
    /// The highest durable position, right now.
    pub watermark: u64,
    /// The highest position in sealed files, right now.
    pub sealed_position: u64,
    /// Generations of sealed files, right now.
    pub generations: u64,
    /// Tails frozen and sealed.
    pub seals: u64,
    /// Merges of generations.
    pub merges: u64,
    /// Bytes of segments written by sealing.
    pub sealed_bytes: u64,
    /// Bytes of segments written by merging.
    pub merged_bytes: u64,
    /// Bytes of sealed files read and checked by the scrubber.
    pub scrubbed_bytes: u64,
    /// Microseconds in which appends waited for sealing.
    pub stalled_micros: u64,
    /// Files in which damage was found, right now.
    pub damaged_files: u64,
    /// Microseconds by which the clock is behind the commit time of the last event, right now; 0: it is not behind.
    /// Until the clock catches up, commit times rise by one microsecond an event.
    pub clock_behind_micros: u64,
}

impl Stats {
    pub(crate) fn of(shared: &Shared, tenant: Option<&TenantId>) -> Result<Self, ReadError> {
        let layers = shared.store.layers();
        let tally = layers.tally(tenant)?;
        Ok(Self { events: tally.events, entities: tally.entities, event_types: layers.type_count(tenant)? })
    }
}

impl Health {
    pub(crate) fn of(shared: &Shared) -> Self {
        let refusal = || shared.progress.refusals.current().or_else(|| shared.spare.failure());
        match shared.progress.fenced() {
            Some(reason) => Self::Fenced(reason),
            None if let Some(refusal) = refusal() => Self::of_refusal(refusal, shared.journal_file_bytes),
            None => match (shared.upkeep.failure(), shared.upkeep.access.damages.list()) {
                (Some(reason), _) => Self::NotSealing(reason),
                (None, damages) if damages.is_empty() => match shared.whereabouts() {
                    Whereabouts::Moved => Self::Moved,
                    Whereabouts::InPlace | Whereabouts::Removed => Self::Serving,
                },
                (None, damages) => Self::Damaged(damages),
            },
        }
    }
}

impl Health {
    fn of_refusal(refusal: AppendError, needed_bytes: u64) -> Self {
        match refusal {
            AppendError::StorageFull => Self::StorageFull { needed_bytes },
            AppendError::Refusing(reason) => Self::Refusing(reason),
            other => Self::Refusing(other.to_string()),
        }
    }
}

/// By how much the clock is behind the last event, in microseconds.
fn clock_behind(shared: &Shared) -> u64 {
    let last = shared.progress.last_recorded_at.load(Ordering::Relaxed);
    last.saturating_sub(shared.clock.now_micros()).max(0).unsigned_abs()
}

impl Counters {
    pub(crate) fn of(shared: &Shared) -> Self {
        let (tallies, progress) = (&shared.tallies, &shared.progress);
        let (layers, upkeep) = (shared.store.layers(), &shared.upkeep);
        Self {
            events_appended: tallies.events.load(Ordering::Relaxed),
            appends: tallies.appends.load(Ordering::Relaxed),
            conflicts: tallies.conflicts.load(Ordering::Relaxed),
            replays: tallies.replays.load(Ordering::Relaxed),
            overloads: tallies.overloads.load(Ordering::Relaxed),
            rounds: progress.rounds.load(Ordering::Relaxed),
            journal_bytes: progress.bytes.load(Ordering::Relaxed),
            sync_micros: progress.sync_micros.load(Ordering::Relaxed),
            queue_bytes: shared.queue.bytes() as u64,
            watermark: shared.watermark.position(),
            sealed_position: layers.sealed_position(),
            generations: layers.generations.len() as u64,
            seals: upkeep.done.seals.load(Ordering::Relaxed),
            merges: upkeep.done.merges.load(Ordering::Relaxed),
            sealed_bytes: upkeep.done.sealed_bytes.load(Ordering::Relaxed),
            merged_bytes: upkeep.done.merged_bytes.load(Ordering::Relaxed),
            scrubbed_bytes: upkeep.done.scrubbed_bytes.load(Ordering::Relaxed),
            stalled_micros: tallies.stalled_micros.load(Ordering::Relaxed),
            damaged_files: upkeep.access.damages.list().len() as u64,
            clock_behind_micros: clock_behind(shared),
        }
    }
}
