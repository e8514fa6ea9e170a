//! What a store says about itself: how much it holds, whether it works, what happened.

use std::sync::atomic::Ordering;

use crate::drive::Shared;
use crate::event::TenantId;

/// How much a store, or one of its tenants, holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Events.
    pub events: u64,
    /// Entities that have events.
    pub entities: u64,
    /// Different event types.
    pub event_types: u64,
}

/// Whether a store does its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// All of it.
    Serving,
    /// It answers reads; appends are refused until the disk has room.
    StorageFull,
    /// It answers reads; a failed write or sync ended appends until it is opened again.
    Fenced(String),
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
    /// Events that were there already.
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
}

impl Stats {
    pub(crate) fn of(shared: &Shared, tenant: Option<&TenantId>) -> Self {
        let tally = shared.tail.tally(tenant);
        Self { events: tally.events, entities: tally.entities, event_types: shared.tail.type_count(tenant) }
    }
}

impl Health {
    pub(crate) fn of(shared: &Shared) -> Self {
        match shared.progress.fenced() {
            Some(reason) => Self::Fenced(reason),
            None if shared.spare.is_full() => Self::StorageFull,
            None => Self::Serving,
        }
    }
}

impl Counters {
    pub(crate) fn of(shared: &Shared) -> Self {
        let (tallies, progress) = (&shared.tallies, &shared.progress);
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
        }
    }
}
