//! Reads a record in place.

use super::archive::{self, ARCHIVE_ROOT_BYTES, ArchivedFields};
use super::{BYTES_MIN, HEADER_BYTES, flags};
use crate::bytes::{all_zero, array, field, rest, u32_at};
use crate::error::FormatError;
use crate::limits;

/// One record, borrowed from the bytes it lies in.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// The whole record: header and archive.
    bytes: &'a [u8],
}

impl<'a> Record<'a> {
    /// The record that starts at `bytes[0]`. Validates length, checksum, archive, limits and UTF-8. The address of
    /// `bytes` must be a multiple of 8.
    ///
    /// # Errors
    /// If the bytes are not a valid record.
    pub fn check(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let record = Self::at(bytes)?;
        let (length, stored) = (array::<4>(bytes, 0)?, u32_at(bytes, 4)?);
        let mut crc = crc32fast::Hasher::new();
        crc.update(&length);
        crc.update(record.archive());
        if crc.finalize() != stored {
            return Err(FormatError::Checksum("record"));
        }
        rkyv::access::<ArchivedFields<'_>, rkyv::rancor::Failure>(record.archive())
            .map_err(|_| FormatError::Archive)?;
        record.check_fields()?;
        Ok(record)
    }

    /// The record that starts at `bytes[0]`, in bytes that [`Record::check`] accepted earlier. In other bytes, a field that
    /// points outside the record, or is no text, reads as empty.
    ///
    /// # Errors
    /// If the length cannot be right. Nothing else is checked.
    pub fn at(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let archive_bytes = u32_at(bytes, 0)? as usize;
        let total = archive_bytes.saturating_add(HEADER_BYTES);
        if !(BYTES_MIN..=limits::RECORD_BYTES_MAX).contains(&total) || !total.is_multiple_of(8) {
            return Err(FormatError::Range("record length"));
        }
        let whole = bytes.get(..total).ok_or(FormatError::Short { need: total, have: bytes.len() })?;
        Ok(Self { bytes: whole })
    }

    fn check_fields(&self) -> Result<(), FormatError> {
        let root = self.root();
        if self.flags() & !flags::ALL != 0 {
            return Err(FormatError::Reserved("flags"));
        }
        all_zero(rest(root, archive::RESERVED), "reserved field")?;
        if self.position() == 0 || self.version() == 0 {
            return Err(FormatError::Range("position or version"));
        }
        let times = limits::TIMESTAMP_MIN..=limits::TIMESTAMP_MAX;
        if !times.contains(&self.timestamp()) || !times.contains(&self.recorded_at()) {
            return Err(FormatError::Range("timestamp"));
        }
        let text = |field, name, least: usize, most| {
            let bytes = self.slice(field);
            let fits = (least..=most).contains(&bytes.len()) && std::str::from_utf8(bytes).is_ok();
            if fits { Ok(()) } else { Err(FormatError::Field(name)) }
        };
        text(archive::TENANT, "tenant", 1, limits::TENANT_BYTES_MAX)?;
        text(archive::ENTITY_ID, "entity_id", 1, limits::ENTITY_ID_BYTES_MAX)?;
        text(archive::EVENT_TYPE, "event_type", 1, limits::EVENT_TYPE_BYTES_MAX)?;
        text(archive::METADATA, "metadata", 0, limits::METADATA_BYTES_MAX)?;
        let payload = self.payload();
        if payload.len() > limits::PAYLOAD_BYTES_MAX
            || self.is_json() && std::str::from_utf8(payload).is_err()
        {
            return Err(FormatError::Field("payload"));
        }
        let tags = self.tags();
        if tags.len() > limits::TAGS_MAX {
            return Err(FormatError::Range("tags"));
        }
        for tag in tags.raw() {
            if !(1..=limits::TAG_BYTES_MAX).contains(&tag.len()) || std::str::from_utf8(tag).is_err() {
                return Err(FormatError::Field("tag"));
            }
        }
        Ok(())
    }

    /// The whole record, header included.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    fn archive(&self) -> &'a [u8] {
        rest(self.bytes, HEADER_BYTES)
    }

    fn root(&self) -> &'a [u8] {
        rest(self.bytes, self.bytes.len() - ARCHIVE_ROOT_BYTES)
    }

    /// The event's UUID.
    pub fn id(&self) -> [u8; 16] {
        field(self.root(), archive::ID)
    }

    /// Position in the store's log, from 1.
    pub fn position(&self) -> u64 {
        u64::from_le_bytes(field(self.root(), archive::POSITION))
    }

    /// Version in the entity's history, from 1.
    pub fn version(&self) -> u64 {
        u64::from_le_bytes(field(self.root(), archive::VERSION))
    }

    /// Commit time, microseconds since 1970-01-01T00:00:00Z.
    pub fn recorded_at(&self) -> i64 {
        i64::from_le_bytes(field(self.root(), archive::RECORDED_AT))
    }

    /// The event's own time, microseconds since 1970-01-01T00:00:00Z.
    pub fn timestamp(&self) -> i64 {
        i64::from_le_bytes(field(self.root(), archive::TIMESTAMP))
    }

    /// See [`flags`].
    pub fn flags(&self) -> u32 {
        u32::from_le_bytes(field(self.root(), archive::FLAGS))
    }

    /// Whether the payload is JSON text.
    pub fn is_json(&self) -> bool {
        self.flags() & flags::JSON != 0
    }

    /// Whether the client gave the timestamp.
    pub fn is_timestamp_given(&self) -> bool {
        self.flags() & flags::TIMESTAMP_GIVEN != 0
    }

    /// The tenant's id.
    pub fn tenant(&self) -> &'a str {
        text(self.slice(archive::TENANT))
    }

    /// The tenant's id, as bytes.
    pub fn tenant_bytes(&self) -> &'a [u8] {
        self.slice(archive::TENANT)
    }

    /// The entity's id, as bytes.
    pub fn entity_bytes(&self) -> &'a [u8] {
        self.slice(archive::ENTITY_ID)
    }

    /// The event's type, as bytes.
    pub fn type_bytes(&self) -> &'a [u8] {
        self.slice(archive::EVENT_TYPE)
    }

    /// The entity's id within its tenant.
    pub fn entity_id(&self) -> &'a str {
        text(self.slice(archive::ENTITY_ID))
    }

    /// The event's type.
    pub fn event_type(&self) -> &'a str {
        text(self.slice(archive::EVENT_TYPE))
    }

    /// The payload, exactly as accepted.
    pub fn payload(&self) -> &'a [u8] {
        self.slice(archive::PAYLOAD)
    }

    /// The metadata, JSON text; empty: none.
    pub fn metadata(&self) -> &'a str {
        text(self.slice(archive::METADATA))
    }

    /// The tags in the order given.
    pub fn tags(&self) -> Tags<'a> {
        let entry = self.bytes.len() - ARCHIVE_ROOT_BYTES + archive::TAGS;
        let (first, count) = self.pointer(entry).unwrap_or((0, 0));
        Tags { record: *self, next: first, left: count }
    }

    /// Whether a record that has its place holds the same event as `new`, byte for byte but for what
    /// [`Record::same_terms`] leaves out.
    pub fn same_content(&self, new: &Record<'_>, timestamp: Option<i64>) -> bool {
        self.payload() == new.payload()
            && self.metadata() == new.metadata()
            && self.same_terms(new, timestamp)
    }

    /// Whether a record that has its place agrees with `new` in all but payload, metadata and the place in the log. Tags
    /// are compared as sets. `timestamp` is the one that `new` names, if any, in microseconds: it must equal the stored
    /// one, whether a client or a clock gave either. Without it, the stored one must be a clock's.
    pub fn same_terms(&self, new: &Record<'_>, timestamp: Option<i64>) -> bool {
        let is_same_time = match timestamp {
            Some(timestamp) => self.timestamp() == timestamp,
            None => !self.is_timestamp_given(),
        };
        is_same_time
            && self.is_json() == new.is_json()
            && self.event_type() == new.event_type()
            && self.tenant() == new.tenant()
            && self.entity_id() == new.entity_id()
            && self.tags().all_in(new.tags())
            && new.tags().all_in(self.tags())
    }

    fn slice(&self, field: usize) -> &'a [u8] {
        self.slice_at(self.bytes.len() - ARCHIVE_ROOT_BYTES + field).unwrap_or(&[])
    }

    /// The bytes that the relative pointer at `entry` points to.
    fn slice_at(&self, entry: usize) -> Option<&'a [u8]> {
        let (start, length) = self.pointer(entry)?;
        self.bytes.get(start..start.checked_add(length)?)
    }

    /// A relative pointer: i32 offset from itself, u32 count.
    fn pointer(&self, entry: usize) -> Option<(usize, usize)> {
        let relative = i32::from_le_bytes(array(self.bytes, entry).ok()?);
        let count = u32_at(self.bytes, entry + 4).ok()? as usize;
        Some((entry.checked_add_signed(relative as isize)?, count))
    }
}

/// Bytes as text, which they are unless the record was never checked.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// The tags of a record.
#[derive(Debug, Clone)]
pub struct Tags<'a> {
    record: Record<'a>,
    next: usize,
    left: usize,
}

impl<'a> Tags<'a> {
    /// Whether each of them is among others.
    fn all_in(self, others: Tags<'_>) -> bool {
        self.raw().all(|tag| others.clone().raw().any(|known| known == tag))
    }

    fn raw(self) -> impl Iterator<Item = &'a [u8]> {
        let Self { record, next, left } = self;
        (0..left).map_while(move |n| record.slice_at(next + 8 * n))
    }
}

impl<'a> Iterator for Tags<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        self.left = self.left.checked_sub(1)?;
        let tag = self.record.slice_at(self.next)?;
        self.next += 8;
        Some(text(tag))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Tags<'_> {}
