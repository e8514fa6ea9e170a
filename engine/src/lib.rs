//! An embeddable event store.
pub mod position;
pub mod event;
pub mod batch;
pub mod query;
pub mod error;
pub mod options;
pub mod platform;
pub mod planted;
mod manifest;
mod journal;

pub use batch::{Acknowledged, Batch, Commit, Committed, ExpectedVersion};
pub use options::{Durability, Options};
pub use position::{Position, Sequence, Version};
pub use query::{Order, Query};
