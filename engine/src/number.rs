//! Conversions of numbers that cannot fail on 64-bit machines.

use std::time::Duration;

const _: () = assert!(usize::BITS >= 64, "lengths and offsets of 64 bits serve as indexes");

/// `number` as an index into, or a length of, memory.
pub(crate) const fn index(number: u64) -> usize {
    number as usize
}

/// An offset in a block of records.
#[inline]
pub(crate) fn offset_in_block(offset: usize) -> u32 {
    #[expect(clippy::expect_used, reason = "a block is a few MiB, or one frame of at most 16 MiB")]
    u32::try_from(offset).expect("a block is far smaller than 4 GiB")
}

/// A span of time in microseconds.
pub(crate) fn micros(time: Duration) -> u64 {
    #[expect(clippy::expect_used, reason = "64 bits hold the microseconds of 584,000 years")]
    u64::try_from(time.as_micros()).expect("a process does not run for 584,000 years")
}
