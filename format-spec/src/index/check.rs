//! Checking an index: it is the one that its segments give, byte for byte.

use super::{
    Builder, Built, ENTITIES, ENTITY_FANOUT, ID_FANOUT, IDS, PLACES, SEGMENTS, SegmentEntry, TAG_KEYS,
    TAG_LISTS, TAGS, TIMES, TYPE_KEYS, TYPE_LISTS, TYPES,
};
use crate::error::FormatError;
use crate::partition::{entity_key, is_valid_count, of_key};
use crate::sealed::{self, Header, Kind, source_crc};
use crate::segment::Segment;

/// Checks a whole index against the segments of its generation, which come in the order of partitions, of a store
/// with so many partitions.
///
/// # Errors
/// What is wrong with it, or with the segments beside each other.
pub fn check(bytes: &[u8], segments: &[Segment<'_>], partitions: u32) -> Result<Header, FormatError> {
    let header = sealed::check(bytes, Kind::Index)?;
    if expected_header(&header, segments) != header {
        return Err(FormatError::Differs("header of the index"));
    }
    let builder = build(&header, segments, partitions)?;
    let entry = |segment: &Segment<'_>| SegmentEntry {
        partition: segment.header().partition,
        header_crc: segment.header_crc(),
        first_sequence: segment.header().first_sequence,
        events: segment.header().events,
        bytes: segment.header().file_bytes(),
    };
    let entries: Vec<SegmentEntry> = segments.iter().map(entry).collect();
    builder.finish(&entries, |built| compare(&header, bytes, &built))?;
    Ok(header)
}

/// What the header should be.
fn expected_header(header: &Header, segments: &[Segment<'_>]) -> Header {
    let headers = || segments.iter().map(Segment::header);
    let crcs = segments.iter().map(|segment| (segment.header().partition, segment.header_crc()));
    Header {
        epoch: headers().map(|header| header.epoch).max().unwrap_or(0),
        partition: 0,
        first_sequence: 0,
        events: headers().fold(0, |sum, header| header.events.saturating_add(sum)),
        min_timestamp: headers().map(|header| header.min_timestamp).min().unwrap_or(0),
        max_timestamp: headers().map(|header| header.max_timestamp).max().unwrap_or(0),
        source_crc: source_crc(crcs),
        ..header.clone()
    }
}

/// Makes the index anew.
fn build(header: &Header, segments: &[Segment<'_>], partitions: u32) -> Result<Builder, FormatError> {
    let events = u32::try_from(header.events).ok().and_then(|events| usize::try_from(events).ok());
    let events =
        events.filter(|_| header.events.checked_sub(1) == Some(header.last_position - header.first_position));
    let events = events.ok_or(FormatError::Differs("number of events of the index"))?;
    if !is_valid_count(partitions) {
        return Err(FormatError::Range("partition count"));
    }
    let mut builder = Builder::new(header.first_position, events, partitions);
    let mut next = 0;
    for segment in segments {
        let Header { store, partition, first_position, last_position, .. } = *segment.header();
        if partition < next {
            return Err(FormatError::Order("segment"));
        }
        if (store, first_position, last_position)
            != (header.store, header.first_position, header.last_position)
        {
            return Err(FormatError::Differs("store or range of the index"));
        }
        for placed in segment.records() {
            let record = placed.record;
            if of_key(&entity_key(record.tenant(), record.entity_id()), partitions) != partition {
                return Err(FormatError::Range("partition of a record"));
            }
            let added = builder.add(&record, partition, placed.run, placed.offset);
            added.map_err(|_| FormatError::Range("position of a record"))?;
        }
        next = partition + 1;
    }
    Ok(builder)
}

fn compare(header: &Header, bytes: &[u8], built: &Built) -> Result<(), FormatError> {
    let section = header.section(built.kind);
    let is_same =
        section.is_some_and(|section| section.count == built.count && section.of(bytes) == built.bytes);
    if is_same { Ok(()) } else { Err(FormatError::Differs(name(built.kind))) }
}

const fn name(kind: u32) -> &'static str {
    match kind {
        SEGMENTS => "section of segments",
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
