//! Folding: the state of an entity as of any moment, from its events.

use std::borrow::Cow;
use std::collections::HashMap;

use foldhash::fast::RandomState;
use serde::Deserializer;
use serde::de::{DeserializeSeed, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::ReadError;
use crate::event::{Entity, EventRef, Payload, Timestamp};
use crate::position::{Position, Version};
use crate::query::Query;

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

/// What an entity is, from its events: top-level members of JSON object payloads, later ones replacing earlier
/// ones, in the order of versions. Payloads that are no object change nothing.
#[derive(Debug, Clone)]
pub struct State {
    members: Vec<(String, Box<RawValue>)>,
    version: Version,
    event_count: u64,
    last_updated: Timestamp,
}

impl State {
    /// Version of the last event that was folded.
    pub fn version(&self) -> Version {
        self.version
    }

    /// How many events were folded.
    pub fn event_count(&self) -> u64 {
        self.event_count
    }

    /// Timestamp of the event of that version.
    pub fn last_updated(&self) -> Timestamp {
        self.last_updated
    }

    /// The JSON text of a top-level member, as its event had it.
    pub fn member(&self, name: &str) -> Option<&str> {
        self.members.iter().find(|(known, _)| known == name).map(|(_, value)| value.get())
    }

    /// The state as the text of one JSON object; members are byte for byte as their events had them, in the
    /// order in which they first appeared.
    pub fn to_json(&self) -> String {
        let mut text = String::from("{");
        for (name, value) in &self.members {
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(&serde_json::Value::from(name.as_str()).to_string());
            text.push(':');
            text.push_str(value.get());
        }
        text.push('}');
        text
    }
}

/// Folds events given in the order of versions; `None`: there were none.
pub(crate) fn fold(
    events: impl Iterator<Item = Result<EventRef, ReadError>>,
) -> Result<Option<State>, ReadError> {
    let events: Vec<EventRef> = events.collect::<Result<_, _>>()?;
    let Some(last) = events.last() else { return Ok(None) };
    let mut members = Members::default();
    for event in &events {
        if let Payload::Json(text) = event.payload() {
            // What is no object has no members; that it is JSON was checked when it was accepted.
            let _ = members.deserialize(&mut serde_json::Deserializer::from_str(text));
        }
    }
    let owned = members.list.into_iter().map(|(name, value)| (name.into_owned(), value.to_owned()));
    Ok(Some(State {
        members: owned.collect(),
        version: last.version(),
        event_count: events.len() as u64,
        last_updated: last.timestamp(),
    }))
}

/// Top-level members of objects in the order in which they first appeared.
#[derive(Default)]
struct Members<'e> {
    list: Vec<(Cow<'e, str>, &'e RawValue)>,
    places: HashMap<Cow<'e, str>, usize, RandomState>,
}

impl<'e> Members<'e> {
    fn set(&mut self, name: Cow<'e, str>, value: &'e RawValue) {
        match self.places.get(&name).and_then(|place| self.list.get_mut(*place)) {
            Some(member) => member.1 = value,
            None => {
                self.places.insert(name.clone(), self.list.len());
                self.list.push((name, value));
            }
        }
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
        while let Some((Name(name), value)) = object.next_entry()? {
            self.set(name, value);
        }
        Ok(())
    }
}
