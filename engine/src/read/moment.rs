//! Finding where a time of commit lies in the log: positions and times of commit rise together.

use crate::error::ReadError;
use crate::event::Timestamp;
use crate::position::Position;
use crate::view::View;

/// The first position whose event was recorded at or after a time; `None`: there is none yet.
pub(crate) fn first_recorded_since(view: &View, time: Timestamp) -> Result<Option<Position>, ReadError> {
    let wanted = time.micros();
    let sealed = view.layers.generations.iter();
    for generation in sealed.filter(|generation| generation.entry().last_recorded_at >= wanted) {
        let is_before = |ordinal| Ok(generation.event(ordinal)?.recorded_at() < time);
        let events = u32::try_from(generation.entry().events).unwrap_or(u32::MAX);
        let ordinal = first_not(events, is_before)?;
        if ordinal < events {
            return Ok(visible(generation.base() + 1 + u64::from(ordinal), view));
        }
    }
    for tail in &view.layers.tails {
        let recorded_at = |ordinal| tail.with_record(ordinal, |record| record.recorded_at());
        let is_before = |ordinal| Ok(recorded_at(ordinal).is_some_and(|recorded| recorded < wanted));
        let events = tail.ordinals_through(tail.last_position());
        let ordinal = first_not(events, is_before)?;
        if ordinal < events {
            return Ok(visible(tail.base() + 1 + u64::from(ordinal), view));
        }
    }
    Ok(None)
}

fn visible(position: u64, view: &View) -> Option<Position> {
    Position::new(position).filter(|position| position.value() <= view.watermark)
}

/// The first of so many ordinals for which `is_before` is false, if it is true for those before and false from there on.
fn first_not(events: u32, is_before: impl Fn(u32) -> Result<bool, ReadError>) -> Result<u32, ReadError> {
    let (mut start, mut end) = (0, events);
    while start < end {
        let middle = start + (end - start) / 2;
        if is_before(middle)? { start = middle + 1 } else { end = middle }
    }
    assert!(start <= events, "a search stays within its range");
    Ok(start)
}
