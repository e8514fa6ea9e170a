//! Reading a sealed file again, block by block and past the page cache.

use allsource_format::sealed::{BLOCK_BYTES, Kind};

use crate::error::ReadError;
use crate::holder::Reread;
use crate::platform::Disk;
use crate::sealed::SealedFile;

/// A sealed file read again block by block.
pub(super) struct SealedReread {
    file: SealedFile,
    next: usize,
}

impl SealedReread {
    /// Opens the file past the page cache, and checks its header and its table of checksums.
    pub(super) fn open(disk: &dyn Disk, path: &str, kind: Kind) -> Result<Self, ReadError> {
        Ok(Self { file: SealedFile::open_past_cache(disk, path, kind)?, next: 0 })
    }
}

impl Reread for SealedReread {
    fn check_next(&mut self) -> Result<Option<u64>, ReadError> {
        let is_one = self.file.check_again(self.next)?;
        self.next += 1;
        Ok(is_one.then_some(BLOCK_BYTES as u64))
    }

    fn file_bytes(&self) -> u64 {
        self.file.header().file_bytes()
    }
}
