//! Filters: conditions on events.

use std::ops::RangeInclusive;

use allsource_format::record::Record;
use uuid::Uuid;

use super::entity::Entity;
use super::name::{EntityId, EventType, Tag, TenantId};
use super::stored::EventRef;
use super::time::Timestamp;
use crate::planted::{self, Bug};
use crate::position::Version;

/// Conditions on events. An event must meet all that are set, and bounds are inclusive. An empty filter matches every event
/// of every tenant.
///
/// ```
/// use allsource_engine::event::{EventType, Filter, Tag, TenantId};
/// let filter = Filter::tenant(TenantId::default())
///     .of_type(EventType::new("order.placed")?)
///     .of_type(EventType::new("order.paid")?)
///     .tagged(Tag::new("vip")?);
/// assert_eq!(filter.types.len(), 2);
/// # Ok::<(), allsource_engine::event::NameError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Only this tenant's events.
    pub tenant: Option<TenantId>,
    /// Only events of entities with this id.
    pub entity_id: Option<EntityId>,
    /// Only events of entities whose id begins with this text. No index holds it: candidates are read.
    pub entity_prefix: Option<String>,
    /// Only events of one of these types; empty: of any type.
    pub types: Vec<EventType>,
    /// Only events whose type begins with one of these texts; empty: of any type.
    pub type_prefixes: Vec<String>,
    /// No events whose type begins with one of these texts.
    pub exclude_type_prefixes: Vec<String>,
    /// Only events that carry all of these tags.
    pub tags: Vec<Tag>,
    /// Only the event of this id.
    pub id: Option<Uuid>,
    /// Lowest version within the entity, inclusive.
    pub from_version: Option<Version>,
    /// Highest version within the entity, inclusive.
    pub to_version: Option<Version>,
    /// Earliest timestamp, inclusive.
    pub since: Option<Timestamp>,
    /// Latest timestamp, inclusive.
    pub until: Option<Timestamp>,
}

impl Filter {
    /// Every event.
    pub fn all() -> Self {
        Self::default()
    }

    /// The events of one entity.
    pub fn entity(entity: &Entity) -> Self {
        let (tenant, entity_id) = (Some(entity.tenant().clone()), Some(entity.id().clone()));
        Self { tenant, entity_id, ..Self::default() }
    }

    /// Every event of one tenant.
    pub fn tenant(tenant: TenantId) -> Self {
        Self { tenant: Some(tenant), ..Self::default() }
    }

    /// Only events of this type; called again, of any of these types.
    #[must_use]
    pub fn of_type(mut self, event_type: EventType) -> Self {
        self.types.push(event_type);
        self
    }

    /// Only events whose type begins with this text; called again, with any of these texts.
    #[must_use]
    pub fn of_type_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.type_prefixes.push(prefix.into());
        self
    }

    /// No events whose type begins with this text.
    #[must_use]
    pub fn without_type_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.exclude_type_prefixes.push(prefix.into());
        self
    }

    /// Only events that carry this tag; called again, all of these tags.
    #[must_use]
    pub fn tagged(mut self, tag: Tag) -> Self {
        self.tags.push(tag);
        self
    }

    /// Only events of entities whose id begins with this text.
    #[must_use]
    pub fn of_entity_prefix(self, prefix: impl Into<String>) -> Self {
        Self { entity_prefix: Some(prefix.into()), ..self }
    }

    /// Only events of this version of their entity, and higher ones.
    #[must_use]
    pub fn since_version(self, version: Version) -> Self {
        Self { from_version: Some(version), ..self }
    }

    /// Only events of this version of their entity, and lower ones.
    #[must_use]
    pub fn until_version(self, version: Version) -> Self {
        Self { to_version: Some(version), ..self }
    }

    /// Only events with this timestamp or a later one.
    #[must_use]
    pub fn since(self, time: Timestamp) -> Self {
        Self { since: Some(time), ..self }
    }

    /// Only events with this timestamp or an earlier one.
    #[must_use]
    pub fn until(self, time: Timestamp) -> Self {
        Self { until: Some(time), ..self }
    }

    /// Whether every condition holds for this event.
    pub fn matches(&self, event: &EventRef) -> bool {
        self.matches_record(&event.record())
    }

    pub(crate) fn matches_record(&self, record: &Record<'_>) -> bool {
        self.tenant
            .as_ref()
            .is_none_or(|t| t.as_str() == record.tenant() || planted::is(Bug::DropTenantFilter))
            && self.entity_id.as_ref().is_none_or(|e| e.as_str() == record.entity_id())
            && self.entity_prefix.as_ref().is_none_or(|p| record.entity_id().starts_with(p.as_str()))
            && (self.has_no_type_conditions() || self.admits_type(record.event_type()))
            && self.tags.iter().all(|wanted| record.tags().any(|tag| tag == wanted.as_str()))
            && self.id.is_none_or(|id| id.into_bytes() == record.id())
            && self.from_version.is_none_or(|least| record.version() >= least.value())
            && self.to_version.is_none_or(|most| record.version() <= most.value())
            && self.times().is_none_or(|times| times.contains(&record.timestamp()))
    }

    /// Whether an event may be of this type.
    pub fn admits_type(&self, event_type: &str) -> bool {
        let begins_so = |prefix: &String| event_type.starts_with(prefix.as_str());
        (self.types.is_empty() || self.types.iter().any(|wanted| wanted.as_str() == event_type))
            && (self.type_prefixes.is_empty() || self.type_prefixes.iter().any(begins_so))
            && !self.exclude_type_prefixes.iter().any(begins_so)
    }

    /// The timestamps that are wanted, in microseconds; `None`: all.
    pub(crate) fn times(&self) -> Option<RangeInclusive<i64>> {
        (self.since.is_some() || self.until.is_some()).then(|| {
            self.since.map_or(i64::MIN, Timestamp::micros)..=self.until.map_or(i64::MAX, Timestamp::micros)
        })
    }

    /// Whether events of every version are wanted.
    pub(crate) fn has_no_version_bounds(&self) -> bool {
        self.from_version.is_none() && self.to_version.is_none()
    }

    /// Whether events of every type are wanted.
    pub(crate) fn has_no_type_conditions(&self) -> bool {
        self.types.is_empty() && self.type_prefixes.is_empty() && self.exclude_type_prefixes.is_empty()
    }
}
