//! Folding: the state of an entity as of any moment, from its events.

use std::borrow::Cow;
use std::collections::HashMap;

use allsource_format::partition::key_hash;
use foldhash::fast::RandomState;
use serde::Deserializer;
use serde::de::{DeserializeSeed, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::ReadError;
use crate::event::{Entity, EventRef, Payload, Timestamp};
use crate::position::{Position, Version};
use crate::query::Query;
use crate::read::Events;
use crate::snapshot::Snapshots;
use crate::state::{Member, State};
use crate::view::View;

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
    pub(crate) fn query(self, entity: &Entity) -> Query {
        let query = Query::entity(entity);
        match self {
            Self::Now => query,
            Self::Version(version) => Query { to_version: Some(version), ..query },
            Self::Position(position) => Query { to: Some(position), ..query },
            Self::Time(time) => Query { until: Some(time), ..query },
        }
    }
}

/// Folds an entity as of a moment: the nearest snapshot at or before it, and the events after that. Also says how many
/// events had to be read.
pub(crate) fn state_of(
    view: View,
    snapshots: &Snapshots,
    entity: &Entity,
    as_of: AsOf,
) -> Result<(Option<State>, u64), ReadError> {
    let key = entity.key();
    let hash = key_hash(&key);
    let is_before = |state: &State| match as_of {
        AsOf::Now => state.position.value() <= view.watermark,
        AsOf::Version(version) => state.version <= version && state.position.value() <= view.watermark,
        AsOf::Position(position) => state.position <= position && state.position.value() <= view.watermark,
        // Timestamps need not ascend: a state counts only if none of its events is later.
        AsOf::Time(time) => state.max_timestamp <= time && state.position.value() <= view.watermark,
    };
    let base = snapshots.find(hash, &key, &is_before).map(|snapshot| snapshot.state.clone());
    let mut query = as_of.query(entity);
    let Some(base) = base else {
        let state = fold(None, Events::plan(view, &query))?;
        let count = state.as_ref().map_or(0, |state| state.event_count);
        return Ok((state, count));
    };
    let head = view.head(hash, &key)?.unwrap_or(0);
    let left = head.saturating_sub(base.version.value());
    let is_whole = as_of == AsOf::Version(base.version);
    if left == 0 || is_whole {
        return Ok((Some(base), 0));
    }
    // Newest first, so that layers with none of the events are not asked.
    query.from_version = Version::new(base.version.value() + 1);
    query = query.newest_first().limit(usize::try_from(left).unwrap_or(usize::MAX));
    let mut events = Events::plan(view, &query).collect::<Result<Vec<_>, _>>()?;
    events.reverse();
    let count = events.len() as u64;
    Ok((fold(Some(base), events.into_iter().map(Ok))?, count))
}

/// Folds events given in the order of versions onto the state before them; `None`: there is neither.
pub(crate) fn fold(
    base: Option<State>,
    events: impl Iterator<Item = Result<EventRef, ReadError>>,
) -> Result<Option<State>, ReadError> {
    let events: Vec<EventRef> = events.collect::<Result<_, _>>()?;
    let Some(last) = events.last() else { return Ok(base) };
    let mut members = Members::default();
    for (name, value) in base.iter().flat_map(State::members) {
        members.set(Cow::Borrowed(name), value);
    }
    for event in &events {
        if let Payload::Json(text) = event.payload() {
            // What is no object has no members; that it is JSON was checked when it was accepted.
            let _ = members.deserialize(&mut serde_json::Deserializer::from_str(text));
        }
    }
    let (text, members) = members.finish();
    let before = base.as_ref();
    let newest = events.iter().map(EventRef::timestamp).max();
    Ok(Some(State {
        text,
        members,
        version: last.version(),
        position: last.position(),
        event_count: events.len() as u64 + before.map_or(0, |state| state.event_count),
        last_updated: last.timestamp(),
        max_timestamp: before.map(|state| state.max_timestamp).max(newest).unwrap_or(last.timestamp()),
    }))
}

/// Top-level members of objects in the order in which they first appeared.
#[derive(Default)]
struct Members<'e> {
    list: Vec<(Cow<'e, str>, &'e str)>,
    places: HashMap<Cow<'e, str>, usize, RandomState>,
}

impl<'e> Members<'e> {
    fn set(&mut self, name: Cow<'e, str>, value: &'e str) {
        match self.places.get(&name).and_then(|place| self.list.get_mut(*place)) {
            Some(member) => member.1 = value,
            None => {
                self.places.insert(name.clone(), self.list.len());
                self.list.push((name, value));
            }
        }
    }

    /// Names and values in one text, and where each lies.
    fn finish(self) -> (Box<str>, Box<[Member]>) {
        let bytes = self.list.iter().map(|(name, value)| name.len() + value.len()).sum();
        let mut text = String::with_capacity(bytes);
        // A state of 4 GiB would take as many payloads of 8 MiB as there are names in memory.
        let length = |text: &str| u32::try_from(text.len()).unwrap_or(u32::MAX);
        let mut members = Vec::with_capacity(self.list.len());
        for (name, value) in &self.list {
            let (start, name_bytes, value_bytes) = (length(&text), length(name), length(value));
            members.push(Member { start, name_bytes, value_bytes });
            text.push_str(name);
            text.push_str(value);
        }
        (text.into_boxed_str(), members.into_boxed_slice())
    }
}

/// A name as it stands in the text, unless it has escapes.
#[derive(serde::Deserialize)]
struct Name<'e>(#[serde(borrow)] Cow<'e, str>);

/// Reads one object into the members.
impl<'e> DeserializeSeed<'e> for &mut Members<'e> {
    type Value = ();

    fn deserialize<D: Deserializer<'e>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'e> Visitor<'e> for &mut Members<'e> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'e>>(self, mut object: A) -> Result<(), A::Error> {
        while let Some((Name(name), value)) = object.next_entry::<_, &RawValue>()? {
            self.set(name, value.get());
        }
        Ok(())
    }
}
