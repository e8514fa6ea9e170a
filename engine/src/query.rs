//! Queries: which events to read, in which order, and how many.

use crate::event::{Entity, Filter};
use crate::position::Position;

/// The order of results: always by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Oldest first.
    #[default]
    Ascending,
    /// Newest first.
    Descending,
}

/// Which events to read. Bounds are inclusive, and a field that is not set does not restrict the result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Conditions on the events themselves.
    pub filter: Filter,
    /// Lowest position.
    pub from: Option<Position>,
    /// Highest position.
    pub to: Option<Position>,
    /// Oldest or newest first.
    pub order: Order,
    /// The most events to return. The search ends once it has found them.
    pub limit: Option<usize>,
}

impl Query {
    /// Everything.
    pub fn all() -> Self {
        Self::default()
    }

    /// Everything that matches `filter`.
    pub fn matching(filter: Filter) -> Self {
        Self { filter, ..Self::default() }
    }

    /// The history of one entity.
    pub fn entity(entity: &Entity) -> Self {
        Self::matching(Filter::entity(entity))
    }

    /// Newest first.
    #[must_use]
    pub fn newest_first(self) -> Self {
        Self { order: Order::Descending, ..self }
    }

    /// At most `limit` events.
    #[must_use]
    pub fn limit(self, limit: usize) -> Self {
        Self { limit: Some(limit), ..self }
    }
}
