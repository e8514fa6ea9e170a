//! A cursor over a list of ordinals.

use std::ops::Range;
use std::sync::Arc;

use crate::error::ReadError;
use crate::generation::{Generation, List};
use crate::number::index;
use crate::query::Order;
use crate::tail::Postings;

/// How many ordinals are copied out of a list at a time.
const STRIDE: u64 = 64;

/// Ascending ordinals, in memory or in a file.
pub(super) enum Ordinals {
    Tail(Arc<Postings>),
    Sealed(Arc<Generation>, List),
}

impl Ordinals {
    /// The indexes of the ordinals within a range.
    pub(super) fn indexes(&self, range: Range<u32>) -> Result<Range<u64>, ReadError> {
        assert!(range.start <= range.end, "a range of ordinals ends at or after its start");
        let indexes = self.count_below(range.start)?..self.count_below(range.end)?;
        match self {
            Self::Sealed(generation, _) if indexes.start > indexes.end => {
                Err(generation.contradiction("a list of the index does not ascend"))
            }
            _ => {
                assert!(indexes.start <= indexes.end, "a list in memory ascends");
                Ok(indexes)
            }
        }
    }

    fn count_below(&self, ordinal: u32) -> Result<u64, ReadError> {
        match self {
            Self::Tail(postings) => Ok(postings.count_below(ordinal) as u64),
            Self::Sealed(generation, list) => generation.count_below(list, ordinal),
        }
    }

    pub(super) fn copy(&self, indexes: Range<u64>, into: &mut Vec<u32>) -> Result<(), ReadError> {
        match self {
            Self::Tail(postings) => {
                postings.copy(index(indexes.start)..index(indexes.end), into);
                Ok(())
            }
            Self::Sealed(generation, list) => generation.copy(list, indexes, into),
        }
    }
}

/// A cursor over a list of ordinals, which prefetches some of them.
pub(super) struct Lane {
    ordinals: Ordinals,
    left: Range<u64>,
    /// The prefetched ordinals, the next one last.
    ready: Vec<u32>,
}

impl Lane {
    /// The ordinals of a list within a range.
    pub(super) fn of(ordinals: Ordinals, range: Range<u32>) -> Result<Self, ReadError> {
        let left = ordinals.indexes(range)?;
        Ok(Self { ordinals, left, ready: Vec::new() })
    }

    /// The first ordinal of the whole list.
    pub(super) fn first(&self) -> Result<Option<u32>, ReadError> {
        if self.ordinals.count_below(u32::MAX)? == 0 {
            return Ok(None);
        }
        let mut first = Vec::with_capacity(1);
        self.ordinals.copy(0..1, &mut first)?;
        assert_eq!(first.len(), 1, "as many ordinals are copied as were asked for");
        Ok(first.pop())
    }

    /// Narrows the walk to these indexes of the whole list.
    pub(super) fn narrow(&mut self, indexes: Range<u64>) {
        self.left = self.left.start.max(indexes.start)..self.left.end.min(indexes.end);
    }

    /// The next ordinal in an order.
    pub(super) fn next(&mut self, order: Order) -> Result<Option<u32>, ReadError> {
        if self.ready.is_empty() && !self.left.is_empty() {
            self.refill(order)?;
        }
        Ok(self.ready.pop())
    }

    fn refill(&mut self, order: Order) -> Result<(), ReadError> {
        let count = (self.left.end - self.left.start).min(STRIDE);
        assert!(count > 0 && self.ready.is_empty(), "ordinals are copied when all before them are taken");
        match order {
            Order::Ascending => {
                let taken = self.left.start..self.left.start + count;
                self.left.start = taken.end;
                self.ordinals.copy(taken, &mut self.ready)?;
                self.ready.reverse();
            }
            Order::Descending => {
                let taken = self.left.end - count..self.left.end;
                self.left.end = taken.start;
                self.ordinals.copy(taken, &mut self.ready)?;
            }
        }
        assert_eq!(self.ready.len() as u64, count, "a list has an ordinal at every index below its length");
        Ok(())
    }
}
