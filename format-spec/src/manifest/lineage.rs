//! The lineage of a store: which incarnation wrote which part of its log.
//!
//! Each opening of a store for writing adds an [`Incarnation`]: a random id and the first position that it may write. An
//! incarnation ends before the lowest first position of any later one. That distinguishes events that a restore, a repair
//! or an unsynced crash took back from those that were written in their place.

use crate::bytes::{array, put, u64_at};
use crate::error::FormatError;
use crate::limits::LINEAGE_MAX;

/// Size of an incarnation in a manifest.
pub const INCARNATION_BYTES: usize = 24;

/// One opening of a store for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incarnation {
    /// Its random id.
    pub id: [u8; 16],
    /// The first position it may write.
    pub first_position: u64,
}

/// The incarnations of a store, in the order it was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lineage {
    incarnations: Vec<Incarnation>,
}

impl Lineage {
    /// Adds the incarnation that opens the store. If there are more than 1,024, drops one that wrote nothing, or else the
    /// oldest.
    pub fn push(&mut self, incarnation: Incarnation) {
        assert!(incarnation.first_position > 0, "positions start at 1");
        self.incarnations.push(incarnation);
        if self.incarnations.len() > LINEAGE_MAX {
            let empty = (0..self.incarnations.len()).find(|at| self.is_empty_at(*at));
            let oldest = 0;
            self.incarnations.remove(empty.unwrap_or(oldest));
        }
        assert!(self.incarnations.len() <= LINEAGE_MAX, "one was added and one removed");
    }

    /// The incarnations, in the order the store was opened.
    pub fn incarnations(&self) -> &[Incarnation] {
        &self.incarnations
    }

    /// Whether the log holds nothing that an incarnation wrote.
    fn is_empty_at(&self, at: usize) -> bool {
        let (before, later) = self.incarnations.split_at(at + 1);
        let first = before.last().map(|incarnation| incarnation.first_position);
        later.iter().any(|other| Some(other.first_position) <= first)
    }

    /// The incarnations whose events are in the log, and the one that writes now. Each spans from its first position to
    /// just before the next one's.
    pub fn spans(&self) -> Vec<Incarnation> {
        let mut spans: Vec<Incarnation> = Vec::new();
        for incarnation in &self.incarnations {
            while spans.last().is_some_and(|span| span.first_position >= incarnation.first_position) {
                spans.pop();
            }
            spans.push(*incarnation);
        }
        assert!(spans.is_sorted_by_key(|span| span.first_position), "spans follow each other");
        spans
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        for incarnation in &self.incarnations {
            let mut entry = [0; INCARNATION_BYTES];
            put(&mut entry, 0, &incarnation.id);
            put(&mut entry, 16, &incarnation.first_position.to_le_bytes());
            out.extend_from_slice(&entry);
        }
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let entry = |bytes: &[u8; INCARNATION_BYTES]| {
            let incarnation = Incarnation { id: array(bytes, 0)?, first_position: u64_at(bytes, 16)? };
            match incarnation.first_position {
                0 => Err(FormatError::Range("first position of an incarnation")),
                _ => Ok(incarnation),
            }
        };
        let incarnations = bytes.as_chunks().0.iter().map(entry).collect::<Result<_, _>>()?;
        Ok(Self { incarnations })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lineage(firsts: &[u64]) -> Lineage {
        let mut lineage = Lineage::default();
        for (number, first_position) in (1..).zip(firsts) {
            lineage.push(Incarnation { id: [number; 16], first_position: *first_position });
        }
        lineage
    }

    #[test]
    fn an_incarnation_ends_where_any_later_one_began() {
        let check = |firsts: &[u64], expected: &[(u8, u64)]| {
            let spans = lineage(firsts).spans();
            let spans: Vec<_> = spans.iter().map(|span| (span.id[0], span.first_position)).collect();
            assert_eq!(spans, expected, "{firsts:?}");
        };
        check(&[], &[]);
        check(&[1], &[(1, 1)]);
        check(&[1, 1, 10], &[(2, 1), (3, 10)]);
        check(&[1, 101, 81], &[(1, 1), (3, 81)]);
        check(&[1, 40, 60, 51, 90], &[(1, 1), (2, 40), (4, 51), (5, 90)]);
        check(&[50, 70, 60, 50], &[(4, 50)]);
    }

    #[test]
    fn incarnations_that_wrote_nothing_are_dropped_first_and_then_the_oldest() {
        let mut kept = lineage(&[1, 5, 5]);
        for number in 0..LINEAGE_MAX as u64 - 3 {
            kept.push(Incarnation { id: [0; 16], first_position: 10 + number });
        }
        kept.push(Incarnation { id: [9; 16], first_position: 5000 });
        let firsts: Vec<u64> = kept.incarnations().iter().take(3).map(|kept| kept.first_position).collect();
        assert_eq!((kept.incarnations().len(), &firsts[..]), (LINEAGE_MAX, &[1, 5, 10][..]));
        assert_eq!(kept.incarnations()[1].id, [3; 16], "of the two at 5, the later one wrote");
        kept.push(Incarnation { id: [9; 16], first_position: 6000 });
        assert_eq!(kept.incarnations()[0].first_position, 5);
    }
}
