//! An event as it was stored.

use std::sync::Arc;

use allsource_format::partition;
use allsource_format::record::{Record, Tags};
use rkyv::util::AlignedVec;
use uuid::Uuid;

use super::block::Block;
use super::entity::{EntityKeyBuffer, key_of};
use super::new::Payload;
use super::time::Timestamp;
use crate::position::{Position, Version};

/// An event that is kept is copied when what it points into has more than this many times its bytes, and then some.
const COMPACT_FACTOR: usize = 4;
const COMPACT_MIN: usize = 4096;

/// An event in the store, read in place: it keeps what it points into alive, and copies nothing.
#[derive(Clone)]
pub struct EventRef {
    block: Arc<Block>,
    offset: u32,
}

impl EventRef {
    /// The event at `offset` of a block whose records were checked when the block came to be.
    pub(crate) fn new(block: Arc<Block>, offset: u32) -> Self {
        Self { block, offset }
    }

    pub(crate) fn record(&self) -> Record<'_> {
        record_at(&self.block, self.offset)
    }

    /// How many bytes its record has: about what it takes in memory, and on the wire.
    pub fn record_bytes(&self) -> usize {
        self.record().as_bytes().len()
    }

    /// The same event in memory of its own, when most of what it points into is about others: whoever keeps an event
    /// keeps all that it points into.
    #[must_use]
    pub fn compact(self) -> Self {
        let bytes = self.record().as_bytes();
        if self.block.bytes().len() <= COMPACT_FACTOR * bytes.len() + COMPACT_MIN {
            return self;
        }
        let mut own = AlignedVec::with_capacity(bytes.len());
        own.extend_from_slice(bytes);
        Self::new(Arc::new(Block::new(own)), 0)
    }

    /// Its id.
    pub fn id(&self) -> Uuid {
        Uuid::from_bytes(self.record().id())
    }

    /// Its place in the store.
    pub fn position(&self) -> Position {
        Position::new(self.record().position()).unwrap_or(Position::FIRST)
    }

    /// Its place in the history of its entity.
    pub fn version(&self) -> Version {
        Version::new(self.record().version()).unwrap_or(Version::FIRST)
    }

    /// When it was committed: later than every event before it.
    pub fn recorded_at(&self) -> Timestamp {
        Timestamp::from_micros(self.record().recorded_at())
    }

    /// When it happened: as its author said, or as the store's clock showed when it was committed. Unlike the commit time
    /// it may fall back with the clock.
    pub fn timestamp(&self) -> Timestamp {
        Timestamp::from_micros(self.record().timestamp())
    }

    /// Its tenant's id.
    pub fn tenant(&self) -> &str {
        self.record().tenant()
    }

    /// Its entity's id within the tenant.
    pub fn entity_id(&self) -> &str {
        self.record().entity_id()
    }

    /// Its type.
    pub fn event_type(&self) -> &str {
        self.record().event_type()
    }

    /// Its payload, byte for byte as it was accepted.
    pub fn payload(&self) -> Payload<'_> {
        let record = self.record();
        match std::str::from_utf8(record.payload()) {
            Ok(text) if record.is_json() => Payload::Json(text),
            _ => Payload::Bytes(record.payload()),
        }
    }

    /// JSON text about it, if there is any.
    pub fn metadata(&self) -> Option<&str> {
        Some(self.record().metadata()).filter(|text| !text.is_empty())
    }

    /// Its tags, in the order given.
    pub fn tags(&self) -> Tags<'_> {
        self.record().tags()
    }

    /// Its partition in a store of so many partitions.
    pub fn partition(&self, partitions: u32) -> u32 {
        partition::of_key(&self.entity_key(), partitions)
    }

    pub(crate) fn entity_key(&self) -> EntityKeyBuffer {
        let record = self.record();
        key_of(record.tenant_bytes(), record.entity_bytes())
    }
}

/// The record at an offset of a block whose records were checked when the block came to be.
pub(crate) fn record_at(block: &Block, offset: u32) -> Record<'_> {
    let bytes = block.bytes().get(offset as usize..).unwrap_or(&[]);
    #[expect(clippy::expect_used, reason = "offsets come from walking the checked records of this block")]
    Record::at(bytes).expect("a record lies where the index says")
}

impl std::fmt::Debug for EventRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let entity = format_args!("{}/{}", self.tenant(), self.entity_id()).to_string();
        f.debug_struct("EventRef")
            .field("position", &self.position().value())
            .field("version", &self.version().value())
            .field("entity", &entity)
            .field("event_type", &self.event_type())
            .finish_non_exhaustive()
    }
}
