//! Writes a record: the caller's thread archives it, and the sequencer completes it with the numbers that it assigns.

use rkyv::util::AlignedVec;

use super::archive::{self, ARCHIVE_ROOT_BYTES, Fields};
use super::{BYTES_MIN, HEADER_BYTES};
use crate::bytes::{field, part, put, rest, stored_length};
use crate::limits;

/// An event that has no place in the log yet.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'a> {
    /// The event's UUID, 16 bytes in network order.
    pub id: [u8; 16],
    /// The event's own time in microseconds since 1970-01-01T00:00:00Z; `None`: the reading of the writer's clock at
    /// commit.
    pub timestamp: Option<i64>,
    /// Whether the payload is JSON text.
    pub is_json: bool,
    /// The tenant's id.
    pub tenant: &'a str,
    /// The entity's id within its tenant.
    pub entity_id: &'a str,
    /// The event's type.
    pub event_type: &'a str,
    /// The payload, stored byte for byte.
    pub payload: &'a [u8],
    /// JSON text; empty: none.
    pub metadata: &'a str,
    /// Tags in the order given.
    pub tags: &'a [&'a str],
}

/// A field of a draft exceeds a limit of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field} has {actual} {unit}; the limit is {limit}")]
pub struct DraftError {
    /// The field's name in the specification.
    pub field: &'static str,
    /// The actual amount.
    pub actual: usize,
    /// The allowed amount.
    pub limit: usize,
    /// The unit of both.
    pub unit: &'static str,
}

impl Draft<'_> {
    fn check(&self) -> Result<(), DraftError> {
        let within = |field, actual, limit, unit| match actual <= limit {
            true => Ok(()),
            false => Err(DraftError { field, actual, limit, unit }),
        };
        within("tenant_id", self.tenant.len(), limits::TENANT_BYTES_MAX, "bytes")?;
        within("entity_id", self.entity_id.len(), limits::ENTITY_ID_BYTES_MAX, "bytes")?;
        within("event_type", self.event_type.len(), limits::EVENT_TYPE_BYTES_MAX, "bytes")?;
        within("payload", self.payload.len(), limits::PAYLOAD_BYTES_MAX, "bytes")?;
        within("metadata", self.metadata.len(), limits::METADATA_BYTES_MAX, "bytes")?;
        within("tags", self.tags.len(), limits::TAGS_MAX, "tags")?;
        self.tags.iter().try_for_each(|tag| within("tag", tag.len(), limits::TAG_BYTES_MAX, "bytes"))
    }
}

/// Appends the record of `draft` to `out`, without the fields that the sequencer assigns. Returns the checksum of the length
/// and of the archive before its root. [`complete`] completes both.
///
/// # Errors
/// If a field exceeds its limit; `out` is then unchanged.
pub fn encode(draft: &Draft<'_>, out: &mut AlignedVec) -> Result<u32, DraftError> {
    draft.check()?;
    assert!(out.len().is_multiple_of(8), "records start at multiples of 8");
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_BYTES]);
    let given = if draft.timestamp.is_some() { archive::flags::TIMESTAMP_GIVEN } else { 0 };
    let kind = if draft.is_json { archive::flags::JSON } else { 0 };
    let fields = Fields {
        id: draft.id,
        position: 0,
        version: 0,
        recorded_at: 0,
        timestamp: draft.timestamp.unwrap_or(0),
        flags: given | kind,
        tenant: draft.tenant.as_bytes(),
        entity_id: draft.entity_id.as_bytes(),
        event_type: draft.event_type.as_bytes(),
        payload: draft.payload,
        metadata: draft.metadata.as_bytes(),
        tags: draft.tags.iter().map(|tag| tag.as_bytes()).collect(),
        reserved: 0,
    };
    let mut written = rkyv::api::high::to_bytes_in::<_, rkyv::rancor::Panic>(&fields, std::mem::take(out));
    #[expect(clippy::expect_used, reason = "writing to memory below the limits checked above cannot fail")]
    let buffer = written.as_mut().expect("archiving to memory succeeds");
    let archive_bytes = buffer.len() - start - HEADER_BYTES;
    assert!(archive_bytes.is_multiple_of(8) && archive_bytes + HEADER_BYTES <= limits::RECORD_BYTES_MAX);
    let length = stored_length(archive_bytes).to_le_bytes();
    put(buffer, start, &length);
    let mut crc = crc32fast::Hasher::new();
    crc.update(&length);
    crc.update(part(buffer, start + HEADER_BYTES..buffer.len() - ARCHIVE_ROOT_BYTES));
    *out = std::mem::take(buffer);
    Ok(crc.finalize())
}

/// What the sequencer assigns to a record.
#[derive(Debug, Clone, Copy)]
pub struct Stamp {
    /// Place in the log, from 1.
    pub position: u64,
    /// Place in the history of the entity, from 1.
    pub version: u64,
    /// Commit time, microseconds since 1970-01-01T00:00:00Z. It rises even when the clock falls back.
    pub recorded_at: i64,
    /// The reading of the clock, in the same unit: the timestamp, unless the client gave one.
    pub clock: i64,
}

/// Completes a record that [`encode`] wrote: fills in what the sequencer assigns and finishes the checksum from
/// `crc_so_far`.
///
/// # Panics
/// If `record` is shorter than any record.
pub fn complete(record: &mut [u8], crc_so_far: u32, stamp: &Stamp) {
    assert!(record.len() >= BYTES_MIN, "a record holds at least its header and its root");
    let root = record.len() - ARCHIVE_ROOT_BYTES;
    put(record, root + archive::POSITION, &stamp.position.to_le_bytes());
    put(record, root + archive::VERSION, &stamp.version.to_le_bytes());
    put(record, root + archive::RECORDED_AT, &stamp.recorded_at.to_le_bytes());
    let flags = u32::from_le_bytes(field(record, root + archive::FLAGS));
    if flags & archive::flags::TIMESTAMP_GIVEN == 0 {
        put(record, root + archive::TIMESTAMP, &stamp.clock.to_le_bytes());
    }
    let mut crc = crc32fast::Hasher::new_with_initial(crc_so_far);
    crc.update(rest(record, root));
    put(record, 4, &crc.finalize().to_le_bytes());
}
