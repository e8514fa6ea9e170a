//! Folding: the state of an entity as of any moment, from its events one by one.
//!
//! A fold holds the state and one piece of the history. It follows every version from its snapshot on, those it leaves
//! out included, so an event that is missing is an error and never a wrong state.

mod members;
mod history;

use allsource_format::partition::key_hash;

use crate::error::FoldError;
use crate::event::{Entity, EventRef, Filter, Payload, Timestamp};
use crate::position::{Position, Version};
use crate::query::Query;
use crate::read::Events;
use crate::snapshot::Snapshots;
use crate::state::State;
use crate::view::View;

use history::History;
use members::Members;

/// The moment a state is asked for; each bound is inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    /// With everything that is durable now.
    Now,
    /// After the event of this version.
    Version(Version),
    /// As the store was when this position was its last.
    Position(Position),
    /// From the events whose timestamp is at or before this.
    Time(Timestamp),
}

impl AsOf {
    /// Whether a state holds no event that is later than this.
    fn admits(self, state: &State) -> bool {
        match self {
            Self::Now => true,
            Self::Version(version) => state.version <= version,
            Self::Position(position) => state.position <= position,
            // Timestamps need not ascend: a state counts only if none of its events is later.
            Self::Time(time) => state.max_timestamp <= time,
        }
    }
}

/// Takes the events of a history, in the order of versions. False: no more of them are wanted.
pub(crate) type Visit<'v> = &'v mut dyn FnMut(&EventRef) -> bool;

/// Folds an entity as of a moment: the nearest snapshot at or before it, and the events after that. Also says how many
/// events were folded onto the snapshot. `visit` gets the events that make the state, from the first on: each is read
/// once, and all from one view.
pub(crate) fn state_of(
    view: View,
    snapshots: &Snapshots,
    entity: &Entity,
    as_of: AsOf,
    visit: Option<Visit<'_>>,
) -> Result<(Option<State>, u64), FoldError> {
    let key = entity.key();
    let hash = key_hash(&key);
    let is_wanted = |state: &State| state.position.value() <= view.watermark && as_of.admits(state);
    let base = snapshots.find(hash, &key, &is_wanted);
    let base = base.as_ref().map(|snapshot| &snapshot.state);
    let mut visit = match (visit, base) {
        (Some(visit), Some(base)) => visit_base(&view, entity, base, visit)?,
        (visit, _) => visit,
    };
    if let Some(base) = base.filter(|base| as_of == AsOf::Version(base.version)) {
        return Ok((Some(base.clone()), 0));
    }
    let mut history = History::after(entity, base.map(|base| base.version));
    let mut fold = Fold::onto(base);
    for event in Events::plan(view.clone(), &query_after(base, entity, as_of)) {
        let event = event?;
        history.follow(event.version())?;
        match as_of {
            AsOf::Position(position) if event.position() > position => {
                history.is_left_early();
                break;
            }
            AsOf::Time(time) if event.timestamp() > time => {}
            _ => {
                fold.add(&event)?;
                if visit.as_mut().is_some_and(|visit| !visit(&event)) {
                    visit = None;
                }
            }
        }
    }
    let most = if let AsOf::Version(version) = as_of { version.value() } else { u64::MAX };
    history.check_end(most, || view.head(hash, &key))?;
    let folded = fold.events;
    Ok((fold.finish(), folded))
}

/// Visits the events that a snapshot holds; all of them are in every state that is folded onto it. `None`: no more are
/// wanted.
fn visit_base<'v>(
    view: &View,
    entity: &Entity,
    base: &State,
    visit: Visit<'v>,
) -> Result<Option<Visit<'v>>, FoldError> {
    let mut history = History::after(entity, None);
    let events = Filter::entity(entity).until_version(base.version);
    for event in Events::plan(view.clone(), &Query::matching(events)) {
        let event = event?;
        history.follow(event.version())?;
        if !visit(&event) {
            return Ok(None);
        }
    }
    history.check_end(base.version.value(), || view.head(key_hash(&entity.key()), &entity.key()))?;
    Ok(Some(visit))
}

/// The events after a state that have to be looked at. Bounds of time are left out: an event that a bound hides looks
/// like one that is missing.
fn query_after(base: Option<&State>, entity: &Entity, as_of: AsOf) -> Query {
    let after_base = |base: &State| (Position::new(base.position.value() + 1), next(base.version));
    let (from, from_version) = base.map_or((None, None), after_base);
    let to_version = if let AsOf::Version(version) = as_of { Some(version) } else { None };
    let filter = Filter { from_version, to_version, ..Filter::entity(entity) };
    Query { from, ..Query::matching(filter) }
}

fn next(version: Version) -> Option<Version> {
    Version::new(version.value() + 1)
}

/// A state that grows by one event after the other.
struct Fold<'b> {
    base: Option<&'b State>,
    members: Members<'b>,
    /// How many events were added to the base.
    events: u64,
    /// Version, position and timestamp of the last of them.
    last: Option<(Version, Position, Timestamp)>,
    max_timestamp: Timestamp,
}

impl<'b> Fold<'b> {
    fn onto(base: Option<&'b State>) -> Self {
        let max_timestamp = base.map_or(Timestamp::MIN, |base| base.max_timestamp);
        Self { base, members: Members::of(base), events: 0, last: None, max_timestamp }
    }

    fn add(&mut self, event: &EventRef) -> Result<(), FoldError> {
        let (version, position, timestamp) = (event.version(), event.position(), event.timestamp());
        if let Payload::Json(text) = event.payload() {
            self.members.merge(text).map_err(|problem| FoldError::Unfoldable { position, problem })?;
        }
        self.events += 1;
        self.last = Some((version, position, timestamp));
        self.max_timestamp = self.max_timestamp.max(timestamp);
        Ok(())
    }

    /// The state; `None`: no event is in it.
    fn finish(self) -> Option<State> {
        let Some((version, position, last_updated)) = self.last else { return self.base.cloned() };
        let (text, members) = self.members.finish();
        Some(State {
            text,
            members,
            version,
            position,
            event_count: self.events + self.base.map_or(0, |base| base.event_count),
            last_updated,
            max_timestamp: self.max_timestamp,
        })
    }
}

#[cfg(test)]
mod tests;
