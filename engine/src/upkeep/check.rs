//! Looks once, after the opening, whether the files of sealed events are those that the manifest names: a loss is reported
//! before a reader meets it.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use super::{Upkeep, UpkeepError};
use crate::error::ReadError;
use crate::generation::Generation;

/// The generations that were not checked yet; `None`: none was.
#[derive(Default)]
pub(crate) struct Unchecked(Option<VecDeque<Weak<Generation>>>);

/// Checks the next generation, by reading headers only. False: all were checked.
pub(super) fn check(upkeep: &Upkeep) -> Result<bool, UpkeepError> {
    let mut unchecked = upkeep.unchecked.lock();
    let left = unchecked
        .0
        .get_or_insert_with(|| upkeep.store.layers().generations.iter().map(Arc::downgrade).collect());
    let Some(next) = left.front() else { return Ok(false) };
    // One that was merged meanwhile was read as a whole.
    if let Some(generation) = next.upgrade() {
        match generation.check() {
            Err(error @ ReadError::Damaged(_)) => upkeep.access.damages.note(&error),
            // What cannot be read now is checked again after a rest.
            checked => checked?,
        }
    }
    left.pop_front();
    Ok(true)
}
