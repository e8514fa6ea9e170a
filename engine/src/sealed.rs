//! Sealed files: written once, as a whole, then only read. Nothing of one is believed before the checksum of its
//! block was compared.

mod column;
mod source;
mod file;
mod write;

pub(crate) use file::SealedFile;
pub(crate) use write::{Target, Writer};
