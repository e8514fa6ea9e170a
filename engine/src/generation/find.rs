//! Finding what has one place: the head of an entity, the event of an id, the sequence of a position.

use std::ops::Range;

use allsource_format::index::{
    ENTITIES, ENTITY_FANOUT, ID_FANOUT, IDS, PLACES, RANK_STEP, RANKS, Stretch, bucket, fanout_bits,
};
use allsource_format::segment::partition_and_offset;
use smallvec::SmallVec;

use super::Generation;
use crate::error::ReadError;
use crate::event::EventRef;
use crate::sealed::SealedFile;

/// Where in a sorted section the entries of a hash can be.
fn range_of(index: &SealedFile, fanout: u32, hash: u64, entries: u64) -> Result<Range<u64>, ReadError> {
    let bucket = bucket(hash, fanout_bits(entries));
    let bound = |bytes: &[u8]| u64::from(bytes.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes)));
    let range = index.column(fanout, 4).with(bucket, 8, |bytes| {
        let (start, end) = bytes.split_at(4);
        bound(start)..bound(end)
    })?;
    match range.start <= range.end && range.end <= entries {
        true => Ok(range),
        false => Err(index.damaged(0, "a fanout does not ascend")),
    }
}

/// Looks at the entries of a range, which are `N` bytes each, in place.
fn with_entries<const N: usize, R>(
    index: &SealedFile,
    kind: u32,
    range: &Range<u64>,
    mut look: impl FnMut(&[[u8; N]]) -> R,
) -> Result<R, ReadError> {
    let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX).saturating_mul(N);
    index.column(kind, N as u64).with(range.start, length, |bytes| look(bytes.as_chunks().0))
}

/// The stretches of a hash.
pub(super) fn stretches_of(index: &SealedFile, hash: u64) -> Result<Range<u64>, ReadError> {
    let range = range_of(index, ENTITY_FANOUT, hash, index.column(ENTITIES, 32).len())?;
    with_entries(index, ENTITIES, &range, |entries: &[[u8; 32]]| {
        let hash_of = |entry: &[u8; 32]| entry.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let start = entries.partition_point(|entry| hash_of(entry) < hash);
        let end = entries.partition_point(|entry| hash_of(entry) <= hash);
        range.start + start as u64..range.start + end as u64
    })
}

pub(super) fn stretch_at(index: &SealedFile, at: u64) -> Result<Stretch, ReadError> {
    let bytes: [u8; 32] = index.column(ENTITIES, 32).entry(at)?;
    Stretch::decode(&bytes).map_err(|problem| index.damaged(0, problem))
}

impl Generation {
    /// The version of an entity's last event here.
    pub(crate) fn head(&self, hash: u64, key: &[u8]) -> Result<Option<u64>, ReadError> {
        let mut range = self.indexed(|index| stretches_of(index, hash))?;
        while let Some(at) = range.next_back() {
            let stretch = self.indexed(|index| stretch_at(index, at))?;
            if self.is_about(&stretch, key)? {
                return Ok(Some(stretch.first_version + u64::from(stretch.count) - 1));
            }
        }
        Ok(None)
    }

    /// The event of this id here.
    pub(crate) fn find_id(
        &self,
        hash: u64,
        tenant: &str,
        id: &[u8; 16],
    ) -> Result<Option<EventRef>, ReadError> {
        let candidates = self.indexed(|index| {
            let range = range_of(index, ID_FANOUT, hash, index.column(IDS, 8).len())?;
            with_entries(index, IDS, &range, |entries: &[[u8; 8]]| {
                let entries = entries.iter().map(|entry| u64::from_le_bytes(*entry));
                let same = entries.filter(|entry| entry >> 32 == hash >> 32);
                same.map(|entry| u32::try_from(entry & 0xffff_ffff).unwrap_or(0))
                    .collect::<SmallVec<[u32; 2]>>()
            })
        })?;
        for ordinal in candidates {
            let event = self.event(ordinal)?;
            if event.record().id() == *id && event.tenant() == tenant {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// The sequence within its partition of the last event at or below a position of this generation.
    pub(crate) fn sequence_through(&self, partition: u32, position: u64) -> Result<Option<u64>, ReadError> {
        let segments = self.holder.segments()?;
        let Some(segment) = segments.iter().find(|segment| segment.partition == partition) else {
            return Ok(None);
        };
        let through = position.saturating_sub(self.base()).min(self.entry.events);
        let row = (through / RANK_STEP).min(self.entry.events.saturating_sub(1) / RANK_STEP);
        let count = self.indexed(|index| {
            let ranks = index.column(RANKS, 4);
            let before = ranks.u32(row * u64::from(self.access.partitions) + u64::from(partition))?;
            let mut count = u64::from(before);
            index.column(PLACES, 8).scan(row * RANK_STEP..through, |place| {
                count += u64::from(partition_and_offset(u64::from_le_bytes(place)).0 == partition);
            })?;
            Ok(count)
        })?;
        Ok(Some(segment.first_sequence - 1 + count))
    }
}
