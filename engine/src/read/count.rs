//! Counting without reading records, from the lengths of lists and the column of timestamps.
//!
//! A query with bounds on timestamps compares the timestamps of every generation that lies across a bound: the cost grows
//! with the candidates there, not with the count.

use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use super::Events;
use super::lane::Ordinals;
use super::plan::{InTail, Plan, Rest, Sealed};
use super::source::Effort;
use crate::error::ReadError;
use crate::generation::Generation;
use crate::query::Query;
use crate::tail::Tail;
use crate::view::View;

/// How many ordinals are examined at a time.
const PIECE: u64 = 8192;

/// A layer with more lists than this is not counted.
const LISTS_MAX: u64 = 4_096;

/// The positions to count, and the timestamps if the query bounds them.
struct Bounds {
    positions: RangeInclusive<u64>,
    times: Option<RangeInclusive<i64>>,
}

impl Bounds {
    /// The ordinals within the bounds in a layer that begins after `base` and ends at `last`.
    fn ordinals(&self, base: u64, last: u64) -> Range<u32> {
        assert!(base <= last, "a layer ends at or after its base");
        #[expect(clippy::expect_used, reason = "a layer has fewer than 2^32 events")]
        let ordinal = |position: u64| u32::try_from(position - base).expect("ordinals are 32 bits");
        let (first, end) = (self.positions.start() - 1, *self.positions.end());
        ordinal(first.clamp(base, last))..ordinal(end.clamp(base, last))
    }
}

/// How many events match. `None`: the indexes alone cannot tell.
pub(crate) fn count(view: &View, query: &Query) -> Result<Option<u64>, ReadError> {
    let plan = Plan::of(&query.filter);
    if plan.is_of_one_id() {
        let all = Query { limit: None, ..query.clone() };
        let mut found = Events::plan(view.clone(), &all);
        return found.try_fold(0, |count, event| event.map(|_| count + 1)).map(Some);
    }
    if !plan.is_exact() {
        return Ok(None);
    }
    let top = query.to.map_or(u64::MAX, |to| to.value()).min(view.watermark);
    let times = query.filter.times();
    let bottom = query.from.map_or(1, |from| from.value());
    if bottom > top {
        return Ok(Some(0));
    }
    let bounds = Bounds { positions: bottom..=top, times };
    let mut sum = 0;
    for generation in &view.layers.generations {
        match in_generation(generation, &plan, &bounds)? {
            Some(count) => sum += count,
            None => return Ok(None),
        }
    }
    for tail in &view.layers.tails {
        match in_tail(tail, &plan, &bounds)? {
            Some(count) => sum += count,
            None => return Ok(None),
        }
    }
    assert!(sum <= top - bottom + 1, "no position holds two matches");
    Ok(Some(sum))
}

/// Weighs the lists as if a scan were as expensive as can be, because counting never scans events.
fn effort(events: u64) -> Effort {
    Effort { events, window: LISTS_MAX * 4, wanted: u64::MAX }
}

fn in_generation(
    generation: &Arc<Generation>,
    plan: &Plan,
    bounds: &Bounds,
) -> Result<Option<u64>, ReadError> {
    let entry = generation.entry();
    let ordinals = bounds.ordinals(generation.base(), entry.last_position);
    // Only in a generation that lies across a bound are timestamps compared.
    let times = bounds.times.as_ref();
    let is_outside =
        times.is_some_and(|times| *times.start() > entry.max_timestamp || *times.end() < entry.min_timestamp);
    if ordinals.is_empty() || is_outside {
        return Ok(Some(0));
    }
    let times =
        times.filter(|times| *times.start() > entry.min_timestamp || *times.end() < entry.max_timestamp);
    let (found, rest) = plan.in_generation(generation, effort(entry.events))?;
    let within = ordinals.len() as u64;
    let count = count_found(found, rest, generation, plan, ordinals, times)?;
    match count {
        Some(count) if count > within => {
            let problem = format!("the index lists {count} events among {within}");
            Err(generation.contradiction(&problem))
        }
        count => Ok(count),
    }
}

fn count_found(
    found: Sealed,
    rest: Rest,
    generation: &Arc<Generation>,
    plan: &Plan,
    ordinals: Range<u32>,
    times: Option<&RangeInclusive<i64>>,
) -> Result<Option<u64>, ReadError> {
    match found {
        Sealed::Everything if !plan.leaves_only_times(rest) => Ok(None),
        Sealed::Everything => match times {
            None => Ok(Some(ordinals.len() as u64)),
            Some(times) => generation.count_times(ordinals, &|time| times.contains(&time)).map(Some),
        },
        Sealed::One(event) => Ok(Some(u64::from(event.is_some()))),
        Sealed::Stretches(stretches) => {
            let is_whole = times.is_none() && ordinals.len() as u64 == generation.entry().events;
            is_whole.then(|| stretches.count(generation)).transpose()
        }
        Sealed::Lists(lists) => {
            let mut sum = 0;
            for list in lists {
                let list = Ordinals::Sealed(Arc::clone(generation), list);
                let indexes = list.indexes(ordinals.clone())?;
                sum += match times {
                    None => indexes.end - indexes.start,
                    Some(times) => count_in(&list, indexes, |some| {
                        generation.retain_times(some, &|time| times.contains(&time))
                    })?,
                };
            }
            Ok(Some(sum))
        }
    }
}

fn in_tail(tail: &Arc<Tail>, plan: &Plan, bounds: &Bounds) -> Result<Option<u64>, ReadError> {
    let ordinals = bounds.ordinals(tail.base(), tail.last_position());
    let is_wanted = |ordinal: u32| {
        let time = tail.with_record(ordinal, |record| record.timestamp());
        bounds.times.as_ref().is_none_or(|times| times.contains(&time))
    };
    let (found, rest) = plan.in_tail(tail, effort(tail.last_position() - tail.base()));
    let lists = match found {
        InTail::Everything if !plan.leaves_only_times(rest) => return Ok(None),
        InTail::Everything if bounds.times.is_none() => return Ok(Some(ordinals.len() as u64)),
        InTail::Everything => {
            return Ok(Some(ordinals.filter(|ordinal| is_wanted(*ordinal)).count() as u64));
        }
        InTail::One(event) => return Ok(Some(u64::from(event.is_some()))),
        InTail::Lists(lists) => lists,
    };
    let (mut sum, within) = (0, ordinals.len() as u64);
    for list in lists {
        let list = Ordinals::Tail(list);
        let indexes = list.indexes(ordinals.clone())?;
        sum += match bounds.times {
            None => indexes.end - indexes.start,
            Some(_) => count_in(&list, indexes, |some| {
                some.retain(|ordinal| is_wanted(*ordinal));
                Ok(())
            })?,
        };
    }
    assert!(sum <= within, "the lists of a tail share no event");
    Ok(Some(sum))
}

/// How many ordinals of a list `retain` keeps.
fn count_in(
    list: &Ordinals,
    indexes: Range<u64>,
    retain: impl Fn(&mut Vec<u32>) -> Result<(), ReadError>,
) -> Result<u64, ReadError> {
    let (mut sum, mut at) = (0, indexes.start);
    while at < indexes.end {
        let end = indexes.end.min(at + PIECE);
        let mut some = Vec::new();
        list.copy(at..end, &mut some)?;
        retain(&mut some)?;
        sum += some.len() as u64;
        at = end;
    }
    Ok(sum)
}
