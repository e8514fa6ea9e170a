//! Finds the filters that an event may match. Each filter is indexed by its most selective name, so the cost of an event
//! grows with the filters it may match, not with those that exist.

use std::collections::BTreeMap;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::event::{EventRef, Filter, KeyBuffer, key_of};

/// The number of a filter.
pub(super) type Number = u64;

/// Where a filter is found. An event that matches the filter leads to this key; the reverse need not hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Key {
    /// Any event may match.
    Any,
    /// An entity of a tenant.
    Entity(KeyBuffer),
    /// A tag of a tenant.
    Tag(KeyBuffer),
    /// An event type of a tenant.
    Type(KeyBuffer),
    /// The start of an event type of a tenant, and its length in bytes.
    Prefix(usize, KeyBuffer),
}

impl Key {
    /// The keys of a filter: every event that matches leads to one of them.
    fn of(filter: &Filter) -> Vec<Self> {
        let Some(tenant) = &filter.tenant else { return vec![Self::Any] };
        let key = |name: &str| key_of(tenant.as_str(), name.as_bytes());
        let mut keys = if let Some(entity) = &filter.entity_id {
            vec![Self::Entity(key(entity.as_str()))]
        } else if let Some(tag) = filter.tags.first() {
            vec![Self::Tag(key(tag.as_str()))]
        } else if !filter.types.is_empty() {
            filter.types.iter().map(|event_type| Self::Type(key(event_type.as_str()))).collect()
        } else if filter.type_prefixes.is_empty() {
            vec![Self::Prefix(0, key(""))]
        } else {
            filter.type_prefixes.iter().map(|prefix| Self::Prefix(prefix.len(), key(prefix))).collect()
        };
        keys.sort_unstable();
        keys.dedup();
        keys
    }
}

/// Filters by the key that leads to them.
#[derive(Debug, Default)]
pub(super) struct Interests {
    by_key: HashMap<Key, Vec<Number>, RandomState>,
    /// How many filters look for a prefix of this many bytes.
    prefix_lengths: BTreeMap<usize, usize>,
}

impl Interests {
    /// Adds a filter under its number.
    pub(super) fn add(&mut self, number: Number, filter: &Filter) {
        for key in Key::of(filter) {
            if let Key::Prefix(length, _) = &key {
                *self.prefix_lengths.entry(*length).or_default() += 1;
            }
            self.by_key.entry(key).or_default().push(number);
        }
    }

    /// Removes a filter that was added.
    pub(super) fn remove(&mut self, number: Number, filter: &Filter) {
        for key in Key::of(filter) {
            #[expect(clippy::expect_used, reason = "only a filter that was added is removed")]
            let numbers = self.by_key.get_mut(&key).expect("a filter is found by its keys");
            numbers.retain(|other| *other != number);
            if numbers.is_empty() {
                self.by_key.remove(&key);
            }
            if let Key::Prefix(length, _) = &key
                && let Some(count) = self.prefix_lengths.get_mut(length)
            {
                *count -= 1;
                if *count == 0 {
                    self.prefix_lengths.remove(length);
                }
            }
        }
    }

    /// Adds the numbers of all filters that the event may match.
    pub(super) fn candidates(&self, event: &EventRef, into: &mut Vec<Number>) {
        let record = event.record();
        let tenant = record.tenant_bytes();
        let mut add = |key: &Key| into.extend(self.by_key.get(key).into_iter().flatten());
        add(&Key::Any);
        add(&Key::Entity(event.entity_key()));
        record.tags().for_each(|tag| add(&Key::Tag(key_of(tenant, tag.as_bytes()))));
        let event_type = record.type_bytes();
        add(&Key::Type(key_of(tenant, event_type)));
        for prefix in self.prefix_lengths.keys().map_while(|length| event_type.get(..*length)) {
            add(&Key::Prefix(prefix.len(), key_of(tenant, prefix)));
        }
        // An event may lead to one filter by several keys.
        into.sort_unstable();
        into.dedup();
    }
}
