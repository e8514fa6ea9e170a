//! Bytes that hold records and are never written again; what readers share.

use rkyv::util::AlignedVec;

/// An immutable stretch of memory with records in it, aligned as records need it.
#[derive(Debug)]
pub struct Block {
    bytes: AlignedVec,
}

impl Block {
    pub(crate) fn new(bytes: AlignedVec) -> Self {
        Self { bytes }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
