//! A growing buffer that is charged for the memory it takes: its whole capacity, and both copies while it moves.

use std::ops::Deref;

use super::{Charge, Exhausted};

/// The first capacity of a buffer whose length is unknown, in bytes.
const CAPACITY_MIN: usize = 4 << 10;

/// Bytes with the charge of their capacity.
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
    charge: Charge,
    /// What was charged before there were bytes.
    prepaid: usize,
    /// The most bytes it can come to hold, if that is known.
    most: usize,
}

impl Buffer {
    /// An empty buffer. It may use up what `charge` holds already, and grows the charge beyond that.
    pub fn new(charge: Charge) -> Self {
        Self { bytes: Vec::new(), prepaid: charge.bytes(), charge, most: usize::MAX }
    }

    /// Sets the length that the buffer will not exceed, so that it does not grow beyond.
    #[must_use]
    pub fn up_to(self, most: usize) -> Self {
        Self { most, ..self }
    }

    /// Makes room for `more` bytes.
    ///
    /// # Errors
    /// When the budget has no room; the buffer does not change.
    pub fn reserve(&mut self, more: usize) -> Result<(), Exhausted> {
        let need = self.bytes.len().saturating_add(more);
        let old = self.bytes.capacity();
        if need <= old {
            return Ok(());
        }
        let doubled = old.saturating_mul(2).max(CAPACITY_MIN).min(self.most).max(need);
        let capacity = match self.charge.grow_for_copy(old, doubled) {
            Ok(()) => doubled,
            Err(Exhausted) => {
                self.charge.grow_for_copy(old, need)?;
                need
            }
        };
        let mut bytes = Vec::with_capacity(capacity);
        bytes.extend_from_slice(&self.bytes);
        self.bytes = bytes;
        self.charge.shrink_to(self.bytes.capacity().max(self.prepaid));
        Ok(())
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// As [`Buffer::reserve`].
    pub fn extend(&mut self, bytes: &[u8]) -> Result<(), Exhausted> {
        self.reserve(bytes.len())?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Appends at most `most` bytes with `write`.
    ///
    /// # Errors
    /// As [`Buffer::reserve`]; `write` is not called then.
    pub fn write(&mut self, most: usize, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Exhausted> {
        self.reserve(most)?;
        let capacity = self.bytes.capacity();
        write(&mut self.bytes);
        debug_assert_eq!(self.bytes.capacity(), capacity, "more was written than estimated");
        Ok(())
    }

    /// Appends bytes for which room was reserved or waited for.
    pub fn write_waited_for(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
    }

    /// The bytes and their charge.
    pub fn into_parts(self) -> (Vec<u8>, Charge) {
        let (bytes, mut charge) = (self.bytes, self.charge);
        charge.shrink_to(bytes.capacity());
        (bytes, charge)
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{Budget, SMALL_BYTES};

    #[test]
    fn the_charge_is_the_capacity() {
        let budget = Budget::sized(96 << 20);
        let mut buffer = Buffer::new(budget.charge()).up_to(20 << 20);
        for _ in 0..20 << 4 {
            buffer.extend(&[b'x'; 64 << 10]).unwrap();
            assert_eq!(budget.charged(), buffer.bytes.capacity());
        }
        assert_eq!(budget.charged(), 20 << 20, "it does not grow beyond its length");
        let (bytes, mut charge) = buffer.into_parts();
        assert_eq!((bytes.len(), charge.bytes()), (20 << 20, 20 << 20));
        charge.grow_by_derived(40 << 20).unwrap();
        assert_eq!(budget.charged(), 60 << 20, "with what is derived from it");
        drop(charge);
        assert_eq!(budget.charged(), 0);
    }

    #[test]
    fn a_buffer_that_moves_is_charged_twice_and_a_refusal_changes_nothing() {
        let budget = Budget::sized(96 << 20);
        let mut buffer = Buffer::new(budget.charge());
        buffer.extend(&vec![b'x'; 40 << 20]).unwrap();
        assert_eq!(buffer.extend(b"x").map(|()| budget.charged()), Ok((40 << 20) + 1), "84 MiB hold both");
        buffer.extend(&[b'x'; 4 << 20]).expect_err("84 MiB do not hold both");
        assert_eq!((buffer.len(), budget.charged()), ((40 << 20) + 1, (40 << 20) + 1));
    }

    #[test]
    fn a_small_buffer_stays_in_the_share_of_small_ones_while_it_moves() {
        let budget = Budget::sized(96 << 20);
        let mut large = budget.charge();
        large.grow_to(84 << 20).unwrap();
        let mut small = Buffer::new(budget.charge()).up_to(SMALL_BYTES - 1);
        for _ in 0..SMALL_BYTES - 1 {
            small.extend(b"x").unwrap();
        }
        small.extend(b"x").expect_err("it is no longer small");
    }
}
