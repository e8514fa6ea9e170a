//! The event of AllSource 0.6.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::event::{EventRef, Payload};

/// An event that owns its contents.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its id.
    pub id: Uuid,
    /// Its type.
    pub event_type: String,
    /// The id of its entity.
    pub entity_id: String,
    /// Its tenant.
    pub tenant_id: String,
    /// Its payload.
    pub payload: Value,
    /// When it happened; `None` before it is ingested.
    pub timestamp: Option<DateTime<Utc>>,
    /// Its metadata.
    pub metadata: Option<Value>,
    /// Its version, from 1; 0 before it is ingested.
    pub version: u64,
}

impl Event {
    /// An event to be ingested.
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

/// The value of JSON text. Text that a [`Value`] cannot hold, such as half a surrogate pair, becomes a string of itself.
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
