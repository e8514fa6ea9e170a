//! Names and the events that bear them.

use std::sync::Arc;

use dashmap::DashMap;
use foldhash::fast::RandomState;

use super::postings::Postings;
use crate::event::EntityKeyBuffer;

/// Keys with their postings, for many readers and one writer.
#[derive(Debug, Default)]
pub(crate) struct Names {
    postings: DashMap<EntityKeyBuffer, Arc<Postings>, RandomState>,
}

impl Names {
    /// Adds an ordinal to a key.
    pub(crate) fn push(&self, key: EntityKeyBuffer, ordinal: u32) {
        if let Some(postings) = self.postings.get(&key[..]) {
            return postings.push(ordinal);
        }
        self.postings.entry(key).or_default().push(ordinal);
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
