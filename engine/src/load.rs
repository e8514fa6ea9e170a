//! Fills a tail from the journal when a store is opened.

use std::collections::HashMap;
use std::sync::Arc;

use allsource_format::frame::Frame;
use rkyv::util::AlignedVec;

use crate::error::Damage;
use crate::event::{Block, KeyBuffer, key_of};
use crate::number::offset_in_block;
use crate::tail::Tail;

/// Frames are gathered into blocks of about this size.
const BLOCK_BYTES: usize = 1 << 20;

/// Checks that the journal's events follow the rules of the log, and puts them into a tail.
pub(crate) struct Loader {
    tail: Tail,
    block: AlignedVec,
    offsets: Vec<u32>,
    /// Versions of entities in the block that is being gathered.
    heads: HashMap<KeyBuffer, u64>,
    last_recorded_at: i64,
}

impl Loader {
    /// A loader for an empty tail; the event before it was committed at `last_recorded_at`.
    pub(crate) fn into_tail(tail: Tail, last_recorded_at: i64) -> Self {
        let (block, offsets) = (AlignedVec::new(), Vec::new());
        Self { tail, block, offsets, heads: HashMap::new(), last_recorded_at }
    }

    /// Adds the events of a frame of the file `path`, unless they are sealed already.
    pub(crate) fn add(&mut self, frame: &Frame<'_>, path: &str) -> Result<(), Damage> {
        let (first, count) = (frame.header.first_position, u64::from(frame.header.count));
        let sealed = self.tail.base();
        if first + count <= sealed + 1 {
            let sound = frame.records().try_for_each(|item| item.map(drop));
            return sound.map_err(|problem| Damage::new(path, 0, problem));
        }
        if first <= sealed {
            return Err(Damage::new(path, 0, format!("the sealed position {sealed} lies inside an append")));
        }
        let start = self.block.len();
        self.block.extend_from_slice(frame.as_bytes());
        for item in frame.records() {
            let damage = |problem: String| {
                Damage::new(path, 0, format!("{problem}, after position {}", frame.header.first_position))
            };
            let (offset, record) = item.map_err(|problem| damage(problem.to_string()))?;
            let key = key_of(record.tenant_bytes(), record.entity_bytes());
            let head = self.heads.get(&key).copied().or_else(|| self.tail.head(&key));
            // If events are sealed, earlier versions of the entity may be among them.
            let is_next = match head {
                Some(head) => record.version() == head + 1,
                None => record.version() == 1 || sealed > 0,
            };
            if !is_next {
                let version = record.version();
                return Err(damage(match head {
                    Some(head) => format!("version {version} of an entity follows version {head}"),
                    None => format!("an entity begins with version {version}"),
                }));
            }
            if record.recorded_at() <= self.last_recorded_at {
                return Err(damage("commit times do not increase".to_owned()));
            }
            self.last_recorded_at = record.recorded_at();
            self.heads.insert(key, record.version());
            let offset = offset_in_block(start + offset);
            assert!(self.offsets.last().is_none_or(|last| *last < offset), "records follow each other");
            self.offsets.push(offset);
        }
        if self.block.len() >= BLOCK_BYTES {
            self.flush();
        }
        Ok(())
    }

    fn flush(&mut self) {
        let mut bytes = std::mem::take(&mut self.block);
        bytes.shrink_to_fit();
        let expected = self.tail.last_position() + self.offsets.len() as u64;
        self.tail.insert(&Arc::new(Block::new(bytes)), &self.offsets);
        assert_eq!(self.tail.last_position(), expected, "the tail takes every event");
        self.offsets.clear();
        self.heads.clear();
    }

    /// The tail, and the commit time of its last event.
    pub(crate) fn finish(mut self) -> (Tail, i64) {
        self.flush();
        assert!(self.offsets.is_empty() && self.heads.is_empty(), "every gathered event is in the tail");
        (self.tail, self.last_recorded_at)
    }
}
