//! The lineage: which incarnation of the store wrote which part of the log, and the cursors that rely on it.
//!
//! Each opening for writing begins a new incarnation of the store. A cursor names a position and the incarnation that
//! wrote it. After a restore, a loss of unsynced events or a divergence of two copies, the log holds other events at
//! that position: the store then refuses the cursor instead of silently skipping events.

use std::fmt;
use std::str::FromStr;

use allsource_format::manifest::Lineage as Recorded;
use uuid::Uuid;

use crate::position::Position;

/// One opening of a store for writing. [`Incarnation::UNKNOWN`] stands for those that the store no longer remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Incarnation(Uuid);

impl Incarnation {
    /// Any incarnation before the oldest one that the store remembers.
    pub const UNKNOWN: Self = Self(Uuid::nil());

    /// The incarnation of this id.
    pub fn from_bytes(id: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(id))
    }

    /// Its id.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.into_bytes()
    }
}

impl fmt::Display for Incarnation {
    /// Writes 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

/// A place in the log: everything up to and including a position has been seen.
///
/// Its text form begins with the position: `42-5f0c...`, the incarnation in 32 hexadecimal digits. A bare `42` is a
/// cursor that does not say who wrote the position; the store can then only tell whether it lies beyond the end.
///
/// ```
/// use allsource_engine::Cursor;
/// let cursor: Cursor = "42-000102030405060708090a0b0c0d0e0f".parse()?;
/// assert_eq!((cursor.position, cursor.to_string().len()), (42, 35));
/// # Ok::<(), allsource_engine::InvalidCursor>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The last position that has been seen; 0: none.
    pub position: u64,
    /// The incarnation that wrote it; `None`: unknown.
    pub incarnation: Option<Incarnation>,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.incarnation {
            Some(incarnation) => write!(f, "{}-{incarnation}", self.position),
            None => self.position.fmt(f),
        }
    }
}

/// The text is not a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cursor is a position, or a position, `-` and 32 hexadecimal digits")]
pub struct InvalidCursor;

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
            true => text.parse().map_err(|_| InvalidCursor),
            false => Err(InvalidCursor),
        };
        let Some((position, id)) = text.split_once('-') else {
            return Ok(Self { position: number(text)?, incarnation: None });
        };
        let is_simple = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let id = Uuid::try_parse(id).ok().filter(|_| is_simple).ok_or(InvalidCursor)?;
        Ok(Self { position: number(position)?, incarnation: Some(Incarnation(id)) })
    }
}

/// Why a cursor is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CursorError {
    /// The log ends before it: an older copy replaced the store, or the cursor belongs to another store.
    #[error("position {position} is beyond the end of the log, which is at {end}")]
    BeyondEnd {
        /// The position it names.
        position: u64,
        /// The last position of the log; 0: it is empty.
        end: u64,
    },
    /// The log holds another event at its position than the reader has seen.
    #[error(
        "this store holds another history at position {position}{}",
        common.map_or(String::new(), |common| format!(" (the histories diverge after position {common})"))
    )]
    OtherHistory {
        /// The position it names.
        position: u64,
        /// The last position up to which both histories are known to be the same.
        common: Option<u64>,
    },
}

/// The incarnations whose events the log holds. Each wrote from its first position to just before the next one's.
#[derive(Debug, Default)]
pub(crate) struct Lineage {
    spans: Vec<(u64, Incarnation)>,
}

impl Lineage {
    /// The lineage that a manifest records.
    pub(crate) fn of(recorded: &Recorded) -> Self {
        let spans = recorded.spans().into_iter();
        let spans: Vec<_> =
            spans.map(|span| (span.first_position, Incarnation::from_bytes(span.id))).collect();
        assert!(spans.is_sorted_by(|one, next| one.0 < next.0), "one incarnation writes after the other");
        Self { spans }
    }

    /// Each incarnation with the first position it wrote, oldest first.
    pub(crate) fn spans(&self) -> Vec<(Incarnation, Position)> {
        let span = |(first, incarnation): &(u64, Incarnation)| {
            #[expect(clippy::expect_used, reason = "a lineage in which one starts at 0 does not decode")]
            let first = Position::new(*first).expect("positions start at 1");
            (*incarnation, first)
        };
        self.spans.iter().map(span).collect()
    }

    /// The incarnation that writes now.
    pub(crate) fn current(&self) -> Incarnation {
        self.spans.last().map_or(Incarnation::UNKNOWN, |(_, incarnation)| *incarnation)
    }

    /// The incarnation that wrote a position.
    pub(crate) fn writer_of(&self, position: u64) -> Incarnation {
        let after = self.spans.partition_point(|(first, _)| *first <= position);
        let (before, _) = self.spans.split_at(after);
        before.last().map_or(Incarnation::UNKNOWN, |(first, incarnation)| {
            assert!(*first <= position, "an incarnation writes from its first position on");
            *incarnation
        })
    }

    /// A cursor that has seen everything up to a position.
    pub(crate) fn cursor(&self, position: u64) -> Cursor {
        let incarnation = (position > 0).then(|| self.writer_of(position));
        Cursor { position, incarnation }
    }

    /// Accepts a cursor if its history is a prefix of this log.
    pub(crate) fn check(&self, cursor: Cursor, end: u64) -> Result<Option<Position>, CursorError> {
        let Cursor { position, incarnation } = cursor;
        if let Some(incarnation) = incarnation.filter(|_| position > 0)
            && self.writer_of(position) != incarnation
        {
            return Err(CursorError::OtherHistory { position, common: self.common(position, incarnation) });
        }
        if position > end {
            return Err(CursorError::BeyondEnd { position, end });
        }
        assert!(
            incarnation.is_none_or(|id| position == 0 || self.writer_of(position) == id),
            "the writer is the same"
        );
        Ok(Position::new(position))
    }

    /// The last position that the history of a cursor shares with this log, if it is known.
    fn common(&self, position: u64, incarnation: Incarnation) -> Option<u64> {
        let at = self.spans.iter().position(|(_, known)| *known == incarnation)?;
        let last = self.spans.get(at + 1).map(|(next, _)| next - 1)?;
        assert!(last > 0, "an incarnation that another follows has written");
        Some(last).filter(|last| *last < position)
    }
}

#[cfg(test)]
mod tests {
    use allsource_format::manifest::Incarnation as Entry;

    use super::*;

    fn lineage(firsts: &[(u8, u64)]) -> Lineage {
        let mut recorded = Recorded::default();
        for (id, first_position) in firsts {
            recorded.push(Entry { id: [*id; 16], first_position: *first_position });
        }
        Lineage::of(&recorded)
    }

    #[test]
    fn a_cursor_is_accepted_only_at_positions_that_its_incarnation_wrote() {
        let cursor =
            |id: u8, position| Cursor { position, incarnation: Some(Incarnation::from_bytes([id; 16])) };
        // A copy of incarnations 1 and 2 that ended at position 50 was restored; 4 goes on from there.
        let restored = lineage(&[(1, 1), (2, 40), (4, 51)]);
        let check = |cursor, expected| assert_eq!(restored.check(cursor, 80).map(drop), expected, "{cursor}");
        let other = |position, common| Err(CursorError::OtherHistory { position, common });
        check(cursor(1, 39), Ok(()));
        check(cursor(2, 50), Ok(()));
        check(cursor(4, 80), Ok(()));
        check(cursor(1, 40), other(40, Some(39)));
        check(cursor(2, 70), other(70, Some(50)));
        check(cursor(3, 70), other(70, None));
        check(cursor(4, 10), other(10, None));
        check(cursor(4, 81), Err(CursorError::BeyondEnd { position: 81, end: 80 }));
        check(Cursor { position: 70, incarnation: None }, Ok(()));
        check(
            Cursor { position: 81, incarnation: None },
            Err(CursorError::BeyondEnd { position: 81, end: 80 }),
        );
        check(cursor(9, 0), Ok(()));
    }

    #[test]
    fn positions_older_than_the_lineage_have_cursors_too() {
        let lineage = lineage(&[(1, 100)]);
        let cursor = lineage.cursor(99);
        assert_eq!(cursor.incarnation, Some(Incarnation::UNKNOWN));
        assert_eq!(lineage.check(cursor, 200), Ok(Position::new(99)));
        let moved = Cursor { position: 150, ..cursor };
        assert!(lineage.check(moved, 200).is_err(), "a remembered incarnation wrote 150");
    }

    #[test]
    fn the_text_of_a_cursor_is_read_back_and_nothing_else_is() {
        let lineage = lineage(&[(7, 1)]);
        for cursor in [lineage.cursor(42), Cursor { position: 42, incarnation: None }, lineage.cursor(0)] {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for text in ["", "-", "+1", "1-", "1-2", "x", "-1", "1 ", "1-0701", &format!("1-{}", "g".repeat(32))]
        {
            assert_eq!(text.parse::<Cursor>(), Err(InvalidCursor), "{text:?}");
        }
    }
}
