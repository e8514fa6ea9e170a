//! Reading events: their records are copied out of the segments, a few at a time, so that whatever happens to a file
//! later cannot change an event that was handed out.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use allsource_format::index::{PLACES, Stretch, TIMES};
use allsource_format::limits::RECORD_BYTES_MAX;
use allsource_format::partition;
use allsource_format::record::Record;
use allsource_format::segment::partition_and_offset;
use rkyv::util::AlignedVec;

use super::Generation;
use super::find::{stretch_at, stretches_of};
use crate::error::Damage;
use crate::event::{Block, EventRef};
use crate::query::Order;
use crate::sealed::SealedFile;

/// Copies the record at an offset to the end of `into`.
fn copy_record(segment: &SealedFile, offset: u64, into: &mut AlignedVec) -> Result<u32, Damage> {
    let archive = u32::from_le_bytes(segment.array(offset)?) as usize;
    let length = archive.saturating_add(8);
    if !length.is_multiple_of(8) || length > RECORD_BYTES_MAX {
        return Err(segment.damage(offset, "no record begins here"));
    }
    let start = into.len();
    into.resize(start + length, 0);
    segment.copy(offset, into.get_mut(start..).unwrap_or(&mut []))?;
    Record::at(into.get(start..).unwrap_or(&[])).map_err(|problem| segment.damage(offset, problem))?;
    Ok(u32::try_from(start).unwrap_or(u32::MAX))
}

impl Generation {
    /// The event of an ordinal.
    pub(crate) fn event(&self, ordinal: u32) -> Result<EventRef, Damage> {
        let mut events = VecDeque::with_capacity(1);
        self.fetch(&[ordinal], &mut events)?;
        events
            .pop_front()
            .ok_or_else(|| Damage::new(super::index_path(&self.entry), 0, "an event is missing"))
    }

    /// The events of these ordinals, in their order.
    pub(crate) fn fetch(&self, ordinals: &[u32], into: &mut VecDeque<EventRef>) -> Result<(), Damage> {
        let places = self.indexed(|index| {
            let column = index.column(PLACES, 8);
            ordinals.iter().map(|ordinal| column.u64(u64::from(*ordinal))).collect::<Result<Vec<_>, _>>()
        })?;
        let mut bytes = AlignedVec::with_capacity(ordinals.len() * 512);
        let mut offsets = Vec::with_capacity(ordinals.len());
        for (ordinal, place) in ordinals.iter().zip(places) {
            let (partition, offset) = partition_and_offset(place);
            let segment = self.segment(partition)?;
            let start = copy_record(segment, offset, &mut bytes).inspect_err(|damage| self.note(damage))?;
            let record = Record::at(bytes.get(start as usize..).unwrap_or(&[]));
            if record.map(|record| record.position()) != Ok(self.base() + 1 + u64::from(*ordinal)) {
                return Err(segment.damage(offset, "another event is where the index says"));
            }
            offsets.push(start);
        }
        let block = Arc::new(Block::new(bytes));
        into.extend(offsets.into_iter().map(|offset| EventRef::new(Arc::clone(&block), offset)));
        Ok(())
    }

    /// Whether the timestamps of some ordinals lie within bounds.
    pub(crate) fn retain_times(
        &self,
        ordinals: &mut Vec<u32>,
        is_wanted: &dyn Fn(i64) -> bool,
    ) -> Result<(), Damage> {
        let wanted = self.indexed(|index| {
            let column = index.column(TIMES, 8);
            let time = |ordinal: &u32| Ok(column.u64(u64::from(*ordinal))?.cast_signed());
            ordinals.iter().map(|ordinal| time(ordinal).map(is_wanted)).collect::<Result<Vec<_>, Damage>>()
        })?;
        let mut wanted = wanted.into_iter();
        ordinals.retain(|_| wanted.next().unwrap_or(true));
        Ok(())
    }

    /// The first event of a stretch.
    pub(super) fn first_of(&self, stretch: &Stretch) -> Result<EventRef, Damage> {
        let partition = partition::of_hash(stretch.hash, self.access.partitions);
        let mut bytes = AlignedVec::new();
        let copied = copy_record(self.segment(partition)?, stretch.offset, &mut bytes);
        let start = copied.inspect_err(|damage| self.note(damage))?;
        Ok(EventRef::new(Arc::new(Block::new(bytes)), start))
    }

    /// All events of a stretch.
    fn events_of(&self, stretch: &Stretch) -> Result<Vec<EventRef>, Damage> {
        let segment = self.segment(partition::of_hash(stretch.hash, self.access.partitions))?;
        let mut bytes = AlignedVec::new();
        bytes.resize(stretch.bytes as usize, 0);
        segment.copy(stretch.offset, &mut bytes).inspect_err(|damage| self.note(damage))?;
        let block = Arc::new(Block::new(bytes));
        let (mut offset, mut events) = (0, Vec::with_capacity(stretch.count as usize));
        for number in 0..u64::from(stretch.count) {
            let record = block.bytes().get(offset..).map(Record::at);
            let Some(Ok(record)) = record.filter(|record| {
                record.is_ok_and(|record| record.version() == stretch.first_version + number)
            }) else {
                return Err(segment.damage(stretch.offset, "other events are where the index says"));
            };
            events.push(EventRef::new(Arc::clone(&block), u32::try_from(offset).unwrap_or(u32::MAX)));
            offset += record.as_bytes().len();
        }
        Ok(events)
    }

    /// The stretches of an entity whose versions lie within a range.
    pub(crate) fn stretches(&self, hash: u64, key: &[u8], versions: Range<u64>) -> Result<Stretches, Damage> {
        let found = self.indexed(|index| {
            let range = stretches_of(index, hash)?;
            range.map(|at| stretch_at(index, at)).collect::<Result<VecDeque<_>, _>>()
        })?;
        let is_wanted = |stretch: &Stretch| {
            stretch.first_version < versions.end
                && stretch.first_version + u64::from(stretch.count) > versions.start
        };
        let left = found.into_iter().filter(is_wanted).collect();
        Ok(Stretches { key: key.into(), left })
    }
}

/// The part of an entity's history that one generation holds.
pub(crate) struct Stretches {
    key: Box<[u8]>,
    left: VecDeque<Stretch>,
}

impl Stretches {
    /// The events of the next stretch, in the order of the walk. `None`: there is none.
    pub(crate) fn next(
        &mut self,
        generation: &Generation,
        order: Order,
        into: &mut VecDeque<EventRef>,
    ) -> Result<Option<()>, Damage> {
        let next = match order {
            Order::Ascending => self.left.pop_front(),
            Order::Descending => self.left.pop_back(),
        };
        let Some(stretch) = next else { return Ok(None) };
        let mut events = generation.events_of(&stretch)?;
        // Another entity may have the same hash.
        if events.first().is_some_and(|event| event.entity_key()[..] == *self.key) {
            if order == Order::Descending {
                events.reverse();
            }
            into.extend(events);
        }
        Ok(Some(()))
    }

    /// How many events are left.
    pub(crate) fn count(&self, generation: &Generation) -> Result<u64, Damage> {
        let mut count = 0;
        for stretch in &self.left {
            let is_same = generation.first_of(stretch)?.entity_key()[..] == *self.key;
            count += if is_same { u64::from(stretch.count) } else { 0 };
        }
        Ok(count)
    }
}
