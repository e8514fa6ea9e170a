//! Choosing the shortest list that holds every event a filter can match.

use std::sync::Arc;

use crate::event::{EventRef, Filter, TenantId, key_of};
use crate::planted::{self, Bug};
use crate::tail::Postings;
use crate::view::View;

/// Where candidates come from.
pub(super) enum Source {
    /// Every event.
    Everything,
    /// At most this one.
    One(Option<EventRef>),
    /// The events of a list.
    List(Arc<Postings>),
    /// The events of several lists that share none.
    Lists(Vec<Arc<Postings>>),
}

impl Source {
    /// The most selective source for a filter.
    pub(super) fn choose(view: &View, filter: &Filter) -> Self {
        let tenant =
            filter.tenant.as_ref().map(TenantId::as_str).filter(|_| !planted::is(Bug::DropTenantFilter));
        let Some(tenant) = tenant else { return Self::Everything };
        let tail = &view.tail;
        let key = |name: &str| key_of(tenant, name.as_bytes());
        let one_list = |list: Option<Arc<Postings>>| list.map_or(Self::One(None), Self::List);
        if let Some(id) = filter.id {
            Self::One(tail.find_id(tenant, id.as_bytes()).and_then(|event| view.visible(event)))
        } else if let Some(entity) = &filter.entity_id {
            one_list(tail.entity(&key(entity.as_str())))
        } else if let Some(tag) = &filter.tag {
            one_list(tail.tag(&key(tag.as_str())))
        } else if let Some(event_type) = &filter.event_type {
            one_list(tail.event_type(&key(event_type.as_str())))
        } else {
            let prefix = filter.type_prefix.as_deref().unwrap_or("");
            Self::Lists(tail.types_from(&key(prefix)))
        }
    }

    /// What of the filter is left to be looked at in each event of this source.
    pub(super) fn rest(&self, filter: &Filter) -> Filter {
        let mut rest = filter.clone();
        if let Self::List(_) | Self::Lists(_) = self {
            rest.tenant = None;
            if rest.entity_id.take().is_none()
                && rest.tag.take().is_none()
                && rest.event_type.take().is_none()
            {
                rest.type_prefix = None;
            }
        }
        rest
    }

    /// How many events match the filter, if this source holds exactly those.
    pub(super) fn count(&self, view: &View, filter: &Filter) -> Option<u64> {
        let Filter { tenant: _, entity_id, event_type, type_prefix, tag, id } = filter;
        let used =
            [entity_id.is_some(), event_type.is_some(), type_prefix.is_some(), tag.is_some(), id.is_some()];
        let conditions = used.iter().filter(|is_used| **is_used).count();
        match self {
            Self::One(None) => Some(0),
            Self::One(Some(event)) => Some(u64::from(filter.matches(event))),
            Self::Everything => (*filter == Filter::all()).then_some(view.watermark),
            Self::List(list) => (conditions == 1).then(|| view.count(list) as u64),
            Self::Lists(lists) => {
                (conditions <= 1).then(|| lists.iter().map(|list| view.count(list) as u64).sum())
            }
        }
    }
}
