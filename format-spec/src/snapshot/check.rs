//! Checks a whole snapshots file: its states must be valid and fill their section, and its directory, fanout and
//! header must agree with them.

use super::{DIRECTORY, FANOUT, PLACE_BYTES, Place, STATES, Snapshot};
use crate::bytes::index;
use crate::error::FormatError;
use crate::index::{bucket, fanout_bits, fanout_entries};
use crate::limits::{ENTITY_ID_BYTES_MAX, TENANT_BYTES_MAX, TIMESTAMP_MAX, TIMESTAMP_MIN};
use crate::partition::{KEY_SEPARATOR, key_hash};
use crate::sealed::{self, Header, Kind};

/// Checks a whole snapshots file: header, blocks, directory, fanout and states. It cannot check whether a state follows
/// from its events.
///
/// # Errors
/// If any of them is invalid.
pub fn check(bytes: &[u8]) -> Result<Header, FormatError> {
    let header = sealed::check(bytes, Kind::Snapshots)?;
    if header.source_crc != 0 {
        return Err(FormatError::Reserved("source checksum of snapshots"));
    }
    let mut places = directory(&header, bytes)?;
    check_fanout(&header, bytes, &places)?;
    places.sort_unstable_by_key(|place| place.offset);
    check_states(&header, bytes, &places)?;
    Ok(header)
}

/// Checks that the lengths of the sections fit the number of states. A search in a section that is too short would find
/// nothing.
///
/// # Errors
/// If one does not.
pub fn check_sections(header: &Header) -> Result<(), FormatError> {
    let length = |kind| (header.section(kind).count, header.section(kind).bytes);
    let fanout = fanout_entries(header.events);
    let is_whole = header.events > 0
        && header.section(STATES).count == header.events
        && Some(length(DIRECTORY).1) == header.events.checked_mul(PLACE_BYTES as u64)
        && length(DIRECTORY).0 == header.events
        && length(FANOUT) == (fanout, fanout * 4);
    if is_whole { Ok(()) } else { Err(FormatError::Range("length of a section of the snapshots")) }
}

/// The entries of the directory, checked to be in order.
fn directory(header: &Header, bytes: &[u8]) -> Result<Vec<Place>, FormatError> {
    let (states, directory) = (header.section(STATES), header.section(DIRECTORY));
    let (entries, rest) = directory.of(bytes).as_chunks::<PLACE_BYTES>();
    let count = entries.len() as u64;
    if count == 0 || !rest.is_empty() || [directory.count, states.count, header.events] != [count; 3] {
        return Err(FormatError::Range("number of snapshots"));
    }
    let places = entries.iter().map(|entry| Place::decode(entry)).collect::<Result<Vec<_>, _>>()?;
    let key = |place: &Place| (place.hash, place.version, place.offset);
    match places.is_sorted_by(|one, next| key(one) < key(next)) {
        true => Ok(places),
        false => Err(FormatError::Order("directory of the snapshots")),
    }
}

/// Checks the fanout of a directory's entries, which are sorted by hash.
fn check_fanout(header: &Header, bytes: &[u8], places: &[Place]) -> Result<(), FormatError> {
    let section = header.section(FANOUT);
    let (entries, rest) = section.of(bytes).as_chunks::<4>();
    let bits = fanout_bits(places.len() as u64);
    if !rest.is_empty() || [section.count, entries.len() as u64] != [(1 << bits) + 1; 2] {
        return Err(FormatError::Range("length of the fanout of the snapshots"));
    }
    for (upper, entry) in (0..).zip(entries) {
        let below = places.partition_point(|place| bucket(place.hash, bits) < upper);
        if u64::from(u32::from_le_bytes(*entry)) != below as u64 {
            return Err(FormatError::Differs("fanout of the snapshots"));
        }
    }
    Ok(())
}

/// Checks the states; `places` are sorted by offset.
fn check_states(header: &Header, bytes: &[u8], places: &[Place]) -> Result<(), FormatError> {
    let section = header.section(STATES);
    let (mut rest, mut offset) = (section.of(bytes), section.offset);
    let mut found = Header {
        first_position: u64::MAX,
        last_position: 0,
        min_timestamp: i64::MAX,
        max_timestamp: i64::MIN,
        ..header.clone()
    };
    let misplaced = FormatError::Range("place of a snapshot");
    for place in places {
        let length = index(place.bytes);
        let split = rest.split_at_checked(length).filter(|_| place.offset == offset);
        let (state, behind) = split.ok_or(misplaced)?;
        let snapshot = Snapshot::decode(state)?;
        check_fields(&snapshot)?;
        if (place.hash, place.version) != (key_hash(snapshot.key.as_bytes()), snapshot.version) {
            return Err(FormatError::Differs("directory of the snapshots"));
        }
        found.first_position = found.first_position.min(snapshot.position);
        found.last_position = found.last_position.max(snapshot.position);
        found.min_timestamp = found.min_timestamp.min(snapshot.max_timestamp);
        found.max_timestamp = found.max_timestamp.max(snapshot.max_timestamp);
        (rest, offset) = (behind, offset + place.bytes);
    }
    if !rest.is_empty() {
        return Err(misplaced);
    }
    match found == *header {
        true => Ok(()),
        false => Err(FormatError::Range("positions or timestamps of the snapshots")),
    }
}

fn check_fields(snapshot: &Snapshot<'_>) -> Result<(), FormatError> {
    let separator = char::from(KEY_SEPARATOR);
    let is_key = snapshot.key.split_once(separator).is_some_and(|(tenant, id)| {
        (1..=TENANT_BYTES_MAX).contains(&tenant.len())
            && (1..=ENTITY_ID_BYTES_MAX).contains(&id.len())
            && !id.contains(separator)
    });
    if !is_key {
        return Err(FormatError::Field("key of a snapshot"));
    }
    if !(1..=3).contains(&snapshot.cause) {
        return Err(FormatError::Field("cause of a snapshot"));
    }
    let times = [snapshot.created_at, snapshot.last_updated, snapshot.max_timestamp];
    let is_within = times.iter().all(|time| (TIMESTAMP_MIN..=TIMESTAMP_MAX).contains(time));
    if !is_within || snapshot.last_updated > snapshot.max_timestamp {
        return Err(FormatError::Range("time of a snapshot"));
    }
    match snapshot.events == snapshot.version && snapshot.version <= snapshot.position {
        true => Ok(()),
        false => Err(FormatError::Range("events or position of a snapshot")),
    }
}

#[cfg(test)]
mod tests;
