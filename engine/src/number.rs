//! Conversions between numbers that cannot fail on the machines this builds for.

const _: () = assert!(usize::BITS >= 64, "lengths and offsets of 64 bits serve as indexes");

/// `number` as an index into, or a length of, memory.
pub(crate) const fn index(number: u64) -> usize {
    number as usize
}
