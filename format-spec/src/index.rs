//! The index of a generation: sorted arrays of numbers with which events are found in its records.
//!
//! An event's *ordinal* is its position minus the first position of the generation. Hashes narrow a search, but may
//! collide, so the records decide.

mod build;
mod check;

use crate::entry::entry;
use crate::error::FormatError;
use crate::sealed::Kind;

pub use build::{Builder, Built};
pub use check::{check, check_sections};

/// Section of places ([`place`]), a u64 for each ordinal.
pub const PLACES: u32 = 1;
/// Section of timestamps, an i64 for each ordinal.
pub const TIMES: u32 = 2;
/// Section of stretches, one [`Stretch`] each, by hash, version and offset.
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

const _: () = assert!(RANKS == Kind::Index.sections());

/// Ordinals between two rows of ranks.
pub const RANK_STEP: u64 = 4096;
/// Most records in a stretch.
pub const STRETCH_EVENTS_MAX: u32 = 64;
/// Size of an entry in the sections of stretches and names.
pub const ENTRY_BYTES: usize = 32;

entry! {
    /// Up to [`STRETCH_EVENTS_MAX`] adjacent records of one entity in one run.
    Stretch, ENTRY_BYTES, check check_stretch;
    /// [`crate::partition::key_hash`] of the entity's key.
    hash: u64,
    /// Version of the first record.
    first_version: u64,
    /// Where the first record lies: in a segments file, its offset.
    offset: u64,
    /// Number of records.
    count: u32,
    /// Size of the records in bytes.
    bytes: u32,
}

entry! {
    /// An event type or tag of a tenant, and the events that carry it. Its key is the tenant, a zero byte, and the
    /// name.
    Name, ENTRY_BYTES, reserved 4;
    /// Offset of its key in the section of keys.
    key_offset: u64,
    /// Index of its first ordinal in the section of lists.
    first: u64,
    /// Number of ordinals.
    count: u32,
    /// For a type: how many of its events are the first of their entity. For a tag: 0.
    entities: u32,
    /// Length of its key.
    key_bytes: u32,
}

/// Place of an event in a generation: its partition in the upper 16 bits, and in the lower 48 where it lies in the file of
/// records, which is its offset in a segments file.
pub fn place(partition: u32, offset: u64) -> u64 {
    assert!(offset >> 48 == 0 && partition >> 16 == 0, "files are far smaller, partitions far fewer");
    u64::from(partition) << 48 | offset
}

/// Partition and offset of a [`place`].
pub fn partition_and_offset(place: u64) -> (u32, u64) {
    (u32::from((place >> 48) as u16), place & ((1 << 48) - 1))
}

fn check_stretch(stretch: &Stretch) -> Result<(), FormatError> {
    // No version is as high as this: one follows another from 1 on.
    let end = u64::MAX / 2;
    let is_sound =
        (1..end).contains(&stretch.first_version) && (1..=STRETCH_EVENTS_MAX).contains(&stretch.count);
    if is_sound { Ok(()) } else { Err(FormatError::Range("entry of the section of stretches")) }
}

/// How many upper bits of a hash a fanout uses to divide `entries` entries.
///
/// A fanout holds 2^bits + 1 u32s: at place *n*, the number of entries whose upper bits are below *n*.
pub fn fanout_bits(entries: u64) -> u32 {
    (64 - (entries / 8).leading_zeros()).clamp(1, 24)
}

/// How many entries a fanout of `entries` entries has.
pub fn fanout_entries(entries: u64) -> u64 {
    (1 << fanout_bits(entries)) + 1
}

/// The bucket of a hash in a fanout of `bits` bits.
pub fn bucket(hash: u64, bits: u32) -> u64 {
    hash >> (64 - bits)
}

/// An entry of the section of ids.
pub fn id_entry(hash: u64, ordinal: u32) -> u64 {
    hash & 0xffff_ffff_0000_0000 | u64::from(ordinal)
}
