//! Keys, such as an entity or a tag, and the postings of their events.

use std::sync::Arc;

use dashmap::DashMap;
use foldhash::fast::RandomState;

use super::postings::Postings;
use crate::event::EntityKeyBuffer;

/// Approximate memory of a new key besides its bytes: its table entry and its postings.
const NAME_WEIGHT: u64 = 250;

/// Keys with their postings, for many readers and one writer.
#[derive(Debug, Default)]
pub(crate) struct Names {
    postings: DashMap<EntityKeyBuffer, Arc<Postings>, RandomState>,
}

impl Names {
    /// Adds an ordinal to a key. Returns the approximate additional memory in bytes, without the ordinal.
    pub(crate) fn push(&self, key: EntityKeyBuffer, ordinal: u32) -> u64 {
        if let Some(postings) = self.postings.get(&key[..]) {
            postings.push(ordinal);
            return 0;
        }
        let weight = NAME_WEIGHT + key.len() as u64;
        self.postings.entry(key).or_default().push(ordinal);
        weight
    }

    /// The highest ordinal of a key.
    pub(crate) fn last(&self, key: &[u8]) -> Option<u32> {
        self.postings.get(key)?.last()
    }

    /// The postings of a key.
    pub(crate) fn find(&self, key: &[u8]) -> Option<Arc<Postings>> {
        self.postings.get(key).map(|found| Arc::clone(&found))
    }
}
