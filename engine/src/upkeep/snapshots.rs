//! Taking snapshots: following the log, and looking at every so many events of an entity whether one is due.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use allsource_format::partition::key_hash;

use super::Upkeep;
use crate::error::FoldError;
use crate::event::{Entity, EntityId, EventRef, TenantId, Timestamp};
use crate::fold::{AsOf, state_of};
use crate::planted::{self, Bug};
use crate::position::Position;
use crate::query::Query;
use crate::read::Events;
use crate::snapshot::{Cause, Snapshot};
use crate::state::State;
use crate::view::View;

/// Events looked at in one step.
const STEP_EVENTS: usize = 8192;
/// A state larger than this is not kept by itself: it would push out all others (64 MiB).
const STATE_BYTES_MAX: usize = 64 << 20;
/// An entity is looked at so many times before a snapshot is due.
const LOOKS: u64 = 10;
/// A snapshot is due, too, when the last one is so much older than the event, in microseconds: an hour.
const AGE_MICROS: i64 = 3_600_000_000;

impl Upkeep {
    fn view(&self) -> View {
        View::new(self.watermark.position(), self.store.layers())
    }

    /// Looks at the next events and takes the snapshots that are due. False: there are none.
    pub(crate) fn follow(&self) -> bool {
        let view = self.view();
        let seen = self.followed.load(Ordering::Acquire);
        if seen >= view.watermark || self.snapshot_events == 0 {
            return false;
        }
        let query = Query { from: Position::new(seen + 1), limit: Some(STEP_EVENTS), ..Query::all() };
        let step = (self.snapshot_events / LOOKS).max(1);
        let (mut last, mut candidates) = (seen, BTreeMap::new());
        for event in Events::plan(view.clone(), &query) {
            let Ok(event) = event else {
                // What is damaged is told by those who look there. Its entities are looked at again later.
                last = view.watermark;
                break;
            };
            last = event.position().value();
            if event.version().value().is_multiple_of(step) {
                candidates.insert(event.entity_key(), event);
            }
        }
        for event in candidates.values().filter(|event| self.is_due(event)) {
            if let Some(entity) = entity_of(event) {
                // An entity that cannot be read keeps the others from nothing.
                let _ = self.snapshot(&entity, Cause::Automatic);
            }
        }
        self.followed.store(last, Ordering::Release);
        // One that cannot be written stays in memory, and is written with those that follow.
        let _ = self.snapshots.write(false);
        while self.snapshots.merge().unwrap_or(false) {}
        true
    }

    fn is_due(&self, event: &EventRef) -> bool {
        let key = event.entity_key();
        match self.snapshots.find(key_hash(&key), &key, &|_| true) {
            None => event.version().value() >= self.snapshot_events,
            Some(last) => {
                let since = event.version().value().saturating_sub(last.state.version.value());
                let age = event.recorded_at().micros().saturating_sub(last.created_at.micros());
                since >= self.snapshot_events || since > 0 && age >= AGE_MICROS
            }
        }
    }

    /// Keeps a state for which a read had to fold so many events, if that is as many as call for a snapshot.
    pub(crate) fn keep_if_due(&self, entity: &Entity, state: &State, folded: u64) {
        let is_due = self.snapshot_events > 0 && folded >= self.snapshot_events;
        if is_due && state.text.len() <= STATE_BYTES_MAX {
            self.keep(entity, Cause::OnDemand, state.clone());
        }
    }

    fn keep(&self, entity: &Entity, cause: Cause, state: State) -> Arc<Snapshot> {
        let is_whole = state.event_count == state.version.value() || planted::is(Bug::AcceptWrongCount);
        assert!(is_whole, "a state that is kept holds every event up to its version");
        self.snapshots.add(Snapshot {
            id: self.entropy.uuid(),
            entity: entity.clone(),
            created_at: Timestamp::from_micros(self.clock.now_micros()),
            cause,
            incarnation: self.snapshots.writer_of(state.position()),
            state,
        })
    }

    /// Takes a snapshot of an entity as it is; `None`: it has no events.
    pub(crate) fn snapshot(&self, entity: &Entity, cause: Cause) -> Result<Option<Snapshot>, FoldError> {
        let (state, _) = state_of(self.view(), &self.snapshots, entity, AsOf::Now, None)?;
        Ok(state.map(|state| Snapshot::clone(&self.keep(entity, cause, state))))
    }
}

fn entity_of(event: &EventRef) -> Option<Entity> {
    Some(Entity::of(TenantId::new(event.tenant()).ok()?, EntityId::new(event.entity_id()).ok()?))
}
