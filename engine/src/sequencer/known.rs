//! An event that is known by its id, and whether a new event repeats it.

use allsource_format::record::Record;
use uuid::Uuid;

use super::flight::InFlight;
use crate::append::PreparedEvent;
use crate::batch::Committed;
use crate::error::AppendError;
use crate::event::{Entity, EventRef, Timestamp};
use crate::position::{Position, Sequence, Version};

/// An event that exists already.
pub(super) enum Known<'a> {
    /// In the round that is being built.
    InRound(InFlight<'a>),
    /// In a round on its way to the disk.
    InFlight(InFlight<'a>),
    /// In a tail or a generation, with its sequence.
    Stored(EventRef, u64),
}

impl Known<'_> {
    fn record(&self) -> Record<'_> {
        match self {
            Self::InRound(noted) | Self::InFlight(noted) => noted.record,
            Self::Stored(event, _) => event.record(),
        }
    }

    pub(super) fn is_in_round(&self) -> bool {
        matches!(self, Self::InRound(_))
    }

    /// The earlier result, if a new event with the same id repeats this one. Only bytes are compared here; the caller's
    /// thread compared the values.
    pub(super) fn compare(&self, new: &Record<'_>, event: &PreparedEvent) -> Result<Committed, AppendError> {
        let existing = self.record();
        let named = event.named_time();
        let is_same = existing.same_content(new, named)
            || existing.same_terms(new, named) && self.has_values_of(event)?;
        if is_same { Ok(self.committed()) } else { Err(self.duplicate()) }
    }

    fn has_values_of(&self, event: &PreparedEvent) -> Result<bool, AppendError> {
        match self {
            Self::InRound(noted) | Self::InFlight(noted) => Ok(noted.digest == event.digest),
            Self::Stored(stored, _) => {
                let verdict = event.verdict.filter(|verdict| verdict.position == stored.position().value());
                // It was stored after the caller's look-up.
                verdict.map(|verdict| verdict.is_same).ok_or(AppendError::Overtaken { id: event.id })
            }
        }
    }

    fn committed(&self) -> Committed {
        let record = self.record();
        let sequence = match self {
            Self::InRound(noted) | Self::InFlight(noted) => noted.sequence,
            Self::Stored(_, sequence) => *sequence,
        };
        Committed {
            id: Uuid::from_bytes(record.id()),
            position: counted(Position::new(record.position())),
            version: counted(Version::new(record.version())),
            sequence: counted(Sequence::new(sequence)),
            recorded_at: Timestamp::from_micros(record.recorded_at()),
            timestamp: Timestamp::from_micros(record.timestamp()),
            replayed: true,
        }
    }

    fn duplicate(&self) -> AppendError {
        let Committed { id, position, version, .. } = self.committed();
        AppendError::Duplicate { id, position, entity: Entity::of_record(&self.record()), version }
    }

    /// The refusal of a batch that requires this event to be absent.
    pub(super) fn other_batch(&self) -> AppendError {
        let Committed { id, position, version, .. } = self.committed();
        AppendError::OtherBatch { id, position, entity: Entity::of_record(&self.record()), version }
    }
}

/// A position, version or sequence, which are never 0.
pub(super) fn counted<T>(number: Option<T>) -> T {
    #[expect(clippy::expect_used, reason = "positions, versions and sequences start at 1")]
    number.expect("numbers of events start at 1")
}
