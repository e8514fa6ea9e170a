//! An event as AllSource 0.6 showed it.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::event::{EventRef, Payload};

/// An event with everything in memory of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its id.
    pub id: Uuid,
    /// What happened.
    pub event_type: String,
    /// To which entity.
    pub entity_id: String,
    /// Of which tenant.
    pub tenant_id: String,
    /// What it carries.
    pub payload: Value,
    /// When it happened; before it is ingested: unknown.
    pub timestamp: Option<DateTime<Utc>>,
    /// What is said about it.
    pub metadata: Option<Value>,
    /// Its version, from 1; before it is ingested: 0.
    pub version: u64,
}

impl Event {
    /// An event that is to be ingested.
    pub fn new(event_type: String, entity_id: String, payload: Value) -> Self {
        Self {
            id: Uuid::nil(),
            event_type,
            entity_id,
            tenant_id: "default".to_owned(),
            payload,
            timestamp: None,
            metadata: None,
            version: 0,
        }
    }
}

/// The value of JSON text. What a [`Value`] cannot hold, such as half of a surrogate pair, comes as the text.
pub(super) fn value_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}

impl From<&EventRef> for Event {
    fn from(event: &EventRef) -> Self {
        let payload = match event.payload() {
            Payload::Json(text) => value_of(text),
            Payload::Bytes(bytes) => Value::from(bytes),
        };
        Self {
            id: event.id(),
            event_type: event.event_type().to_owned(),
            entity_id: event.entity_id().to_owned(),
            tenant_id: event.tenant().to_owned(),
            payload,
            timestamp: Some(event.timestamp().to_datetime()),
            metadata: event.metadata().map(value_of),
            version: event.version().value(),
        }
    }
}
