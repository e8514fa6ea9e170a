//! Events: their names and times, events to be appended, events that were read, and filters over them.

mod name;
mod time;
mod entity;
mod new;
mod block;
mod stored;
mod filter;

pub use block::Block;
pub use entity::Entity;
pub use filter::Filter;
pub use name::{EntityId, EventType, NameError, Tag, TenantId};
pub use new::{InvalidEvent, NewEvent, Payload};
pub use stored::EventRef;
pub use time::{InvalidTime, Timestamp};

pub(crate) use entity::{KeyBuffer, key_of, split_key};
pub(crate) use stored::record_at;
