//! The lists that the indexes of a layer hold for an entity, a tag, several types, or all types with some prefixes.

use std::sync::Arc;

use crate::error::ReadError;
use crate::event::{Filter, KeyBuffer, key_of};
use crate::generation::{Generation, List, Names};
use crate::tail::{Postings, Tail};

/// Up to `NAMES_FREE` lists are always merged, more than `NAMES_MAX` never. In between, the cost of a scan decides.
const NAMES_FREE: u64 = 64;
const NAMES_MAX: u64 = 4_096;
/// Merging one more list costs about as much as reading this many events.
const EVENTS_FOR_A_LIST: u64 = 4;

/// The cost of scanning a layer, against which lists are weighed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effort {
    /// Events of the layer.
    pub(super) events: u64,
    /// Events of the layer within the bounds on positions.
    pub(super) window: u64,
    /// The most matches that the caller wants.
    pub(super) wanted: u64,
}

impl Effort {
    /// About how many events a scan reads until it has found enough, if the layer has this many `matches`.
    pub(super) fn of_scan(&self, matches: u64) -> u64 {
        let for_each = self.events / matches.max(1) + 1;
        self.window.min(self.wanted.saturating_mul(for_each))
    }
}

/// A property whose events may have a list.
pub(super) enum Source {
    /// The events of an entity.
    Entity(KeyBuffer),
    /// The events that carry a tag.
    Tag(KeyBuffer),
    /// The events of some types, ascending.
    Types(Vec<KeyBuffer>),
    /// The events of all types whose keys begin with one of `prefixes` and none of `excluded`. No prefix begins with
    /// another.
    TypesFrom { prefixes: Vec<KeyBuffer>, excluded: Vec<KeyBuffer> },
}

/// What the indexes of a layer hold for a source.
pub(super) enum Gathered<L> {
    /// Lists that share no event.
    Lists(Vec<L>),
    /// Too many lists: a scan costs less.
    TooMany,
}

impl Source {
    /// The types of a tenant that a filter admits.
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
                #[expect(clippy::expect_used, reason = "a tail reads no file")]
                return gathered.expect("a tail is in memory");
            }
        })
    }

    /// Its lists in a generation. An entity has stretches there instead of a list.
    pub(super) fn in_generation(
        &self,
        generation: &Generation,
        effort: Effort,
    ) -> Result<Gathered<List>, ReadError> {
        let list = |names, key: &KeyBuffer| generation.list(names, key);
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

fn is_kept(key: &[u8], excluded: &[KeyBuffer]) -> bool {
    !excluded.iter().any(|prefix| key.starts_with(prefix))
}

/// Gathers the lists of all names that begin with one of `prefixes`, unless a scan costs less. `look` examines at most
/// the given number of names, and returns how many it examined.
fn gather<L>(
    prefixes: &[KeyBuffer],
    effort: Effort,
    look: impl Fn(&[u8], u64) -> Result<(Vec<L>, u64), ReadError>,
    events: impl Fn(&L) -> u64,
) -> Result<Gathered<L>, ReadError> {
    assert!(!prefixes.is_empty(), "a query without a prefix has the empty one");
    let some = |most: u64| {
        let (mut lists, mut left) = (Vec::new(), most + 1);
        for prefix in prefixes {
            let (found, looked_at) = look(prefix, left)?;
            assert!(looked_at <= left, "no more names are examined than the limit allows");
            assert!(found.len() as u64 <= looked_at, "a name has one list");
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
