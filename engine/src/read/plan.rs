//! Choosing the shortest list that holds every event a filter can match.

use std::sync::Arc;

use allsource_format::partition::key_hash;

use crate::error::ReadError;
use crate::event::{EntityKeyBuffer, EventRef, Filter, TenantId, key_of};
use crate::generation::{Generation, List, Names, Stretches};
use crate::planted::{self, Bug};
use crate::query::Query;
use crate::tail::{Postings, Tail, id_hash};

/// Where candidates come from, whatever layer they lie in.
pub(super) enum Plan {
    /// Every event.
    Everything,
    /// At most one: the event of an id of a tenant.
    Id(Box<str>, [u8; 16]),
    /// The events of an entity.
    Entity(EntityKeyBuffer),
    /// The events of a type or of a tag.
    Name(Names, EntityKeyBuffer),
    /// The events of all types whose keys begin so.
    TypesFrom(EntityKeyBuffer),
}

impl Plan {
    /// The most selective source for a filter.
    pub(super) fn choose(filter: &Filter) -> Self {
        let tenant =
            filter.tenant.as_ref().map(TenantId::as_str).filter(|_| !planted::is(Bug::DropTenantFilter));
        let Some(tenant) = tenant else { return Self::Everything };
        let key = |name: &str| key_of(tenant, name.as_bytes());
        if let Some(id) = filter.id {
            Self::Id(tenant.into(), id.into_bytes())
        } else if let Some(entity) = &filter.entity_id {
            Self::Entity(key(entity.as_str()))
        } else if let Some(tag) = &filter.tag {
            Self::Name(Names::Tags, key(tag.as_str()))
        } else if let Some(event_type) = &filter.event_type {
            Self::Name(Names::Types, key(event_type.as_str()))
        } else {
            Self::TypesFrom(key(filter.type_prefix.as_deref().unwrap_or("")))
        }
    }

    /// What of the filter is left to be looked at in each candidate.
    pub(super) fn rest(&self, filter: &Filter) -> Filter {
        let mut rest = filter.clone();
        match self {
            Self::Everything | Self::Id(..) => return rest,
            Self::Entity(_) => rest.entity_id = None,
            Self::Name(Names::Tags, _) => rest.tag = None,
            Self::Name(Names::Types, _) => rest.event_type = None,
            Self::TypesFrom(_) => rest.type_prefix = None,
        }
        rest.tenant = None;
        rest
    }

    /// Whether the candidates are exactly the events that match the filter.
    pub(super) fn is_exact(&self, filter: &Filter) -> bool {
        !matches!(self, Self::Id(..)) && self.rest(filter) == Filter::all()
    }

    /// The candidates in a tail.
    pub(super) fn in_tail(&self, tail: &Tail) -> InTail {
        let one_list = |list: Option<Arc<Postings>>| list.map_or(InTail::One(None), InTail::List);
        match self {
            Self::Everything => InTail::Everything,
            Self::Id(tenant, id) => InTail::One(tail.find_id(tenant, id)),
            Self::Entity(key) => one_list(tail.entity(key)),
            Self::Name(Names::Tags, key) => one_list(tail.tag(key)),
            Self::Name(Names::Types, key) => one_list(tail.event_type(key)),
            Self::TypesFrom(prefix) => InTail::Lists(tail.types_from(prefix)),
        }
    }

    /// The candidates in a generation.
    pub(super) fn in_generation(&self, generation: &Generation, query: &Query) -> Result<Sealed, ReadError> {
        Ok(match self {
            Self::Everything => Sealed::Everything,
            Self::Id(tenant, id) => {
                Sealed::One(generation.find_id(id_hash(tenant.as_bytes(), id), tenant, id)?)
            }
            Self::Entity(key) => {
                let from = query.from_version.map_or(0, |version| version.value());
                let end = query.to_version.map_or(u64::MAX, |version| version.value().saturating_add(1));
                Sealed::Stretches(generation.stretches(key_hash(key), key, from..end)?)
            }
            Self::Name(names, key) => {
                generation.list(*names, key)?.map_or(Sealed::One(None), |list| Sealed::Lists(vec![list]))
            }
            Self::TypesFrom(prefix) => Sealed::Lists(generation.types_from(prefix)?),
        })
    }
}

/// Candidates in a tail.
pub(super) enum InTail {
    Everything,
    One(Option<EventRef>),
    List(Arc<Postings>),
    /// Lists that share no event.
    Lists(Vec<Arc<Postings>>),
}

/// Candidates in a generation.
pub(super) enum Sealed {
    Everything,
    One(Option<EventRef>),
    Stretches(Stretches),
    /// Lists that share no event.
    Lists(Vec<List>),
}
