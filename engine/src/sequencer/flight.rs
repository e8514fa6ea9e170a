//! Versions and ids of events in flight: decided, but not yet visible in the tail.

use std::collections::VecDeque;
use std::sync::Arc;

use allsource_format::record::Record;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use uuid::Uuid;

use crate::append::{PreparedEvent, PreparedPart};
use crate::event::Block;

/// An event of a round that is not visible yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noted {
    /// Hash of its look-up key: its entity's key, or its id.
    hash: u64,
    pub(super) offset: u32,
    pub(super) sequence: u64,
    /// Digest of the canonical payload and metadata, if it is noted by its id.
    digest: u128,
}

/// A look-up key: an id within a tenant.
#[derive(Debug, Clone, Copy)]
pub(super) struct IdKey<'k> {
    pub(super) tenant: &'k str,
    pub(super) id: Uuid,
    pub(super) hash: u64,
}

/// An event that is not visible yet.
pub(super) struct InFlight<'a> {
    pub(super) record: Record<'a>,
    pub(super) sequence: u64,
    pub(super) digest: u128,
}

impl Noted {
    fn is_about(self, part: &PreparedPart, bytes: &[u8]) -> bool {
        if self.hash != part.key_hash {
            return false;
        }
        let record = record_at(bytes, self.offset);
        record.entity_id() == part.entity.id().as_str() && record.tenant() == part.entity.tenant().as_str()
    }

    fn has_id(self, key: &IdKey<'_>, bytes: &[u8]) -> bool {
        if self.hash != key.hash {
            return false;
        }
        let record = record_at(bytes, self.offset);
        record.id() == *key.id.as_bytes() && record.tenant() == key.tenant
    }
}

/// The record at a noted offset of a round's bytes.
fn record_at(bytes: &[u8], offset: u32) -> Record<'_> {
    let record = bytes.get(offset as usize..).map(Record::at);
    #[expect(clippy::expect_used, reason = "the sequencer wrote a record there before it noted the offset")]
    record.expect("a noted offset lies within the round").expect("a record begins at a noted offset")
}

/// The changes of one round: where in its bytes the last event of each entity lies, and each event whose id was
/// given.
#[derive(Default)]
pub(super) struct Notes {
    heads: HashTable<Noted>,
    ids: HashTable<Noted>,
}

impl Notes {
    /// Where the last event of a part's entity lies.
    pub(super) fn head(&self, part: &PreparedPart, bytes: &[u8]) -> Option<u32> {
        let found = self.heads.find(part.key_hash, |noted| noted.is_about(part, bytes));
        found.map(|noted| noted.offset)
    }

    /// Notes where the last event of a part's entity lies; `None`: the round has none any more.
    pub(super) fn set_head(&mut self, part: &PreparedPart, bytes: &[u8], offset: Option<u32>) {
        let is_same = |noted: &Noted| noted.is_about(part, bytes);
        match (self.heads.entry(part.key_hash, is_same, |noted| noted.hash), offset) {
            (Entry::Occupied(mut entry), Some(offset)) => entry.get_mut().offset = offset,
            (Entry::Occupied(entry), None) => drop(entry.remove()),
            (Entry::Vacant(entry), Some(offset)) => {
                entry.insert(Noted { hash: part.key_hash, offset, sequence: 0, digest: 0 });
            }
            (Entry::Vacant(_), None) => unreachable!("only a head that was set is removed"),
        }
    }

    /// Notes where an event whose id was given lies.
    pub(super) fn add_id(&mut self, event: &PreparedEvent, offset: u32, sequence: u64) {
        let (hash, digest) = (event.id_hash, event.digest);
        self.ids.insert_unique(hash, Noted { hash, offset, sequence, digest }, |noted| noted.hash);
    }

    /// Removes the id of an event at this offset that was refused.
    pub(super) fn remove_id(&mut self, hash: u64, offset: u32) {
        match self.ids.find_entry(hash, |noted| noted.offset == offset) {
            Ok(entry) => drop(entry.remove()),
            Err(_) => unreachable!("only an id that was noted is removed"),
        }
    }

    /// The event of this id among `bytes`, the round's.
    pub(super) fn find<'a>(&self, key: &IdKey<'_>, bytes: &'a [u8]) -> Option<InFlight<'a>> {
        let noted = self.ids.find(key.hash, |noted| noted.has_id(key, bytes))?;
        let Noted { sequence, digest, .. } = *noted;
        Some(InFlight { record: record_at(bytes, noted.offset), sequence, digest })
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
            let is_next = self.rounds.back().is_none_or(|(last, ..)| *last < last_position);
            assert!(is_next, "rounds are added in the order of the log");
            self.rounds.push_back((last_position, notes, block));
        } else {
            assert!(
                notes.ids.is_empty(),
                "an event with an id is the last of its entity, or comes before it"
            );
        }
    }

    /// Forgets the rounds that are visible, which look-ups now find in the tail.
    pub(super) fn forget_through(&mut self, watermark: u64) {
        while self.rounds.front().is_some_and(|(last, ..)| *last <= watermark) {
            self.rounds.pop_front();
        }
    }

    /// The version of a part's entity.
    pub(super) fn head(&self, part: &PreparedPart) -> Option<u64> {
        let mut newest_first = self.rounds.iter().rev();
        newest_first.find_map(|(_, notes, block)| {
            let offset = notes.head(part, block.bytes())?;
            Some(version_at(block.bytes(), offset))
        })
    }

    /// The event of this id.
    pub(super) fn find(&self, key: &IdKey<'_>) -> Option<InFlight<'_>> {
        self.rounds.iter().rev().find_map(|(_, notes, block)| notes.find(key, block.bytes()))
    }
}

/// The version of the event at a noted offset of a round's bytes.
pub(super) fn version_at(bytes: &[u8], offset: u32) -> u64 {
    let version = record_at(bytes, offset).version();
    assert!(version > 0, "an event in a round has its version");
    version
}
