//! Bytes of answers that keep their charge.

use bytes::Bytes;

use crate::budget::Charge;

/// Bytes that stay charged until the last handle to them is dropped.
struct Kept<B> {
    bytes: B,
    _charge: Charge,
}

impl<B: AsRef<[u8]>> AsRef<[u8]> for Kept<B> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

/// The same bytes, with their charge.
pub(super) fn kept(bytes: impl AsRef<[u8]> + Send + 'static, charge: Charge) -> Bytes {
    Bytes::from_owner(Kept { bytes, _charge: charge })
}

/// Marks an answer whose body holds a charge of its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct IsCharged;
