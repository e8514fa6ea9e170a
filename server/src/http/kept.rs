//! Bytes of answers that keep their charge.

use bytes::Bytes;

/// Bytes that stay charged until the last handle to them is dropped.
struct Kept<B, C> {
    bytes: B,
    _charge: C,
}

impl<B: AsRef<[u8]>, C> AsRef<[u8]> for Kept<B, C> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

/// The same bytes, with their charge.
pub(super) fn kept(bytes: impl AsRef<[u8]> + Send + 'static, charge: impl Send + 'static) -> Bytes {
    Bytes::from_owner(Kept { bytes, _charge: charge })
}

/// Marks an answer whose body holds a charge of its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct IsCharged;
