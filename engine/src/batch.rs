//! What is appended in one piece: all of it, or nothing.

use std::fmt;

use uuid::Uuid;

use crate::event::{Entity, NewEvent, TenantId};
use crate::position::{Position, Sequence, Version};

/// What the caller believes about an entity's version; checked in the order of appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpectedVersion {
    /// Anything.
    Any,
    /// It has no events.
    Empty,
    /// It has events.
    Exists,
    /// Its last event has this version.
    At(Version),
}

impl ExpectedVersion {
    /// The expectation that a plain number stands for: 0 is [`ExpectedVersion::Empty`].
    pub fn number(version: u64) -> Self {
        Version::new(version).map_or(Self::Empty, Self::At)
    }

    pub(crate) fn admits(self, head: Option<Version>) -> bool {
        match self {
            Self::Any => true,
            Self::Empty => head.is_none(),
            Self::Exists => head.is_some(),
            Self::At(version) => head == Some(version),
        }
    }
}

impl fmt::Display for ExpectedVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Empty => f.write_str("0"),
            Self::Exists => f.write_str("at least 1"),
            Self::At(version) => version.fmt(f),
        }
    }
}

/// Consecutive events of one entity in a batch.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) entity: Entity,
    pub(crate) expected: ExpectedVersion,
    pub(crate) events: Vec<NewEvent>,
}

/// Events to be appended together, to one entity or to several.
///
/// Parts are applied in order, each seeing the ones before it: an entity may come twice.
///
/// ```
/// use allsource_engine::{Batch, ExpectedVersion};
/// use allsource_engine::event::{Entity, NewEvent};
/// let (order, stock) = (Entity::new("order-1")?, Entity::new("stock-9")?);
/// let batch = Batch::to(&order)
///     .expect(ExpectedVersion::Empty)
///     .event(NewEvent::json("order.placed", r#"{"items":1}"#)?)
///     .and_to(&stock)
///     .event(NewEvent::json("stock.reserved", r#"{"items":1}"#)?);
/// assert_eq!(batch.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Batch {
    pub(crate) parts: Vec<Part>,
    /// Ids of tenants that no event may have.
    pub(crate) absent: Vec<(TenantId, Uuid)>,
    pub(crate) is_alone: bool,
}

impl Batch {
    /// A batch whose first events are for `entity`.
    pub fn to(entity: &Entity) -> Self {
        Self { parts: vec![Part::of(entity)], absent: Vec::new(), is_alone: false }
    }

    /// The events that follow are for `entity`.
    pub fn and_to(mut self, entity: &Entity) -> Self {
        self.parts.push(Part::of(entity));
        self
    }

    /// The entity last named must be at this version before the next event. It is that event alone that expects it: if
    /// it is there already, by its id, nothing is checked for those after it.
    pub fn expect(mut self, expected: ExpectedVersion) -> Self {
        let last = self.parts.last_mut();
        match last {
            Some(part) if part.events.is_empty() => part.expected = expected,
            Some(part) => {
                let next = Part { expected, ..Part::of(&part.entity) };
                self.parts.push(next);
            }
            None => {}
        }
        self
    }

    /// Adds an event to the entity last named.
    pub fn event(mut self, event: NewEvent) -> Self {
        if let Some(part) = self.parts.last_mut() {
            part.events.push(event);
        }
        self
    }

    /// The events belong together: either all of them are there already, by their ids, or none is. Decided together with
    /// the append.
    pub fn alone(mut self) -> Self {
        self.is_alone = true;
        self
    }

    /// A tenant must have no event of this id. Decided together with the append.
    pub fn expect_absent(mut self, tenant: &TenantId, id: Uuid) -> Self {
        self.absent.push((tenant.clone(), id));
        self
    }

    /// How many events it holds.
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| part.events.len()).sum()
    }

    /// Whether it holds no events.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Part {
    fn of(entity: &Entity) -> Self {
        Self { entity: entity.clone(), expected: ExpectedVersion::Any, events: Vec::new() }
    }
}

/// How far an acknowledged append is from being lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledged {
    /// It is on the disk: it survives a crash of the process, of the system, and a loss of power.
    Synced,
    /// It was handed to the operating system: a crash of the system within the interval may lose it.
    Written,
}

/// Where an event ended up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The event's id.
    pub id: uuid::Uuid,
    /// Its place in the store.
    pub position: Position,
    /// Its place in its entity's history.
    pub version: Version,
    /// Its place in its partition.
    pub sequence: Sequence,
    /// Its commit time.
    pub recorded_at: crate::event::Timestamp,
    /// Its own time.
    pub timestamp: crate::event::Timestamp,
    /// Whether it was there already, from an earlier append of the same id.
    pub replayed: bool,
}

/// The outcome of an append: one entry an event, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// One entry an event.
    pub events: Vec<Committed>,
    /// What the acknowledgement is worth.
    pub acknowledged: Acknowledged,
}
