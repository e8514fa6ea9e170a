//! Batches: events that are appended together or not at all.

use std::fmt;

use uuid::Uuid;

use crate::event::{Entity, NewEvent, TenantId};
use crate::position::{Position, Sequence, Version};

/// The version that the caller expects an entity to have. Appends are checked in their order.
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
    /// The expectation that a number stands for: 0 is [`ExpectedVersion::Empty`].
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
/// Events are applied in order, and each sees the ones before it: an entity may be named twice.
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
    /// Tenants and ids: no event of the tenant may have the id.
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

    /// The entity last named must be at this version before the next event. Only that event is checked: if it is stored
    /// already, under its id, the events after it are appended without a check.
    pub fn expect(mut self, expected: ExpectedVersion) -> Self {
        let last = self.last();
        if last.events.is_empty() {
            last.expected = expected;
        } else {
            let next = Part { expected, ..Part::of(&last.entity) };
            self.parts.push(next);
        }
        self
    }

    /// Adds an event to the entity last named.
    pub fn event(mut self, event: NewEvent) -> Self {
        self.last().events.push(event);
        self
    }

    fn last(&mut self) -> &mut Part {
        #[expect(clippy::expect_used, reason = "a batch begins with a part, and parts are only added")]
        self.parts.last_mut().expect("a batch has a part")
    }

    /// Refuses the batch if only some of its events are stored already, under their ids: it must be stored as a whole.
    /// This is decided together with the append.
    pub fn alone(mut self) -> Self {
        self.is_alone = true;
        self
    }

    /// Refuses the batch if the tenant has an event of this id. This is decided together with the append.
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

/// What an acknowledged append survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledged {
    /// It is on the disk: it survives a crash of the process or of the system, and a loss of power.
    Synced,
    /// It was handed to the operating system: a crash of the system within the interval may lose it.
    Written,
}

/// An event's place in the log.
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
    /// Whether an earlier append with the same id had stored it already.
    pub replayed: bool,
}

/// The outcome of an append: one entry an event, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// One entry an event.
    pub events: Vec<Committed>,
    /// What the append survives.
    pub acknowledged: Acknowledged,
}
