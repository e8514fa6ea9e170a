//! Sealed files are written once, as a whole, and then only read. No block is used before its checksum matched.

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
