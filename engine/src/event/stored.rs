//! A stored event.

use std::sync::Arc;

use allsource_format::partition;
use allsource_format::record::{Record, Tags};
use rkyv::util::AlignedVec;
use uuid::Uuid;

use super::block::Block;
use super::entity::{KeyBuffer, key_of};
use super::new::Payload;
use super::time::Timestamp;
use crate::position::{Position, Version};

/// [`EventRef::compact`] copies a record out of a block larger than this multiple of the record plus `COMPACT_MIN` bytes.
const COMPACT_FACTOR: usize = 4;
const COMPACT_MIN: usize = 4096;

/// An event in the store, read in place. It keeps the block of memory that holds its record alive.
#[derive(Clone)]
pub struct EventRef {
    block: Arc<Block>,
    offset: u32,
}

impl EventRef {
    /// The event at `offset` of a block. The caller has checked the record.
    pub(crate) fn new(block: Arc<Block>, offset: u32) -> Self {
        Self { block, offset }
    }

    pub(crate) fn record(&self) -> Record<'_> {
        record_at(&self.block, self.offset)
    }

    /// Length of its record in bytes: about what it takes in memory and on the wire.
    pub fn record_bytes(&self) -> usize {
        self.record().as_bytes().len()
    }

    /// The same event, copied into its own block if its current block mostly holds other events. Holding an event keeps
    /// its whole block in memory.
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
        #[expect(clippy::expect_used, reason = "no record at position 0 gets into a block")]
        Position::new(self.record().position()).expect("positions start at 1")
    }

    /// Its place in the history of its entity.
    pub fn version(&self) -> Version {
        #[expect(clippy::expect_used, reason = "no record of version 0 gets into a block")]
        Version::new(self.record().version()).expect("versions start at 1")
    }

    /// When it was committed: later than every event before it.
    pub fn recorded_at(&self) -> Timestamp {
        Timestamp::from_micros(self.record().recorded_at())
    }

    /// When it happened: the author's time, or the store's clock at commit. Unlike the commit time, it goes backwards
    /// when the clock does.
    pub fn timestamp(&self) -> Timestamp {
        Timestamp::from_micros(self.record().timestamp())
    }

    /// Whether the store's clock dated it, because its author did not.
    pub fn has_clock_timestamp(&self) -> bool {
        !self.record().is_timestamp_given()
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

    /// Its partition in a store with this many partitions.
    pub fn partition(&self, partitions: u32) -> u32 {
        partition::of_key(&self.entity_key(), partitions)
    }

    pub(crate) fn entity_key(&self) -> KeyBuffer {
        let record = self.record();
        key_of(record.tenant_bytes(), record.entity_bytes())
    }
}

/// The record at `offset` of a block whose records were checked when it was built.
pub(crate) fn record_at(block: &Block, offset: u32) -> Record<'_> {
    let record = block.bytes().get(offset as usize..).map(Record::at);
    #[expect(clippy::expect_used, reason = "offsets come from walking the checked records of this block")]
    record.and_then(Result::ok).expect("a record begins at every offset into its block")
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
