//! Folding: the state of an entity as of any moment, built from its events one by one.
//!
//! A fold holds the state and a small part of the history at a time. It follows every version after its snapshot, even
//! of events that it leaves out, so a missing event is an error and never a wrong state.

mod members;
mod history;

use allsource_format::partition::key_hash;

use crate::error::FoldError;
use crate::event::{Entity, EventRef, Filter, Payload, Timestamp};
use crate::planted::{self, Bug};
use crate::position::{Position, Version};
use crate::query::Query;
use crate::read::Events;
use crate::snapshot::Snapshots;
use crate::state::State;
use crate::view::View;

use history::History;
use members::Members;

/// A state is in memory twice while its members are put together.
const COPIES: usize = 2;

/// The moment of a state; each bound is inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    /// Now: with every durable event.
    Now,
    /// Right after the event of this version.
    Version(Version),
    /// When this position was the last one of the store.
    Position(Position),
    /// With the events whose timestamp is at or before this one.
    Time(Timestamp),
}

impl AsOf {
    /// Whether a state holds no later event.
    fn admits(self, state: &State) -> bool {
        match self {
            Self::Now => true,
            Self::Version(version) => state.version <= version,
            Self::Position(position) => state.position <= position,
            // Timestamps need not ascend, so the latest one of all its events decides.
            Self::Time(time) => state.max_timestamp <= time,
        }
    }
}

/// Receives the events of a history in the order of versions. False: it wants no more.
pub(crate) type Visit<'v> = &'v mut dyn FnMut(&EventRef) -> bool;

/// Whether a fold may go on while it holds this many bytes. Called before a snapshot is read, and for every event.
pub(crate) type Room<'r> = &'r mut dyn FnMut(usize) -> bool;

/// Folds an entity as of a moment, from the nearest snapshot at or before it. Also returns how many events were folded
/// onto the snapshot. `visit` receives every event of the state from the first on, each read once and all in one view.
pub(crate) fn state_of(
    view: View,
    snapshots: &Snapshots,
    entity: &Entity,
    as_of: AsOf,
    room: Room<'_>,
    visit: Option<Visit<'_>>,
) -> Result<(Option<State>, u64), FoldError> {
    let key = entity.key();
    let hash = key_hash(&key);
    let is_wanted = |state: &State| state.position.value() <= view.watermark && as_of.admits(state);
    let mut is_stopped = false;
    let base = snapshots.find(hash, &key, &is_wanted, &mut |bytes| {
        is_stopped |= !room(COPIES * bytes);
        !is_stopped
    });
    // A snapshot in memory was not asked for: its copy is.
    if is_stopped || base.as_ref().is_some_and(|base| !room(COPIES * base.state.bytes())) {
        return Err(FoldError::Stopped);
    }
    let base = base.as_ref().map(|snapshot| &snapshot.state);
    let mut visit = match (visit, base) {
        (Some(visit), Some(base)) => visit_base(&view, entity, base, room, visit)?,
        (visit, _) => visit,
    };
    if let Some(base) = base.filter(|base| as_of == AsOf::Version(base.version)) {
        return Ok((Some(base.clone()), 0));
    }
    let mut history = History::after(entity, base.map(|base| base.version));
    let mut fold = Fold::onto(base);
    for event in Events::plan(view.clone(), &query_after(base, entity, as_of)) {
        let event = event?;
        if !room(fold.bytes_with(&event)) {
            return Err(FoldError::Stopped);
        }
        history.follow(event.version())?;
        match as_of {
            AsOf::Position(position) if event.position() > position => {
                history.cut_short();
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
    let state = fold.finish();
    assert!(
        state.as_ref().is_none_or(|state| state.position.value() <= view.watermark),
        "a state holds nothing that is not visible"
    );
    Ok((state, folded))
}

/// Visits the events of a snapshot, which are all in every state folded onto it. `None`: the visitor wants no more.
fn visit_base<'v>(
    view: &View,
    entity: &Entity,
    base: &State,
    room: Room<'_>,
    visit: Visit<'v>,
) -> Result<Option<Visit<'v>>, FoldError> {
    let mut history = History::after(entity, None);
    let events = Filter::entity(entity).until_version(base.version);
    for event in Events::plan(view.clone(), &Query::matching(events)) {
        let event = event?;
        if !room(COPIES * base.bytes() + event.record_bytes()) {
            return Err(FoldError::Stopped);
        }
        history.follow(event.version())?;
        if !visit(&event) {
            return Ok(None);
        }
    }
    history.check_end(base.version.value(), || view.head(key_hash(&entity.key()), &entity.key()))?;
    Ok(Some(visit))
}

/// The events that may have to be folded onto a state. The query has no time bounds: an event that they hide would look
/// like a missing one.
fn query_after(base: Option<&State>, entity: &Entity, as_of: AsOf) -> Query {
    let (from, from_version) = base.map(|base| (base.position.next(), base.version.next())).unzip();
    let to_version = if let AsOf::Version(version) = as_of { Some(version) } else { None };
    let filter = Filter { from_version, to_version, ..Filter::entity(entity) };
    Query { from, ..Query::matching(filter) }
}

/// A state under construction.
struct Fold<'b> {
    base: Option<&'b State>,
    members: Members<'b>,
    /// How many events were folded onto the base.
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

    /// The most bytes it holds until its state is made, once this event is added.
    fn bytes_with(&self, event: &EventRef) -> usize {
        COPIES * (self.members.bytes() + event.record_bytes())
    }

    fn add(&mut self, event: &EventRef) -> Result<(), FoldError> {
        let (version, position, timestamp) = (event.version(), event.position(), event.timestamp());
        let before = self.last.map(|(_, before, _)| before).or(self.base.map(|base| base.position));
        assert!(before.is_none_or(|before| before < position), "events are folded in the order of the log");
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
        assert!(self.events > 0, "the last event is one of those that were added");
        let event_count = self.events + self.base.map_or(0, |base| base.event_count);
        assert!(
            event_count <= version.value() || planted::is(Bug::AcceptWrongCount),
            "no version is counted twice"
        );
        let (text, members) = self.members.finish();
        Some(State {
            text,
            members,
            version,
            position,
            event_count,
            last_updated,
            max_timestamp: self.max_timestamp,
        })
    }
}

#[cfg(test)]
mod tests;
