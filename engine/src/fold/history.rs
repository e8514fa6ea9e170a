//! Following the versions of an entity, so that an event that a read leaves out is noticed.

use crate::error::{FoldError, ReadError};
use crate::event::Entity;
use crate::planted::{self, Bug};
use crate::position::Version;

/// The versions of an entity that were met so far, without a gap.
pub(super) struct History<'e> {
    entity: &'e Entity,
    /// The last version that was met; 0: none was.
    last: u64,
    /// What comes after was left out on purpose.
    is_whole: bool,
}

impl<'e> History<'e> {
    /// The history of an entity after a version; `None`: from its first event on.
    pub(super) fn after(entity: &'e Entity, version: Option<Version>) -> Self {
        Self { entity, last: version.map_or(0, Version::value), is_whole: true }
    }

    /// Notes the next event. Every version is met, as no event can be removed yet; where positions are known as removed,
    /// this is the place that counts them in.
    pub(super) fn follow(&mut self, version: Version) -> Result<(), FoldError> {
        let expected = self.last + 1;
        if version.value() != expected && !planted::is(Bug::AcceptWrongCount) {
            return Err(self.gap(expected));
        }
        self.last = version.value();
        Ok(())
    }

    /// The events after the last one that was met do not matter.
    pub(super) fn is_left_early(&mut self) {
        self.is_whole = false;
    }

    /// Checks that no event is missing at the end, up to the version `most`. `head` looks up the entity's version.
    pub(super) fn check_end(
        &self,
        most: u64,
        head: impl FnOnce() -> Result<Option<u64>, ReadError>,
    ) -> Result<(), FoldError> {
        if !self.is_whole || self.last == most || planted::is(Bug::AcceptWrongCount) {
            return Ok(());
        }
        let expected = head()?.unwrap_or(0).min(most);
        if self.last == expected { Ok(()) } else { Err(self.gap(self.last + 1)) }
    }

    fn gap(&self, version: u64) -> FoldError {
        FoldError::MissingEvent { entity: self.entity.clone(), version }
    }
}
