//! Finding what has one place: the head of an entity, the event of an id, the sequence of a position.

use std::ops::Range;

use allsource_format::index::{
    ENTITIES, ENTITY_FANOUT, ID_FANOUT, IDS, PLACES, RANK_STEP, RANKS, SEGMENTS, SegmentEntry, Stretch,
    bucket, fanout_bits,
};
use allsource_format::segment::partition_and_offset;

use super::Generation;
use crate::error::Damage;
use crate::event::EventRef;
use crate::sealed::SealedFile;

/// Where in a sorted section the entries of a hash can be.
fn range_of(index: &SealedFile, fanout: u32, hash: u64, entries: u64) -> Result<Range<u64>, Damage> {
    let bucket = bucket(hash, fanout_bits(entries));
    let column = index.column(fanout, 4);
    Ok(u64::from(column.u32(bucket)?)..u64::from(column.u32(bucket + 1)?))
}

/// The stretches of a hash.
pub(super) fn stretches_of(index: &SealedFile, hash: u64) -> Result<Range<u64>, Damage> {
    let column = index.column(ENTITIES, 32);
    let range = range_of(index, ENTITY_FANOUT, hash, column.len())?;
    let start = column.partition_point(range.clone(), |at| Ok(stretch_at(index, at)?.hash < hash))?;
    let end = column.partition_point(start..range.end, |at| Ok(stretch_at(index, at)?.hash == hash))?;
    Ok(start..end)
}

pub(super) fn stretch_at(index: &SealedFile, at: u64) -> Result<Stretch, Damage> {
    let bytes: [u8; 32] = index.column(ENTITIES, 32).entry(at)?;
    Stretch::decode(&bytes).map_err(|problem| index.damage(0, problem))
}

impl Generation {
    /// The version of an entity's last event here.
    pub(crate) fn head(&self, hash: u64, key: &[u8]) -> Result<Option<u64>, Damage> {
        let mut range = self.indexed(|index| stretches_of(index, hash))?;
        while let Some(at) = range.next_back() {
            let stretch = self.indexed(|index| stretch_at(index, at))?;
            if self.first_of(&stretch)?.entity_key()[..] == *key {
                return Ok(Some(stretch.first_version + u64::from(stretch.count) - 1));
            }
        }
        Ok(None)
    }

    /// The event of this id here.
    pub(crate) fn find_id(&self, hash: u64, tenant: &str, id: &[u8; 16]) -> Result<Option<EventRef>, Damage> {
        let candidates = self.indexed(|index| {
            let column = index.column(IDS, 8);
            let range = range_of(index, ID_FANOUT, hash, column.len())?;
            let upper = hash >> 32;
            let mut at = column.partition_point(range.clone(), |at| Ok(column.u64(at)? >> 32 < upper))?;
            let mut ordinals = Vec::new();
            while at < range.end {
                let entry = column.u64(at)?;
                if entry >> 32 != upper {
                    break;
                }
                ordinals.push(u32::try_from(entry & 0xffff_ffff).unwrap_or(u32::MAX));
                at += 1;
            }
            Ok(ordinals)
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
    pub(crate) fn sequence_through(&self, partition: u32, position: u64) -> Result<Option<u64>, Damage> {
        self.indexed(|index| {
            let Some(entry) = segment_entries(index)?.into_iter().find(|entry| entry.partition == partition)
            else {
                return Ok(None);
            };
            let through = position.saturating_sub(self.base()).min(self.entry.events);
            let row = (through / RANK_STEP).min(self.entry.events.saturating_sub(1) / RANK_STEP);
            let ranks = index.column(RANKS, 4);
            let before = ranks.u32(row * u64::from(self.access.partitions) + u64::from(partition))?;
            let mut count = u64::from(before);
            index.column(PLACES, 8).scan(row * RANK_STEP..through, |place| {
                count += u64::from(partition_and_offset(u64::from_le_bytes(place)).0 == partition);
            })?;
            Ok(Some(entry.first_sequence - 1 + count))
        })
    }
}

/// The segments an index was made of.
pub(super) fn segment_entries(index: &SealedFile) -> Result<Vec<SegmentEntry>, Damage> {
    let column = index.column(SEGMENTS, 32);
    let entry = |at| {
        let bytes: [u8; 32] = column.entry(at)?;
        SegmentEntry::decode(&bytes).map_err(|problem| index.damage(0, problem))
    };
    (0..column.len()).map(entry).collect()
}
