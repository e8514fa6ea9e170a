//! An embeddable event store: one durable log, the state of entities as of any moment, and subscriptions that never lose
//! an event.
//!
//! ```
//! use allsource_engine::event::{Entity, NewEvent};
//! use allsource_engine::{AsOf, Batch, Engine, ExpectedVersion, Query, Start};
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path();
//! let engine = Engine::open(path)?;
//! let user = Entity::new("user-1")?;
//! let created = NewEvent::json("user.created", r#"{"name":"Ada"}"#)?;
//! let commit = engine.append(Batch::to(&user).expect(ExpectedVersion::Empty).event(created)).wait()?;
//! assert_eq!(commit.events[0].version.value(), 1);
//! for event in engine.read(&Query::entity(&user))? {
//!     println!("{}", event?.event_type());
//! }
//! let state = engine.fold(&user, AsOf::Now)?.ok_or("no such user")?;
//! assert_eq!(state.to_json(), r#"{"name":"Ada"}"#);
//! let mut live = engine.subscribe(Start::Beginning, Default::default())?;
//! assert!(live.try_next().is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The order of the modules below is the order of dependency and of reading: a module uses only those above it.

mod number;
pub mod planted;
pub mod position;
mod lineage;
pub mod json;
pub mod event;
pub mod batch;
pub mod query;
pub mod error;
pub mod platform;
pub mod holder;
pub mod options;
mod manifest;
mod journal;
mod signal;
mod sealed;
mod generation;
mod heads;
mod tail;
mod view;
mod load;
mod watermark;
mod subscribers;
mod append;
mod sequencer;
mod committer;
mod read;
mod state;
mod snapshot;
mod fold;
mod subscribe;
mod upkeep;
mod open;
pub mod inspect;
mod drive;
mod compose;
mod vitals;
mod engine;
pub mod compat;

pub use append::{Append, AppendFuture, LookUp, Prepared, Ready};
pub use batch::{Acknowledged, Batch, Commit, Committed, ExpectedVersion};
pub use drive::Step;
pub use engine::Engine;
pub use error::{AppendError, Damage, FoldError, OpenError, ReadError, SealError, Unavailable};
pub use fold::AsOf;
pub use lineage::{Cursor, CursorError, Incarnation, InvalidCursor};
pub use options::{Durability, Options, ReadMode};
pub use position::{Position, Sequence, Version};
pub use query::{Order, Query};
pub use read::{Events, Found};
pub use snapshot::{Cause, Snapshot};
pub use state::State;
pub use subscribe::{Message, Start, Subscription};
pub use upkeep::TaskReport;
pub use view::Resident;
pub use vitals::{Counters, Health, Stats};

/// Compiles the Rust examples of the guide.
#[cfg(doctest)]
#[doc = include_str!("../../docs/guide.md")]
pub struct Guide;
