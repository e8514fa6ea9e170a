//! Point lookups: the head of an entity, the event of an id, the sequence of a position.

use std::ops::Range;

use allsource_format::index::{
    ENTITIES, ENTITY_FANOUT, ID_FANOUT, IDS, PLACES, RANK_STEP, RANKS, Stretch, bucket, fanout_bits,
    partition_and_offset,
};
use smallvec::SmallVec;

use super::Generation;
use crate::error::ReadError;
use crate::event::EventRef;
use crate::number;
use crate::sealed::SealedFile;

/// The range of a sorted section that can hold the entries of a hash.
fn range_of(index: &SealedFile, fanout: u32, hash: u64, entries: u64) -> Result<Range<u64>, ReadError> {
    let bucket = bucket(hash, fanout_bits(entries));
    let bound = |bytes: [u8; 4]| u64::from(u32::from_le_bytes(bytes));
    let range = index.column(fanout, 4).with(bucket, 8, |bytes| match *bytes.as_chunks().0 {
        [start, end] => bound(start)..bound(end),
        _ => unreachable!("two entries were asked for"),
    })?;
    match range.start <= range.end && range.end <= entries {
        true => Ok(range),
        false => Err(index.damaged(0, "the fanout does not ascend")),
    }
}

/// Calls `look` with the entries of a range, of `N` bytes each, in place.
fn with_entries<const N: usize, R>(
    index: &SealedFile,
    kind: u32,
    range: &Range<u64>,
    mut look: impl FnMut(&[[u8; N]]) -> R,
) -> Result<R, ReadError> {
    assert!(range.start <= range.end, "the fanout of a section ascends");
    let length = number::index(range.end - range.start).saturating_mul(N);
    index.column(kind, N as u64).with(range.start, length, |bytes| look(bytes.as_chunks().0))
}

/// The stretches of a hash.
pub(super) fn stretches_of(index: &SealedFile, hash: u64) -> Result<Range<u64>, ReadError> {
    let range = range_of(index, ENTITY_FANOUT, hash, index.column(ENTITIES, 32).len())?;
    with_entries(index, ENTITIES, &range, |entries: &[[u8; 32]]| {
        #[expect(clippy::expect_used, reason = "an entry has 32 bytes")]
        let hash_of =
            |entry: &[u8; 32]| u64::from_le_bytes(*entry.first_chunk().expect("an entry has a hash"));
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
                #[expect(clippy::expect_used, reason = "the mask leaves 32 bits")]
                let ordinal = |entry| u32::try_from(entry & 0xffff_ffff_u64).expect("an ordinal has 32 bits");
                same.map(ordinal).collect::<SmallVec<[u32; 2]>>()
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
        let Some(first_sequence) = self.first_sequence(partition)? else { return Ok(None) };
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
        Ok(Some(first_sequence - 1 + count))
    }
}
