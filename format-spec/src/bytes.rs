//! Little-endian numbers at fixed offsets. Some of these functions check the length and return an error; the others are for
//! structures of known length and panic.

use std::ops::Range;

use crate::error::FormatError;
use crate::{OLDEST_VERSION, READ_VERSION};

const _: () = assert!(usize::BITS >= 64, "offsets and lengths of 64 bits serve as indexes");

/// An offset or a length as an index into memory.
pub(crate) const fn index(number: u64) -> usize {
    number as usize
}

/// A length in the 32 bits in which it is stored.
///
/// # Panics
/// If it is 4 GiB or longer.
pub(crate) fn stored_length(length: usize) -> u32 {
    #[expect(clippy::expect_used, reason = "the limits of the format are far lower")]
    u32::try_from(length).expect("a stored length has 32 bits")
}

/// The bytes from `start` on.
///
/// # Panics
/// If they end before it.
pub(crate) fn rest(bytes: &[u8], start: usize) -> &[u8] {
    bytes.split_at(start).1
}

/// A range of the bytes.
///
/// # Panics
/// If it lies outside.
pub(crate) fn part(bytes: &[u8], range: Range<usize>) -> &[u8] {
    #[expect(clippy::expect_used, reason = "callers check the length first")]
    bytes.get(range).expect("a part lies inside its structure")
}

/// The `N` bytes at `offset` of a structure that holds them.
///
/// # Panics
/// If it ends before.
pub(crate) fn field<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    #[expect(clippy::expect_used, reason = "offsets are constants inside structures of constant size")]
    array(bytes, offset).expect("a field lies inside its structure")
}

/// The `N` bytes at `offset`.
pub(crate) fn array<const N: usize>(bytes: &[u8], offset: usize) -> Result<[u8; N], FormatError> {
    bytes
        .get(offset..)
        .and_then(|rest| rest.first_chunk::<N>())
        .copied()
        .ok_or(FormatError::Short { need: offset + N, have: bytes.len() })
}

pub(crate) fn u16_at(bytes: &[u8], offset: usize) -> Result<u16, FormatError> {
    array(bytes, offset).map(u16::from_le_bytes)
}

pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Result<u32, FormatError> {
    array(bytes, offset).map(u32::from_le_bytes)
}

pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> Result<u64, FormatError> {
    array(bytes, offset).map(u64::from_le_bytes)
}

pub(crate) fn i64_at(bytes: &[u8], offset: usize) -> Result<i64, FormatError> {
    array(bytes, offset).map(i64::from_le_bytes)
}

/// Writes `value` at `offset`.
///
/// # Panics
/// If the value reaches beyond `bytes`: offsets are constants of this crate, so that is a bug here.
pub(crate) fn put(bytes: &mut [u8], offset: usize, value: &[u8]) {
    let place = bytes.get_mut(offset..offset + value.len());
    #[expect(clippy::expect_used, reason = "offsets are constants inside buffers of constant size")]
    place.expect("a field lies inside its structure").copy_from_slice(value);
}

/// Fails unless every byte is zero.
pub(crate) fn all_zero(bytes: &[u8], what: &'static str) -> Result<(), FormatError> {
    if bytes.iter().all(|&b| b == 0) { Ok(()) } else { Err(FormatError::Reserved(what)) }
}

/// Fails unless this crate can read structures that need a reader of version `read`.
pub(crate) fn check_version(read: u16, what: &'static str) -> Result<(), FormatError> {
    if read > READ_VERSION {
        Err(FormatError::Newer { what, read, known: READ_VERSION })
    } else if read < OLDEST_VERSION {
        Err(FormatError::Older { what, read, oldest: OLDEST_VERSION })
    } else {
        Ok(())
    }
}
