//! Follows the versions of an entity during a fold, so that an event missing from the read is noticed.

use crate::error::{FoldError, ReadError};
use crate::event::Entity;
use crate::planted::{self, Bug};
use crate::position::Version;

/// How far the history of an entity was followed, version by version.
pub(super) struct History<'e> {
    entity: &'e Entity,
    /// The last version that was followed; 0: none.
    last: u64,
    /// The history was not cut short on purpose.
    is_whole: bool,
}

impl<'e> History<'e> {
    /// The history of an entity after a version; `None`: from its first event on.
    pub(super) fn after(entity: &'e Entity, version: Option<Version>) -> Self {
        Self { entity, last: version.map_or(0, Version::value), is_whole: true }
    }

    /// Follows the next event. Every version must come, since events cannot be removed. Once they can, the versions known
    /// to be removed are counted here.
    pub(super) fn follow(&mut self, version: Version) -> Result<(), FoldError> {
        assert!(self.is_whole, "nothing is followed after the history was cut short");
        let expected = self.last + 1;
        if version.value() != expected && !planted::is(Bug::AcceptWrongCount) {
            return Err(self.gap(expected));
        }
        self.last = version.value();
        Ok(())
    }

    /// Notes that the events from here on do not matter.
    pub(super) fn cut_short(&mut self) {
        self.is_whole = false;
    }

    /// Checks that no event is missing at the end, up to version `most`. `head` looks up the entity's version.
    pub(super) fn check_end(
        &self,
        most: u64,
        head: impl FnOnce() -> Result<Option<u64>, ReadError>,
    ) -> Result<(), FoldError> {
        if !self.is_whole || self.last == most || planted::is(Bug::AcceptWrongCount) {
            return Ok(());
        }
        // An entity without events is at version 0.
        let newest = head()?.unwrap_or(0);
        if self.last == newest.min(most) { Ok(()) } else { Err(self.gap(self.last + 1)) }
    }

    fn gap(&self, version: u64) -> FoldError {
        FoldError::MissingEvent { entity: self.entity.clone(), version }
    }
}
