//! The index of a generation: every way to find an event in its segments, in sorted arrays of numbers.
//!
//! An event's *ordinal* is its position less the first position of the generation. A hash narrows a search; the
//! record's own bytes decide.

mod build;
mod check;

use crate::bytes::{put, u32_at, u64_at};
use crate::error::FormatError;

pub use build::{Builder, Built};
pub use check::check;

/// Section of places ([`crate::segment::place`]), a u64 for each ordinal.
pub const PLACES: u32 = 1;
/// Section of timestamps, an i64 for each ordinal.
pub const TIMES: u32 = 2;
/// Section of stretches, one [`Stretch`] each, by hash, key and version.
pub const ENTITIES: u32 = 3;
/// Fanout of [`ENTITIES`].
pub const ENTITY_FANOUT: u32 = 4;
/// Section of ids, a u64 each, ascending: the upper half of the id's hash, then the ordinal.
pub const IDS: u32 = 5;
/// Fanout of [`IDS`].
pub const ID_FANOUT: u32 = 6;
/// Section of event types, one [`Name`] each, by key.
pub const TYPES: u32 = 7;
/// Keys of [`TYPES`], one after the other.
pub const TYPE_KEYS: u32 = 8;
/// Ordinals of each type, a u32 each, ascending within a type.
pub const TYPE_LISTS: u32 = 9;
/// Section of tags, one [`Name`] each, by key.
pub const TAGS: u32 = 10;
/// Keys of [`TAGS`], one after the other.
pub const TAG_KEYS: u32 = 11;
/// Ordinals of each tag, a u32 each, ascending within a tag.
pub const TAG_LISTS: u32 = 12;
/// Section of ranks: at every [`RANK_STEP`]th ordinal, the number of earlier ordinals in each partition, a u32 each.
pub const RANKS: u32 = 13;

/// Ordinals between two rows of ranks.
pub const RANK_STEP: u64 = 4096;
/// Most records in a stretch.
pub const STRETCH_EVENTS_MAX: u32 = 64;
/// Size of an entry in the sections of stretches and names.
pub const ENTRY_BYTES: usize = 32;

/// Up to [`STRETCH_EVENTS_MAX`] adjacent records of one entity in one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// [`crate::partition::key_hash`] of the entity's key.
    pub hash: u64,
    /// Version of the first record.
    pub first_version: u64,
    /// Offset of the first record in the segments file.
    pub offset: u64,
    /// Number of records.
    pub count: u32,
    /// Size of the records in bytes.
    pub bytes: u32,
}

impl Stretch {
    /// The entry's bytes.
    pub fn encode(&self) -> [u8; ENTRY_BYTES] {
        let mut out = [0; ENTRY_BYTES];
        put(&mut out, 0, &self.hash.to_le_bytes());
        put(&mut out, 8, &self.first_version.to_le_bytes());
        put(&mut out, 16, &self.offset.to_le_bytes());
        put(&mut out, 24, &self.count.to_le_bytes());
        put(&mut out, 28, &self.bytes.to_le_bytes());
        out
    }

    /// Decodes an entry.
    ///
    /// # Errors
    /// If it is cut short.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        Ok(Self {
            hash: u64_at(bytes, 0)?,
            first_version: u64_at(bytes, 8)?,
            offset: u64_at(bytes, 16)?,
            count: u32_at(bytes, 24)?,
            bytes: u32_at(bytes, 28)?,
        })
    }
}

/// An event type or tag of a tenant, and the events that carry it. Its key is the tenant, a zero byte, and the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name {
    /// Offset of its key in the section of keys.
    pub key_offset: u64,
    /// Index of its first ordinal in the section of lists.
    pub first: u64,
    /// Number of ordinals.
    pub count: u32,
    /// For a type: how many of its events are the first of their entity. For a tag: 0.
    pub entities: u32,
    /// Length of its key.
    pub key_bytes: u32,
}

impl Name {
    /// The entry's bytes.
    pub fn encode(&self) -> [u8; ENTRY_BYTES] {
        let mut out = [0; ENTRY_BYTES];
        put(&mut out, 0, &self.key_offset.to_le_bytes());
        put(&mut out, 8, &self.first.to_le_bytes());
        put(&mut out, 16, &self.count.to_le_bytes());
        put(&mut out, 20, &self.entities.to_le_bytes());
        put(&mut out, 24, &self.key_bytes.to_le_bytes());
        out
    }

    /// Decodes an entry.
    ///
    /// # Errors
    /// If it is cut short, or its reserved bytes are set.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        if u32_at(bytes, 28)? != 0 {
            return Err(FormatError::Reserved("reserved bytes of a name"));
        }
        Ok(Self {
            key_offset: u64_at(bytes, 0)?,
            first: u64_at(bytes, 8)?,
            count: u32_at(bytes, 16)?,
            entities: u32_at(bytes, 20)?,
            key_bytes: u32_at(bytes, 24)?,
        })
    }
}

/// How many upper bits of a hash a fanout uses to divide `entries` entries.
///
/// A fanout holds 2^bits + 1 u32s: at place *n*, the number of entries whose upper bits are below *n*.
pub fn fanout_bits(entries: u64) -> u32 {
    (64 - (entries / 8).leading_zeros()).clamp(1, 24)
}

/// The bucket of a hash in a fanout of `bits` bits.
pub fn bucket(hash: u64, bits: u32) -> u64 {
    hash >> (64 - bits)
}

/// An entry of the section of ids.
pub fn id_entry(hash: u64, ordinal: u32) -> u64 {
    hash & 0xffff_ffff_0000_0000 | u64::from(ordinal)
}
