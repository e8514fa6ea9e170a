//! What to read, in which order, and how much of it.

use crate::event::{Entity, EventRef, Filter, Timestamp};
use crate::position::{Position, Version};

/// The order of results: always by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Oldest first.
    #[default]
    Ascending,
    /// Newest first.
    Descending,
}

/// Which events to read. Every bound is inclusive; what is not given does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Conditions on the events themselves.
    pub filter: Filter,
    /// Lowest position.
    pub from: Option<Position>,
    /// Highest position.
    pub to: Option<Position>,
    /// Lowest version within the entity.
    pub from_version: Option<Version>,
    /// Highest version within the entity.
    pub to_version: Option<Version>,
    /// Earliest timestamp.
    pub since: Option<Timestamp>,
    /// Latest timestamp.
    pub until: Option<Timestamp>,
    /// Oldest or newest first.
    pub order: Order,
    /// Most events to return. It bounds the work, not only the answer.
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

    /// Whether the bounds other than positions admit the event, and `conditions`, what is left of the filter, hold.
    pub(crate) fn admits(&self, event: &EventRef, conditions: &Filter) -> bool {
        let version = event.version();
        self.from_version.is_none_or(|least| version >= least)
            && self.to_version.is_none_or(|most| version <= most)
            && self.since.is_none_or(|earliest| event.timestamp() >= earliest)
            && self.until.is_none_or(|latest| event.timestamp() <= latest)
            && conditions.matches(event)
    }

    /// Whether versions do not restrict the result.
    pub(crate) fn has_no_version_bounds(&self) -> bool {
        self.from_version.is_none() && self.to_version.is_none()
    }

    /// Whether nothing but positions and the filter restricts the result.
    pub(crate) fn has_no_other_bounds(&self) -> bool {
        self.has_no_version_bounds() && self.since.is_none() && self.until.is_none()
    }
}
