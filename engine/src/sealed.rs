//! Sealed files: written once, as a whole, then only read. Nothing of one is believed before the checksum of its
//! block was compared.

mod column;
mod source;
mod file;
mod slot;
mod write;

pub(crate) use file::SealedFile;
pub(crate) use slot::{OpenFiles, Slot};
pub(crate) use write::{Target, Writer};

#[cfg(test)]
mod tests;
