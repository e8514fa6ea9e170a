//! Chooses, for each layer, the shortest list that holds every event that can match a filter.

use std::sync::Arc;

use allsource_format::partition::key_hash;

use super::source::{Effort, Gathered, Source};
use crate::error::ReadError;
use crate::event::{EventRef, Filter, TenantId, key_of};
use crate::generation::{Generation, List, Stretches};
use crate::planted::{self, Bug};
use crate::tail::{Postings, Tail, id_hash};

/// A list of at most this many events is walked without looking for a shorter one.
const SHORT: u64 = 64;

/// How to find the candidates of a filter in any layer.
pub(super) struct Plan {
    lookup: Lookup,
    /// The whole filter.
    whole: Filter,
}

enum Lookup {
    /// Every event.
    Everything,
    /// At most one: the event with an id of a tenant.
    Id(Box<str>, [u8; 16]),
    /// Each of these lists holds every match.
    Lists(Vec<Choice>),
}

/// A list, and the conditions that remain to be checked on each of its events.
struct Choice {
    source: Source,
    rest: Filter,
}

/// Which conditions remain to be checked on each candidate of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    Whole,
    OfChoice(usize),
}

impl Plan {
    /// The lists that hold every match of a filter.
    pub(super) fn of(filter: &Filter) -> Self {
        let tenant =
            filter.tenant.as_ref().map(TenantId::as_str).filter(|_| !planted::is(Bug::DropTenantFilter));
        let lookup = match (tenant, filter.id) {
            (None, _) => Lookup::Everything,
            (Some(tenant), Some(id)) => Lookup::Id(tenant.into(), id.into_bytes()),
            (Some(tenant), None) => Lookup::Lists(choices(tenant, filter)),
        };
        Self { lookup, whole: filter.clone() }
    }

    /// The conditions that remain to be checked.
    pub(super) fn rest(&self, rest: Rest) -> &Filter {
        match (&self.lookup, rest) {
            (Lookup::Lists(choices), Rest::OfChoice(number)) => {
                #[expect(clippy::expect_used, reason = "the number was counted over these choices")]
                let choice = choices.get(number).expect("the plan has this choice");
                &choice.rest
            }
            _ => &self.whole,
        }
    }

    /// Whether it looks for the event with one id.
    pub(super) fn is_of_one_id(&self) -> bool {
        matches!(self.lookup, Lookup::Id(..))
    }

    /// Whether one list holds exactly the matches, apart from bounds on timestamps.
    pub(super) fn is_exact(&self) -> bool {
        match &self.lookup {
            Lookup::Everything => self.leaves_only_times(Rest::Whole),
            Lookup::Id(..) => false,
            Lookup::Lists(choices) => choices.len() == 1 && self.leaves_only_times(Rest::OfChoice(0)),
        }
    }

    /// Whether every candidate matches the filter.
    pub(super) fn leaves_nothing(&self, rest: Rest) -> bool {
        *self.rest(rest) == Filter::all()
    }

    /// Whether every candidate with a timestamp within the bounds matches the filter.
    pub(super) fn leaves_only_times(&self, rest: Rest) -> bool {
        let Filter { since, until, .. } = self.whole;
        *self.rest(rest) == Filter { since, until, ..Filter::all() }
    }

    /// The candidates in a tail, and the conditions that remain.
    pub(super) fn in_tail(&self, tail: &Tail, effort: Effort) -> (InTail, Rest) {
        let choices = match &self.lookup {
            Lookup::Everything => return (InTail::Everything, Rest::Whole),
            Lookup::Id(tenant, id) => return (InTail::One(tail.find_id(tenant, id)), Rest::Whole),
            Lookup::Lists(choices) => choices,
        };
        let mut best = None;
        for (number, choice) in choices.iter().enumerate() {
            let (found, events) = match choice.source.in_tail(tail, effort) {
                Gathered::Lists(lists) if lists.is_empty() => return (InTail::One(None), Rest::Whole),
                Gathered::Lists(lists) => {
                    let events = lists.iter().map(|list| list.len() as u64).sum();
                    ((InTail::Lists(lists), Rest::OfChoice(number)), events)
                }
                Gathered::TooMany => ((InTail::Everything, Rest::Whole), effort.window),
            };
            if keep_shorter(&mut best, found, events) {
                break;
            }
        }
        #[expect(clippy::expect_used, reason = "a plan with lists has at least one choice")]
        best.map(|(found, _)| found).expect("one of the choices is the shortest")
    }

    /// The candidates in a generation, and the conditions that remain.
    pub(super) fn in_generation(
        &self,
        generation: &Generation,
        effort: Effort,
    ) -> Result<(Sealed, Rest), ReadError> {
        let choices = match &self.lookup {
            Lookup::Everything => return Ok((Sealed::Everything, Rest::Whole)),
            Lookup::Id(tenant, id) => {
                let hash = id_hash(tenant.as_bytes(), id);
                return Ok((Sealed::One(generation.find_id(hash, tenant, id)?), Rest::Whole));
            }
            Lookup::Lists(choices) => choices,
        };
        let (mut best, filter) = (None, &self.whole);
        for (number, choice) in choices.iter().enumerate() {
            let rest = Rest::OfChoice(number);
            let (found, events) = match &choice.source {
                Source::Entity(key) => {
                    let from = filter.from_version.map_or(0, |version| version.value());
                    let end = filter.to_version.map_or(u64::MAX, |version| version.value().saturating_add(1));
                    let stretches = generation.stretches(key_hash(key), key, from..end)?;
                    let events = if choices.len() == 1 { 0 } else { stretches.events_at_most(generation)? };
                    ((Sealed::Stretches(stretches), rest), events)
                }
                named => match named.in_generation(generation, effort)? {
                    Gathered::Lists(lists) if lists.is_empty() => {
                        return Ok((Sealed::One(None), Rest::Whole));
                    }
                    Gathered::Lists(lists) => {
                        let events = lists.iter().map(List::len).sum();
                        ((Sealed::Lists(lists), rest), events)
                    }
                    Gathered::TooMany => ((Sealed::Everything, Rest::Whole), effort.window),
                },
            };
            if keep_shorter(&mut best, found, events) {
                break;
            }
        }
        #[expect(clippy::expect_used, reason = "a plan with lists has at least one choice")]
        Ok(best.map(|(found, _)| found).expect("one of the choices is the shortest"))
    }
}

/// Keeps the shorter of two lists. True: it is short enough to stop searching.
fn keep_shorter<T>(best: &mut Option<(T, u64)>, found: T, events: u64) -> bool {
    if best.as_ref().is_none_or(|(_, fewest)| events < *fewest) {
        *best = Some((found, events));
    }
    best.as_ref().is_some_and(|(_, fewest)| *fewest <= SHORT)
}

/// The lists of a tenant that hold every match; at least one.
fn choices(tenant: &str, filter: &Filter) -> Vec<Choice> {
    let key = |name: &str| key_of(tenant, name.as_bytes());
    let without_tenant = Filter { tenant: None, ..filter.clone() };
    let mut choices = Vec::new();
    if let Some(entity) = &filter.entity_id {
        let rest = Filter { entity_id: None, ..without_tenant.clone() };
        choices.push(Choice { source: Source::Entity(key(entity.as_str())), rest });
        if !filter.has_no_version_bounds() {
            // Bounds on versions narrow the list of the entity only.
            return choices;
        }
    }
    for (number, tag) in filter.tags.iter().enumerate() {
        if filter.tags.iter().take(number).any(|earlier| earlier == tag) {
            continue;
        }
        let others = filter.tags.iter().filter(|other| *other != tag).cloned().collect();
        let rest = Filter { tags: others, ..without_tenant.clone() };
        choices.push(Choice { source: Source::Tag(key(tag.as_str())), rest });
    }
    if choices.is_empty() || !filter.has_no_type_conditions() {
        let rest = Filter {
            types: Vec::new(),
            type_prefixes: Vec::new(),
            exclude_type_prefixes: Vec::new(),
            ..without_tenant
        };
        choices.push(Choice { source: Source::of_types(tenant, filter), rest });
    }
    assert!(!choices.is_empty(), "every event of a tenant has a type");
    let is_within = |choice: &Choice| choice.rest.tenant.is_none();
    assert!(choices.iter().all(is_within), "a list holds events of one tenant only");
    choices
}

/// Candidates in a tail.
pub(super) enum InTail {
    Everything,
    One(Option<EventRef>),
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

#[cfg(test)]
mod tests;
