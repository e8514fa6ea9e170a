//! Sealed files: written once, as a whole, then only read. A block is used only after its checksum matched.

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
