//! The store of AllSource 0.6.

use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::Result;
use super::event::{Event, value_of};
use super::projection::Projection;
use crate::batch::Batch;
use crate::engine::Engine;
use crate::error::{AppendError, FoldError, OpenError, ReadError};
use crate::event::{Entity, EntityId, EventType, Filter, InvalidEvent, InvalidTime, NameError, NewEvent};
use crate::event::{TenantId, Timestamp};
use crate::fold::AsOf;
use crate::options::Options;
use crate::platform::sim::SimDisk;
use crate::platform::{SystemClock, SystemEntropy};
use crate::query::Query;

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The event breaks a rule.
    #[error("Invalid event: {0}")]
    InvalidEvent(#[from] InvalidEvent),
    /// A name breaks a rule.
    #[error("Invalid input: {0}")]
    InvalidName(#[from] NameError),
    /// A time is out of range.
    #[error("Invalid input: the time {0}")]
    InvalidTime(#[from] InvalidTime),
    /// The append failed.
    #[error("{0}")]
    Append(#[from] AppendError),
    /// The read failed.
    #[error("Storage error: {0}")]
    Read(#[from] ReadError),
    /// The state could not be folded.
    #[error("Storage error: {0}")]
    Fold(#[from] FoldError),
    /// The store could not be opened.
    #[error("Storage error: {0}")]
    Open(#[from] OpenError),
    /// The entity had no events at that time.
    #[error("Entity not found: {0}")]
    EntityNotFound(String),
}

/// The conditions on the events of a query. An event must meet all that are set.
#[derive(Debug, Clone, Default)]
pub struct QueryEventsRequest {
    /// The id of its entity.
    pub entity_id: Option<String>,
    /// Its type.
    pub event_type: Option<String>,
    /// Its tenant; `default` if not set.
    pub tenant_id: Option<String>,
    /// At or before this time.
    pub as_of: Option<DateTime<Utc>>,
    /// At or after this time.
    pub since: Option<DateTime<Utc>>,
    /// At or before this time.
    pub until: Option<DateTime<Utc>>,
    /// The most events to return, oldest first.
    pub limit: Option<usize>,
}

/// An event store: in memory, or in a folder.
pub struct EventStore {
    engine: Engine,
}

impl Default for EventStore {
    fn default() -> Self {
        Self::new()
    }
}

impl EventStore {
    /// A store in memory, which is lost when it is dropped.
    pub fn new() -> Self {
        let disk = Arc::new(SimDisk::new(0));
        let options = Options { journal_file_bytes: 16 << 20, ..Options::default() };
        let engine =
            Engine::open_on(disk, Arc::new(SystemClock::default()), Arc::new(SystemEntropy), options);
        #[expect(clippy::expect_used, reason = "a simulated disk without faults refuses nothing")]
        let engine = engine.expect("a store in memory opens");
        Self { engine }
    }

    /// Opens the store in a folder, or creates it.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Ok(Self { engine: Engine::open(path)? })
    }

    /// Appends an event and waits until it is durable.
    ///
    /// # Errors
    /// When the event breaks a rule, or the append fails.
    pub fn ingest(&self, event: Event) -> Result<()> {
        let entity = Entity::of(TenantId::new(event.tenant_id)?, EntityId::new(event.entity_id)?);
        let mut new = NewEvent::json(event.event_type, event.payload.to_string())?;
        if let Some(metadata) = event.metadata {
            new = new.metadata(metadata.to_string())?;
        }
        if let Some(timestamp) = event.timestamp {
            new = new.timestamp(timestamp.try_into()?);
        }
        if !event.id.is_nil() {
            new = new.id(event.id);
        }
        self.engine.append(Batch::to(&entity).event(new)).wait()?;
        Ok(())
    }

    /// The events that match a request, oldest first.
    ///
    /// # Errors
    /// When a name breaks a rule, or the data is damaged.
    pub fn query(&self, request: QueryEventsRequest) -> Result<Vec<Event>> {
        let until = request.until.into_iter().chain(request.as_of).min();
        let filter = Filter {
            tenant: Some(request.tenant_id.map_or_else(|| Ok(TenantId::default()), TenantId::new)?),
            entity_id: request.entity_id.map(EntityId::new).transpose()?,
            types: request.event_type.map(EventType::new).transpose()?.into_iter().collect(),
            since: request.since.map(Timestamp::try_from).transpose()?,
            until: until.map(Timestamp::try_from).transpose()?,
            ..Filter::all()
        };
        let query = Query { limit: request.limit, ..Query::matching(filter) };
        self.engine.read(&query)?.map(|event| Ok(Event::from(&event?))).collect()
    }

    /// The state of an entity of the tenant `default`, now or as of a time.
    ///
    /// # Errors
    /// When it had no events then, or the data is damaged.
    pub fn reconstruct_state(&self, entity_id: &str, as_of: Option<DateTime<Utc>>) -> Result<Value> {
        let as_of = as_of.map(Timestamp::try_from).transpose()?;
        let moment = as_of.map_or(AsOf::Now, AsOf::Time);
        let state = self.engine.fold(&Entity::new(entity_id)?, moment)?;
        let state = state.ok_or_else(|| Error::EntityNotFound(entity_id.to_owned()))?;
        Ok(json!({
            "entity_id": entity_id,
            "last_updated": state.last_updated().to_string(),
            "event_count": state.event_count(),
            "as_of": as_of.map(|time| time.to_string()),
            "current_state": value_of(&state.to_json()),
        }))
    }

    /// Feeds every event to a projection, oldest first, after clearing it.
    ///
    /// # Errors
    /// The projection's own, at the first event it refuses, or when the data is damaged.
    pub fn project(&self, projection: &dyn Projection) -> Result<()> {
        projection.clear();
        for event in self.engine.read(&Query::all())? {
            projection.process(&Event::from(&event?))?;
        }
        Ok(())
    }
}
