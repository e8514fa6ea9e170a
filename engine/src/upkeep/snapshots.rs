//! Taking snapshots: following the log, and checking at regular versions of an entity whether a snapshot is due.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use allsource_format::partition::key_hash;

use super::{Upkeep, UpkeepError};
use crate::error::ReadError;
use crate::event::{Entity, EventRef};
use crate::fold::{AsOf, state_of};
use crate::position::Position;
use crate::query::Query;
use crate::read::Events;
use crate::snapshot::Cause;
use crate::view::View;

/// Events followed in one step.
const STEP_EVENTS: usize = 8192;
/// How many times an entity is checked before a snapshot is due.
const LOOKS: u64 = 10;
/// A snapshot is also due if the last one is this much older than the event: an hour, in microseconds.
const AGE_MICROS: i64 = 3_600_000_000;

/// Follows the next events and takes the snapshots that are due, writes those in memory if they are many, merges files,
/// and removes those that were replaced. False: there was nothing to do.
pub(super) fn step(upkeep: &Upkeep) -> Result<bool, UpkeepError> {
    let has_followed = upkeep.follow()?;
    // Snapshots that cannot be written stay in memory for the next attempt.
    let has_written = upkeep.snapshots.write(false)?;
    let has_merged = upkeep.snapshots.merge()?;
    let has_reclaimed = upkeep.snapshots.reclaim();
    Ok(has_followed || has_written || has_merged || has_reclaimed)
}

impl Upkeep {
    fn view(&self) -> View {
        View::new(self.watermark.position(), self.store.layers())
    }

    /// Follows the next events and takes the snapshots that are due. False: there are none.
    fn follow(&self) -> Result<bool, ReadError> {
        let view = self.view();
        let seen = self.followed.load(Ordering::Acquire);
        if seen >= view.watermark || self.snapshot_events == 0 {
            return Ok(false);
        }
        let query = Query { from: Position::new(seen + 1), limit: Some(STEP_EVENTS), ..Query::all() };
        let step = (self.snapshot_events / LOOKS).max(1);
        let (mut last, mut candidates) = (seen, BTreeMap::new());
        for event in Events::plan(view.clone(), &query) {
            let event = match event {
                Ok(event) => event,
                // Readers and the scrubber report damage. These entities are checked again with their next events.
                Err(ReadError::Damaged(_)) => {
                    last = view.watermark;
                    break;
                }
                Err(error @ ReadError::Unavailable(_)) => return Err(error),
            };
            last = event.position().value();
            if event.version().value().is_multiple_of(step) {
                candidates.insert(event.entity_key(), event);
            }
        }
        for event in candidates.values().filter(|event| self.is_due(event)) {
            let entity = Entity::of_record(&event.record());
            // An entity that cannot be read does not hold up the others.
            let folded = state_of(view.clone(), &self.snapshots, &entity, AsOf::Now, &mut |_| true, None);
            if let Ok((Some(state), _)) = folded {
                self.snapshots.keep(&entity, Cause::Automatic, state);
            }
        }
        assert!(seen <= last && last <= view.watermark, "a step never goes back, and stays within its view");
        self.followed.store(last, Ordering::Release);
        Ok(true)
    }

    fn is_due(&self, event: &EventRef) -> bool {
        let key = event.entity_key();
        match self.snapshots.find(key_hash(&key), &key, &|_| true, &mut |_| true) {
            None => event.version().value() >= self.snapshot_events,
            Some(last) => {
                let since = event.version().value().saturating_sub(last.state.version.value());
                let age = event.recorded_at().micros().saturating_sub(last.created_at.micros());
                since >= self.snapshot_events || since > 0 && age >= AGE_MICROS
            }
        }
    }
}
