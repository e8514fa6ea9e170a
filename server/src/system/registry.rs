//! Definitions by key. Each change is an event of the system log; the events are folded into a map.

use std::collections::BTreeMap;
use std::sync::Arc;

use allsource_engine::event::{Entity, EventRef, NewEvent, Payload};
use allsource_engine::{ExpectedVersion, Position, Version};
use parking_lot::RwLock;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::log::{Fold, Log};
use crate::problem::{Kind, Problem};

/// The last part of the type of an event: what happened to the definition.
const SET: &str = "set";
const REMOVED: &str = "removed";

/// A kind of definition.
pub trait Definition: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Its name in the system log: the first part of event types and entity ids.
    const KIND: &'static str;
}

/// A definition as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<T> {
    /// The definition.
    pub value: T,
    /// The version of its last change, which a conditional change expects.
    pub version: Version,
    /// The position of the event that made it.
    pub since: Position,
}

/// The definitions of one kind, as far as they are folded.
pub(super) struct Entries<T>(RwLock<BTreeMap<String, Arc<Entry<T>>>>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<T: Definition> Fold for Entries<T> {
    fn apply(&self, event: &EventRef) -> Result<(), String> {
        let names = (event.entity_id().split_once('/'), event.event_type().split_once('.'));
        let (Some((kind, key)), Some((of_kind, change))) = names else { return Ok(()) };
        if kind != T::KIND || of_kind != T::KIND {
            return Ok(());
        }
        let mut entries = self.0.write();
        match change {
            REMOVED => drop(entries.remove(key)),
            SET => {
                let Payload::Json(text) = event.payload() else {
                    return Err(format!("the definition {} is not JSON", event.entity_id()));
                };
                let value = serde_json::from_str(text).map_err(|error| {
                    format!("the definition {} cannot be read: {error}", event.entity_id())
                })?;
                let since = entries.get(key).map_or(event.position(), |entry| entry.since);
                entries.insert(key.to_owned(), Arc::new(Entry { value, version: event.version(), since }));
            }
            _ => return Err(format!("the change {} of {kind} is unknown", event.event_type())),
        }
        Ok(())
    }
}

/// The definitions of one kind.
pub struct Registry<T> {
    entries: Arc<Entries<T>>,
    log: Log,
}

impl<T: Definition> Registry<T> {
    pub(super) fn new(entries: Arc<Entries<T>>, log: Log) -> Self {
        Self { entries, log }
    }

    /// The definition of a key.
    pub fn get(&self, key: &str) -> Option<Arc<Entry<T>>> {
        self.entries.0.read().get(key).cloned()
    }

    /// All definitions, by key.
    pub fn list(&self) -> Vec<(String, Arc<Entry<T>>)> {
        self.entries.0.read().iter().map(|(key, entry)| (key.clone(), Arc::clone(entry))).collect()
    }

    /// Sets a definition whose last change has the expected version. Once this returns, every reader sees it.
    ///
    /// # Errors
    /// When the definition is at another version, or the system log cannot be written or read.
    pub async fn set(&self, key: &str, value: &T, expected: ExpectedVersion) -> Result<Version, Problem> {
        let payload = serde_json::to_string(value)
            .map_err(|error| Problem::new(Kind::INTERNAL, format!("a definition is not JSON: {error}")))?;
        self.change(key, SET, payload, expected).await
    }

    /// Removes a definition whose last change has the expected version.
    ///
    /// # Errors
    /// When the definition is at another version, or the system log cannot be written or read.
    pub async fn remove(&self, key: &str, expected: ExpectedVersion) -> Result<Version, Problem> {
        self.change(key, REMOVED, "{}".to_owned(), expected).await
    }

    async fn change(
        &self,
        key: &str,
        change: &str,
        payload: String,
        expected: ExpectedVersion,
    ) -> Result<Version, Problem> {
        let entity = Entity::new(format!("{}/{key}", T::KIND))?;
        let event = NewEvent::json(format!("{}.{change}", T::KIND), payload)?;
        self.log.append(entity, event, expected).await
    }
}
