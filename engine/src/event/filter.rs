//! Which events: conditions that must all hold.

use uuid::Uuid;

use super::entity::Entity;
use super::name::{EntityId, EventType, Tag, TenantId};
use super::stored::EventRef;
use crate::planted::{self, Bug};

/// Conditions on events; all that are given must hold. Empty: every event of every tenant.
///
/// ```
/// use allsource_engine::event::{EventType, Filter};
/// let filter = Filter { event_type: Some(EventType::new("order.placed")?), ..Filter::all() };
/// # Ok::<(), allsource_engine::event::NameError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only this tenant's events.
    pub tenant: Option<TenantId>,
    /// Only events of entities with this id.
    pub entity_id: Option<EntityId>,
    /// Only events of this type.
    pub event_type: Option<EventType>,
    /// Only events whose type begins so.
    pub type_prefix: Option<String>,
    /// Only events that carry this tag.
    pub tag: Option<Tag>,
    /// Only the event of this id.
    pub id: Option<Uuid>,
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

    /// Whether every condition holds for this event.
    pub fn matches(&self, event: &EventRef) -> bool {
        let record = event.record();
        self.tenant
            .as_ref()
            .is_none_or(|t| t.as_str() == record.tenant() || planted::is(Bug::DropTenantFilter))
            && self.entity_id.as_ref().is_none_or(|e| e.as_str() == record.entity_id())
            && self.event_type.as_ref().is_none_or(|t| t.as_str() == record.event_type())
            && self.type_prefix.as_ref().is_none_or(|p| record.event_type().starts_with(p.as_str()))
            && self.tag.as_ref().is_none_or(|t| record.tags().any(|tag| tag == t.as_str()))
            && self.id.is_none_or(|id| id.into_bytes() == record.id())
    }
}
