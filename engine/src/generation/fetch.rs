//! Reading events: they are copied into memory in small batches, so that no later change of a file affects an event that
//! a reader holds.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use allsource_format::index::{ENTITIES, PLACES, Stretch, TIMES};
use allsource_format::partition::{KEY_SEPARATOR, key_hash};
use allsource_format::record::Record;
use smallvec::SmallVec;

use super::Generation;
use super::find::{stretch_at, stretches_of};
use crate::error::ReadError;
use crate::event::{Block, EventRef, KeyBuffer, key_of};
use crate::holder::{Ahead, Copied, Wanted};
use crate::number::offset_in_block;
use crate::planted::{self, Bug};
use crate::query::Order;
use crate::sealed::SealedFile;

/// How many stretches are summed to estimate the length of the history of an entity.
const STRETCHES_SUMMED: u64 = 16;

/// Whether a record belongs to the entity of a key.
fn is_of(record: &Record<'_>, key: &[u8]) -> bool {
    let tenant = record.tenant_bytes();
    key.split_at_checked(tenant.len() + 1).is_some_and(|(owner, id)| {
        id == record.entity_bytes() && owner.strip_suffix(&[KEY_SEPARATOR]) == Some(tenant)
    })
}

/// Whether the key of a record's entity has this hash.
fn has_hash(record: &Record<'_>, hash: u64) -> bool {
    key_hash(&key_of(record.tenant_bytes(), record.entity_bytes())) == hash
}

/// The problem of an index whose stretch leads elsewhere.
const OTHER_EVENTS: &str = "a stretch of the index leads to other events, or to fewer";

/// The version after the last one in a stretch.
fn end_version(stretch: &Stretch) -> u64 {
    stretch.first_version.saturating_add(u64::from(stretch.count))
}

impl Generation {
    /// The event of an ordinal.
    pub(crate) fn event(&self, ordinal: u32) -> Result<EventRef, ReadError> {
        let mut events = VecDeque::with_capacity(1);
        self.fetch(&[ordinal], None, &mut events)?;
        #[expect(clippy::expect_used, reason = "a holder returns at least one event")]
        Ok(events.pop_front().expect("one event was asked for"))
    }

    /// Fetches the events of the first of these ordinals, in order: as many as fit into a block, and at least one.
    /// Returns how many. `ahead`: the state of prefetching, for a scan.
    pub(crate) fn fetch(
        &self,
        ordinals: &[u32],
        mut ahead: Option<&mut Ahead>,
        into: &mut VecDeque<EventRef>,
    ) -> Result<usize, ReadError> {
        let (is_rebuilt, mut copied) = (self.is_index_missing(), Copied::default());
        self.copy_events(ordinals, ahead.as_deref_mut(), &mut copied)?;
        if copied.is_empty() && !ordinals.is_empty() {
            let error = self.contradiction("an entry of the index leads to another event, or to none");
            if is_rebuilt || !self.is_index_missing() {
                return Err(error);
            }
            self.copy_events(ordinals, ahead, &mut copied)?;
        }
        let count = copied.len();
        if count == 0 && !ordinals.is_empty() {
            return Err(self.damaged("an event cannot be found again"));
        }
        assert!(count <= ordinals.len(), "a fetch returns some of the events that it is asked for");
        let (bytes, offsets) = copied.into_parts();
        let block = Arc::new(Block::new(bytes));
        into.extend(offsets.into_iter().map(|offset| EventRef::new(Arc::clone(&block), offset)));
        Ok(count)
    }

    /// Copies the records of the first of these ordinals; none, if the first is not where the index says.
    fn copy_events(
        &self,
        ordinals: &[u32],
        ahead: Option<&mut Ahead>,
        into: &mut Copied,
    ) -> Result<(), ReadError> {
        let first_position = self.base() + 1;
        let wanted = self.indexed(|index| {
            let column = index.column(PLACES, 8);
            let wanted = |ordinal: &u32| {
                let place = column.u64(u64::from(*ordinal))?;
                Ok(Wanted::at(place, first_position + u64::from(*ordinal)))
            };
            ordinals.iter().map(wanted).collect::<Result<SmallVec<[Wanted; 64]>, ReadError>>()
        })?;
        self.noted(self.holder.fetch(&wanted, ahead, into))
    }

    /// Keeps the ordinals whose timestamps are wanted.
    pub(crate) fn retain_times(
        &self,
        ordinals: &mut Vec<u32>,
        is_wanted: &dyn Fn(i64) -> bool,
    ) -> Result<(), ReadError> {
        let wanted = self.indexed(|index| {
            let column = index.column(TIMES, 8);
            let time = |ordinal: &u32| Ok(column.u64(u64::from(*ordinal))?.cast_signed());
            ordinals.iter().map(|ordinal| time(ordinal).map(is_wanted)).collect::<Result<Vec<_>, ReadError>>()
        })?;
        let mut wanted = wanted.into_iter();
        assert_eq!(wanted.len(), ordinals.len(), "each ordinal has a timestamp");
        ordinals.retain(|_| wanted.next() == Some(true));
        Ok(())
    }

    /// How many timestamps of these ordinals are wanted.
    pub(crate) fn count_times(
        &self,
        ordinals: Range<u32>,
        is_wanted: &dyn Fn(i64) -> bool,
    ) -> Result<u64, ReadError> {
        self.indexed(|index| {
            let mut count = 0;
            let range = u64::from(ordinals.start)..u64::from(ordinals.end);
            index
                .column(TIMES, 8)
                .scan(range, |time| count += u64::from(is_wanted(i64::from_le_bytes(time))))?;
            Ok(count)
        })
    }

    /// Whether a stretch belongs to the entity of a key: other entities may share its hash.
    pub(super) fn is_about(&self, stretch: &Stretch, key: &[u8]) -> Result<bool, ReadError> {
        let (mut is_same, mut is_right) = (false, false);
        let is_one = self.noted(self.holder.first_of(stretch, &mut |record| {
            is_same = is_of(record, key);
            is_right =
                record.version() == stretch.first_version && (is_same || has_hash(record, stretch.hash));
        }))?;
        match is_one && is_right {
            true => Ok(is_same),
            false => Err(self.contradiction(OTHER_EVENTS)),
        }
    }

    /// Adds the events of a stretch in the given order. False: it belongs to another entity than the one of this key.
    fn events_of(
        &self,
        stretch: &Stretch,
        key: &[u8],
        order: Order,
        into: &mut VecDeque<EventRef>,
    ) -> Result<bool, ReadError> {
        let block = Arc::new(Block::new(self.noted(self.holder.stretch(stretch))?));
        let mut offset = 0;
        for number in 0..u64::from(stretch.count) {
            let record = block.bytes().get(offset..).map(Record::at);
            let Some(Ok(record)) = record else { return Err(self.contradiction(OTHER_EVENTS)) };
            let (is_same, version) = (is_of(&record, key), stretch.first_version.checked_add(number));
            if number == 0 && !is_same && has_hash(&record, stretch.hash) {
                return Ok(false);
            }
            if !is_same || Some(record.version()) != version || record.version() == 0 {
                return Err(self.contradiction(OTHER_EVENTS));
            }
            let event = EventRef::new(Arc::clone(&block), offset_in_block(offset));
            match order {
                Order::Ascending => into.push_back(event),
                Order::Descending => into.push_front(event),
            }
            offset += record.as_bytes().len();
        }
        Ok(true)
    }

    /// The stretches of an entity with versions in a range. Stretches of other entities with the same hash may lie between
    /// them, so the search relies only on what ascends over all of them: the first versions.
    pub(crate) fn stretches(
        &self,
        hash: u64,
        key: &[u8],
        versions: Range<u64>,
    ) -> Result<Stretches, ReadError> {
        let left = self.indexed(|index| {
            let range = stretches_of(index, hash)?;
            if versions == (0..u64::MAX) {
                return Ok(range);
            }
            let column = index.column(ENTITIES, 32);
            if planted::is(Bug::TrustEntityHash) {
                let start = column.partition_point(range.clone(), |at| {
                    Ok(end_version(&stretch_at(index, at)?) <= versions.start)
                })?;
                return Ok(start..range.end);
            }
            let begins_below = |bound: u64| {
                column.partition_point(range.clone(), |at| Ok(stretch_at(index, at)?.first_version < bound))
            };
            let (above, end) = (begins_below(versions.start.saturating_add(1))?, begins_below(versions.end)?);
            Ok(self.holding(index, range.start..above, versions.start, key)?..end.max(above))
        })?;
        Ok(Stretches { key: KeyBuffer::from_slice(key), left, is_shared: false })
    }

    /// Among stretches that begin at or below a version, the index of the entity's stretch that contains it. If there is
    /// none, the end of the range.
    fn holding(
        &self,
        index: &SealedFile,
        range: Range<u64>,
        version: u64,
        key: &[u8],
    ) -> Result<u64, ReadError> {
        for at in range.clone().rev() {
            let stretch = stretch_at(index, at)?;
            if self.is_about(&stretch, key)? {
                return Ok(if end_version(&stretch) > version { at } else { range.end });
            }
        }
        Ok(range.end)
    }
}

/// The part of an entity's history that one generation holds.
pub(crate) struct Stretches {
    key: KeyBuffer,
    /// Indexes of entries in the index.
    left: Range<u64>,
    /// Another entity has the same hash: look at the first record of a stretch before all of it is copied.
    is_shared: bool,
}

impl Stretches {
    /// Adds the events of the next stretch in the order of the walk. False: there is none.
    pub(crate) fn next(
        &mut self,
        generation: &Generation,
        order: Order,
        into: &mut VecDeque<EventRef>,
    ) -> Result<bool, ReadError> {
        let next = match order {
            Order::Ascending => self.left.next(),
            Order::Descending => self.left.next_back(),
        };
        let Some(at) = next else { return Ok(false) };
        let stretch = generation.indexed(|index| stretch_at(index, at))?;
        if !self.is_shared || generation.is_about(&stretch, &self.key)? {
            self.is_shared = !generation.events_of(&stretch, &self.key, order, into)? || self.is_shared;
        }
        Ok(true)
    }

    /// An upper bound on the events left, from a few entries of the index; `u64::MAX`: there are too many entries.
    pub(crate) fn events_at_most(&self, generation: &Generation) -> Result<u64, ReadError> {
        if self.left.end - self.left.start > STRETCHES_SUMMED {
            return Ok(u64::MAX);
        }
        let count =
            |at| generation.indexed(|index| stretch_at(index, at)).map(|found| u64::from(found.count));
        self.left.clone().map(count).sum()
    }

    /// How many events are left.
    pub(crate) fn count(&self, generation: &Generation) -> Result<u64, ReadError> {
        let mut count = 0;
        for at in self.left.clone() {
            let stretch = generation.indexed(|index| stretch_at(index, at))?;
            let is_same = generation.is_about(&stretch, &self.key)?;
            count += if is_same { u64::from(stretch.count) } else { 0 };
        }
        Ok(count)
    }
}
