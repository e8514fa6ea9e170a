//! The embedded API of AllSource 0.6, for programs written against it. New programs use [`crate::Engine`].
//!
//! ```
//! # use allsource_engine::compat as allsource_core;
//! use allsource_core::{EventStore, Event, QueryEventsRequest};
//! use serde_json::json;
//!
//! // Create store
//! let store = EventStore::new();
//!
//! // Ingest events
//! let event = Event::new(
//!     "user.created".to_string(),
//!     "user-123".to_string(),
//!     json!({
//!         "name": "Alice",
//!         "email": "alice@example.com"
//!     })
//! );
//! store.ingest(event)?;
//!
//! // Query events
//! let request = QueryEventsRequest {
//!     entity_id: Some("user-123".to_string()),
//!     ..Default::default()
//! };
//! let events = store.query(request)?;
//! # assert_eq!((events.len(), events[0].version), (1, 1));
//!
//! // Reconstruct state
//! let state = store.reconstruct_state("user-123", None)?;
//! println!("Current state: {}", state);
//! # assert_eq!(state["current_state"]["name"], "Alice");
//!
//! // Time-travel query
//! let timestamp = chrono::Utc::now() - chrono::Duration::hours(1);
//! # assert!(store.reconstruct_state("user-123", Some(timestamp)).is_err());
//! # let timestamp = chrono::Utc::now() + chrono::Duration::hours(1);
//! let past_state = store.reconstruct_state("user-123", Some(timestamp))?;
//! println!("State 1 hour ago: {}", past_state);
//! # Ok::<(), allsource_core::Error>(())
//! ```

pub mod event;
pub mod projection;
mod store;

pub use event::Event;
pub use store::{Error, EventStore, QueryEventsRequest};

/// The result of every operation here.
pub type Result<T> = std::result::Result<T, Error>;
