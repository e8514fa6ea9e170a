//! What rounds in flight would change, before the tail shows it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use allsource_format::record::Record;
use smallvec::SmallVec;

use crate::event::{Block, EntityKeyBuffer};

/// An event of a round that is not visible yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noted {
    pub(super) offset: u32,
    pub(super) sequence: u64,
}

/// The changes of one round.
#[derive(Default)]
pub(super) struct Notes {
    /// Versions of the entities it appends to.
    pub(super) heads: HashMap<EntityKeyBuffer, u64>,
    /// Events with ids that were given, by the hash of the id.
    pub(super) ids: HashMap<u64, SmallVec<[Noted; 1]>>,
}

impl Notes {
    /// The event of this id among `bytes`, the round's.
    pub(super) fn find<'a>(
        &self,
        bytes: &'a [u8],
        hash: u64,
        tenant: &str,
        id: &[u8; 16],
    ) -> Option<(Record<'a>, u64)> {
        self.ids.get(&hash)?.iter().find_map(|noted| {
            let record = Record::at(bytes.get(noted.offset as usize..)?).ok()?;
            (record.id() == *id && record.tenant() == tenant).then_some((record, noted.sequence))
        })
    }
}

/// Rounds on their way to the disk, oldest first.
#[derive(Default)]
pub(super) struct Flight {
    rounds: VecDeque<(u64, Notes, Arc<Block>)>,
}

impl Flight {
    pub(super) fn add(&mut self, last_position: u64, notes: Notes, block: Arc<Block>) {
        if !notes.heads.is_empty() {
            self.rounds.push_back((last_position, notes, block));
        }
    }

    /// Forgets rounds that are visible: the tail answers for them now.
    pub(super) fn forget_through(&mut self, watermark: u64) {
        while self.rounds.front().is_some_and(|(last, ..)| *last <= watermark) {
            self.rounds.pop_front();
        }
    }

    pub(super) fn head(&self, key: &[u8]) -> Option<u64> {
        self.rounds.iter().rev().find_map(|(_, notes, _)| notes.heads.get(key).copied())
    }

    pub(super) fn find(&self, hash: u64, tenant: &str, id: &[u8; 16]) -> Option<(Record<'_>, u64)> {
        self.rounds.iter().rev().find_map(|(_, notes, block)| notes.find(block.bytes(), hash, tenant, id))
    }
}
