//! Finds the position of a commit time by binary search, since commit times rise with positions.

use super::position;
use crate::error::ReadError;
use crate::event::Timestamp;
use crate::position::Position;
use crate::view::View;

/// The position of the first event recorded at or after a time. If there is none yet, the position of the next event.
pub(crate) fn first_recorded_since(view: &View, time: Timestamp) -> Result<Position, ReadError> {
    let wanted = time.micros();
    let sealed = view.layers.generations.iter();
    for generation in sealed.filter(|generation| generation.entry().last_recorded_at >= wanted) {
        let is_before = |ordinal| Ok(generation.event(ordinal)?.recorded_at() < time);
        #[expect(clippy::expect_used, reason = "a manifest entry with more events does not decode")]
        let events = u32::try_from(generation.entry().events).expect("ordinals are 32 bits");
        let ordinal = first_not(events, is_before)?;
        if ordinal < events {
            return Ok(visible(generation.base() + u64::from(ordinal), view));
        }
    }
    for tail in &view.layers.tails {
        let is_before = |ordinal| Ok(tail.with_record(ordinal, |record| record.recorded_at()) < wanted);
        let events = tail.ordinals_through(tail.last_position());
        let ordinal = first_not(events, is_before)?;
        if ordinal < events {
            return Ok(visible(tail.base() + u64::from(ordinal), view));
        }
    }
    Ok(visible(view.watermark, view))
}

/// The position after `before`, or the first invisible position if that is lower.
fn visible(before: u64, view: &View) -> Position {
    position(before.min(view.watermark) + 1)
}

/// A binary search: the first ordinal below `events` for which `is_before` is false, or `events`.
fn first_not(events: u32, is_before: impl Fn(u32) -> Result<bool, ReadError>) -> Result<u32, ReadError> {
    let (mut start, mut end) = (0, events);
    while start < end {
        let middle = start + (end - start) / 2;
        if is_before(middle)? { start = middle + 1 } else { end = middle }
    }
    assert!(start <= events, "a search stays within its range");
    Ok(start)
}
