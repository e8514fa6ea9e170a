//! Checks an index: it must equal the one that its segments give, byte for byte.

use super::{
    Builder, Built, ENTITIES, ENTITY_FANOUT, ENTRY_BYTES, ID_FANOUT, IDS, PLACES, RANK_STEP, RANKS, TAG_KEYS,
    TAG_LISTS, TAGS, TIMES, TYPE_KEYS, TYPE_LISTS, TYPES, fanout_entries,
};
use crate::error::FormatError;
use crate::partition::{entity_key, is_valid_count, of_key};
use crate::sealed::{self, Header, Kind};
use crate::segment::Segments;

/// Checks a whole index against its generation's segments, in a store of `partitions` partitions.
///
/// # Errors
/// If the index or the segments are invalid, or differ.
pub fn check(bytes: &[u8], segments: &Segments<'_>, partitions: u32) -> Result<Header, FormatError> {
    let header = sealed::check(bytes, Kind::Index)?;
    if expected_header(&header, segments) != header {
        return Err(FormatError::Differs("header of the index"));
    }
    let builder = build(segments, partitions)?;
    builder.finish(|built| compare(&header, bytes, &built))?;
    Ok(header)
}

/// Checks that the lengths of the sections of an index fit its number of events. A search in a section that is too short
/// would find nothing.
///
/// # Errors
/// If one does not.
pub fn check_sections(header: &Header) -> Result<(), FormatError> {
    let count = |kind| header.section(kind).count;
    let rows = header.events.div_ceil(RANK_STEP);
    let is_whole = (1..=RANKS).all(|kind| {
        let section = header.section(kind);
        section.count.checked_mul(entry_bytes(kind)) == Some(section.bytes)
    });
    // A key is a tenant, a zero byte and a name; a name has at least one event.
    let is_named =
        [(TYPES, TYPE_KEYS, TYPE_LISTS), (TAGS, TAG_KEYS, TAG_LISTS)].iter().all(|(names, keys, lists)| {
            let (names, keys, lists) = (count(*names), count(*keys), count(*lists));
            names <= lists && names <= keys / 3 && (names == 0) == (keys == 0) && (names == 0) == (lists == 0)
        });
    let is_counted = header.events > 0
        && is_named
        && [PLACES, TIMES, IDS, TYPE_LISTS].iter().all(|kind| count(*kind) == header.events)
        && [ENTITIES, TYPES].iter().all(|kind| (1..=header.events).contains(&count(*kind)))
        && [(ENTITY_FANOUT, ENTITIES), (ID_FANOUT, IDS)]
            .iter()
            .all(|(fanout, of)| count(*fanout) == fanout_entries(count(*of)))
        && count(RANKS) > 0
        && count(RANKS).is_multiple_of(rows);
    if is_whole && is_counted { Ok(()) } else { Err(FormatError::Range("length of a section of the index")) }
}

/// The size of an entry of a section.
const fn entry_bytes(kind: u32) -> u64 {
    match kind {
        PLACES | TIMES | IDS => 8,
        ENTITIES | TYPES | TAGS => ENTRY_BYTES as u64,
        TYPE_KEYS | TAG_KEYS => 1,
        _ => 4,
    }
}

/// The expected header: that of the segments, except for the sections.
fn expected_header(header: &Header, segments: &Segments<'_>) -> Header {
    let Header { checksums, checksums_crc, sections, .. } = header.clone();
    let source_crc = segments.header_crc();
    Header { kind: Kind::Index, checksums, checksums_crc, source_crc, sections, ..segments.header().clone() }
}

/// Rebuilds the index.
fn build(segments: &Segments<'_>, partitions: u32) -> Result<Builder, FormatError> {
    let header = segments.header();
    let events = u32::try_from(header.events).ok().and_then(|events| usize::try_from(events).ok());
    let events =
        events.filter(|_| header.events.checked_sub(1) == Some(header.last_position - header.first_position));
    let events = events.ok_or(FormatError::Differs("number of events of the index"))?;
    if !is_valid_count(partitions) {
        return Err(FormatError::Range("partition count"));
    }
    let mut builder = Builder::new(header.first_position, events, partitions);
    for placed in segments.records() {
        let (record, partition) = (placed.record, placed.partition);
        if of_key(&entity_key(record.tenant(), record.entity_id()), partitions) != partition {
            return Err(FormatError::Range("partition of a record"));
        }
        let added = builder.add(&record, partition, placed.run, placed.offset);
        added.map_err(|_| FormatError::Range("position of a record"))?;
    }
    Ok(builder)
}

fn compare(header: &Header, bytes: &[u8], built: &Built) -> Result<(), FormatError> {
    let section = header.section(built.kind);
    let is_same = section.count == built.count && section.of(bytes) == built.bytes;
    if is_same { Ok(()) } else { Err(FormatError::Differs(name(built.kind))) }
}

const fn name(kind: u32) -> &'static str {
    match kind {
        PLACES => "section of places",
        TIMES => "section of timestamps",
        ENTITIES => "section of entities",
        ENTITY_FANOUT => "fanout of the entities",
        IDS => "section of ids",
        ID_FANOUT => "fanout of the ids",
        TYPES => "section of types",
        TYPE_KEYS => "section of keys of types",
        TYPE_LISTS => "section of lists of types",
        TAGS => "section of tags",
        TAG_KEYS => "section of keys of tags",
        TAG_LISTS => "section of lists of tags",
        _ => "section of ranks",
    }
}

#[cfg(test)]
mod tests;
