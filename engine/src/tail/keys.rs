//! Posting lists by key, such as that of an entity or a tag.

use std::sync::Arc;

use dashmap::DashMap;
use foldhash::fast::RandomState;

use super::postings::Postings;
use crate::event::KeyBuffer;

/// Approximate memory of a new key besides its bytes: its table entry and its postings.
const KEY_WEIGHT: u64 = 250;

/// Keys with their postings, for many readers and one writer.
#[derive(Debug, Default)]
pub(super) struct Keys {
    postings: DashMap<KeyBuffer, Arc<Postings>, RandomState>,
}

impl Keys {
    /// Adds an ordinal to a key. Returns the approximate additional memory in bytes, without the ordinal.
    pub(super) fn push(&self, key: KeyBuffer, ordinal: u32) -> u64 {
        if let Some(postings) = self.postings.get(&key[..]) {
            postings.push(ordinal);
            return 0;
        }
        let weight = KEY_WEIGHT + key.len() as u64;
        self.postings.entry(key).or_default().push(ordinal);
        weight
    }

    /// The highest ordinal of a key.
    pub(super) fn last(&self, key: &[u8]) -> Option<u32> {
        self.postings.get(key)?.last()
    }

    /// The postings of a key.
    pub(super) fn find(&self, key: &[u8]) -> Option<Arc<Postings>> {
        self.postings.get(key).map(|found| Arc::clone(&found))
    }
}
