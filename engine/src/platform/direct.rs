//! Reads from the medium, past the page cache.
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use rkyv::util::AlignedVec;
use rustix::fs::OFlags;

use super::buffered::LocalFile;
use super::disk::DiskFile;
use crate::number::index;

/// The unit of direct reads: offset, length and memory must be multiples of it.
const PAGE_BYTES: usize = 4096;

/// A file read with `O_DIRECT`.
pub(super) struct DirectFile {
    file: File,
    buffered: File,
}

impl DirectFile {
    /// Opens a file by calling `open` with the flags. Where the system or the file system does not support direct reads,
    /// reads go through the page cache.
    pub(super) fn open(open: impl Fn(OFlags) -> io::Result<File>) -> io::Result<Arc<dyn DiskFile>> {
        #[cfg(target_os = "linux")]
        match open(OFlags::RDONLY | OFlags::DIRECT) {
            Ok(file) => return Ok(Arc::new(Self { file, buffered: open(OFlags::RDONLY)? })),
            // The file system does not support the flag.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
            Err(error) => return Err(error),
        }
        Ok(Arc::new(LocalFile { file: open(OFlags::RDONLY)? }))
    }
}

impl DiskFile for DirectFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let skipped = index(offset % PAGE_BYTES as u64);
        let (start, wanted) = (offset - skipped as u64, skipped + buffer.len());
        let mut pages = AlignedVec::<PAGE_BYTES>::new();
        pages.resize(wanted.next_multiple_of(PAGE_BYTES), 0);
        let mut filled = 0;
        while filled < wanted {
            let (_, rest) = pages.split_at_mut(filled);
            let count = match self.file.read_at(rest, start + filled as u64) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // The file system accepts the flag on open, but not such a read.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    return self.buffered.read_exact_at(buffer, offset);
                }
                other => other?,
            };
            filled += count;
            // Only the end of the file cuts a page short.
            if filled < wanted && (count == 0 || !count.is_multiple_of(PAGE_BYTES)) {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        buffer.copy_from_slice(pages.split_at(wanted).0.split_at(skipped).1);
        Ok(())
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    fn sync(&self) -> io::Result<()> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn truncate(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::PermissionDenied.into())
    }
}
