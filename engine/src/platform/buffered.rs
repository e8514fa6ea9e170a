//! An open file, read and written through the page cache.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::disk::{DiskFile, Identity};
use super::folder::identity_of;

/// A file of the operating system.
#[derive(Debug)]
pub(super) struct LocalFile {
    pub(super) file: File,
}

impl DiskFile for LocalFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn identity(&self) -> io::Result<Option<Identity>> {
        identity_of(&self.file).map(Some)
    }
}
