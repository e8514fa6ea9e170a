//! The lists that the indexes of a layer have: of an entity, a tag, some types, or all types that begin so.

use std::sync::Arc;

use crate::error::ReadError;
use crate::event::{EntityKeyBuffer, Filter, key_of};
use crate::generation::{Generation, List, Names};
use crate::tail::{Postings, Tail};

/// Names whose lists are walked together at least before a scan is considered, and at most.
const NAMES_FREE: u64 = 64;
const NAMES_MAX: u64 = 4_096;
/// Joining one more list costs about as much as reading this many events.
const EVENTS_FOR_A_LIST: u64 = 4;

/// What reading a layer event by event would take, against which lists are weighed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effort {
    /// Events of the layer.
    pub(super) events: u64,
    /// Events of the layer within the positions asked for.
    pub(super) window: u64,
    /// Matches that are wanted at most.
    pub(super) wanted: u64,
}

impl Effort {
    /// How many events are read, about, until enough of a layer's `matches` are found.
    pub(super) fn of_scan(&self, matches: u64) -> u64 {
        let for_each = self.events / matches.max(1) + 1;
        self.window.min(self.wanted.saturating_mul(for_each))
    }
}

/// What may have a list.
pub(super) enum Source {
    /// The events of an entity.
    Entity(EntityKeyBuffer),
    /// The events that carry a tag.
    Tag(EntityKeyBuffer),
    /// The events of some types, ascending.
    Types(Vec<EntityKeyBuffer>),
    /// The events of all types whose keys begin with one of `prefixes` and with none of `excluded`. No prefix
    /// begins with another.
    TypesFrom { prefixes: Vec<EntityKeyBuffer>, excluded: Vec<EntityKeyBuffer> },
}

/// What a layer has of a source.
pub(super) enum Gathered<L> {
    /// Lists that share no event.
    Lists(Vec<L>),
    /// So many lists that reading event by event is less work.
    TooMany,
}

impl Source {
    /// The types that a filter on a tenant's events admits.
    pub(super) fn of_types(tenant: &str, filter: &Filter) -> Self {
        let key = |name: &str| key_of(tenant, name.as_bytes());
        if !filter.types.is_empty() {
            let types = filter.types.iter().map(|event_type| event_type.as_str());
            let mut keys: Vec<_> = types.filter(|name| filter.admits_type(name)).map(key).collect();
            keys.sort_unstable();
            keys.dedup();
            return Self::Types(keys);
        }
        let mut prefixes: Vec<_> = filter.type_prefixes.iter().map(|prefix| key(prefix)).collect();
        if prefixes.is_empty() {
            prefixes.push(key(""));
        }
        prefixes.sort_unstable();
        prefixes.dedup_by(|later, earlier| later.starts_with(earlier));
        let excluded = filter.exclude_type_prefixes.iter().map(|prefix| key(prefix)).collect();
        Self::TypesFrom { prefixes, excluded }
    }

    /// Its lists in a tail.
    pub(super) fn in_tail(&self, tail: &Tail, effort: Effort) -> Gathered<Arc<Postings>> {
        Gathered::Lists(match self {
            Self::Entity(key) => tail.entity(key).into_iter().collect(),
            Self::Tag(key) => tail.tag(key).into_iter().collect(),
            Self::Types(keys) => keys.iter().filter_map(|key| tail.event_type(key)).collect(),
            Self::TypesFrom { prefixes, excluded } => {
                let look =
                    |prefix: &[u8], most| Ok(tail.types_from(prefix, &|key| is_kept(key, excluded), most));
                let events = |list: &Arc<Postings>| list.len() as u64;
                let gathered = gather(prefixes, effort, look, events);
                #[expect(clippy::expect_used, reason = "nothing is read from a disk")]
                return gathered.expect("a tail is in memory");
            }
        })
    }

    /// Its lists in a generation; an entity has none there, but stretches.
    pub(super) fn in_generation(
        &self,
        generation: &Generation,
        effort: Effort,
    ) -> Result<Gathered<List>, ReadError> {
        let list = |names, key: &EntityKeyBuffer| generation.list(names, key);
        Ok(Gathered::Lists(match self {
            Self::Entity(_) => return Ok(Gathered::TooMany),
            Self::Tag(key) => list(Names::Tags, key)?.into_iter().collect(),
            Self::Types(keys) => {
                let found = keys.iter().filter_map(|key| list(Names::Types, key).transpose());
                found.collect::<Result<_, _>>()?
            }
            Self::TypesFrom { prefixes, excluded } => {
                let look =
                    |prefix: &[u8], most| generation.types_from(prefix, &|key| is_kept(key, excluded), most);
                return gather(prefixes, effort, look, List::len);
            }
        }))
    }
}

fn is_kept(key: &[u8], excluded: &[EntityKeyBuffer]) -> bool {
    !excluded.iter().any(|prefix| key.starts_with(prefix))
}

/// Gathers the lists of all names that begin with one of `prefixes`, unless there are so many that a scan is less work.
/// `look` looks at so many names at most, and says at how many it did.
fn gather<L>(
    prefixes: &[EntityKeyBuffer],
    effort: Effort,
    look: impl Fn(&[u8], u64) -> Result<(Vec<L>, u64), ReadError>,
    events: impl Fn(&L) -> u64,
) -> Result<Gathered<L>, ReadError> {
    let some = |most: u64| {
        let (mut lists, mut left) = (Vec::new(), most + 1);
        for prefix in prefixes {
            let (found, looked_at) = look(prefix, left)?;
            assert!(looked_at <= left, "no more names are looked at than asked for");
            lists.extend(found);
            left -= looked_at;
            if left == 0 {
                break;
            }
        }
        Ok::<_, ReadError>((lists, left > 0))
    };
    let (lists, is_all) = some(NAMES_FREE)?;
    if is_all {
        return Ok(Gathered::Lists(lists));
    }
    let matches = lists.iter().map(events).sum();
    let most = (effort.of_scan(matches) / EVENTS_FOR_A_LIST).min(NAMES_MAX);
    if most <= NAMES_FREE {
        return Ok(Gathered::TooMany);
    }
    let (lists, is_all) = some(most)?;
    Ok(if is_all { Gathered::Lists(lists) } else { Gathered::TooMany })
}
