//! The options of a store.

use std::time::Duration;

use allsource_format::limits::{JOURNAL_FILE_BYTES_MAX, JOURNAL_FILE_BYTES_MIN};
use allsource_format::partition;

use crate::error::OpenError;
use crate::holder::Holders;

/// What an acknowledgement guarantees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// An acknowledged append is on the disk. The default.
    Sync,
    /// An acknowledged append is written, and synced within this time. A crash of the system may lose what was
    /// acknowledged since the last sync; a crash of the process loses nothing. Every acknowledgement says so.
    Interval(Duration),
    /// Appends are synced only when a journal file is full, and at close. For tests and data that may be lost.
    None,
}

/// How sealed files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReadMode {
    /// Mapped into memory. The default.
    #[default]
    Map,
    /// With a system call for each read: slower, but works on file systems that do not map files well.
    Read,
}

/// Options of a store; the defaults are meant for production.
#[derive(Debug, Clone)]
pub struct Options {
    /// What an acknowledgement guarantees.
    pub durability: Durability,
    /// Partitions of a new store: a power of two from 1 to 1024, fixed when the store is created.
    pub partitions: u32,
    /// Length of a new store's journal files, in bytes: a multiple of 4096 from 64 KiB to 1 GiB, fixed when the
    /// store is created. It limits the size of an append.
    pub journal_file_bytes: u64,
    /// Maximum bytes of appends that wait to be written. Beyond it, appends are refused as overloaded.
    pub queue_bytes: usize,
    /// Write a mark this long after the last commit. It proves to a later recovery that the commit was durable.
    pub mark_after: Duration,
    /// Seal the tail once it holds about this many bytes.
    pub seal_bytes: u64,
    /// How sealed files are read.
    pub read_mode: ReadMode,
    /// Maximum number of sealed files and snapshot files that stay open, each with a mapping or a descriptor; the least
    /// recently used are closed. At least 2.
    pub open_files: usize,
    /// Take a snapshot of an entity after this many events; 0: only on request.
    pub snapshot_events: u64,
    /// Scrub sealed files at this many bytes a second, each file at most once an hour; 0: never.
    pub scrub_bytes_per_second: u64,
    /// What holds the records of sealed events: by default the segments files of the store.
    pub holders: Holders,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            durability: Durability::Sync,
            partitions: 32,
            journal_file_bytes: 64 << 20,
            queue_bytes: 64 << 20,
            mark_after: Duration::from_millis(75),
            seal_bytes: 128 << 20,
            read_mode: ReadMode::Map,
            open_files: 512,
            snapshot_events: 100,
            scrub_bytes_per_second: 4 << 20,
            holders: Holders::default(),
        }
    }
}

impl Options {
    pub(crate) fn check(&self) -> Result<(), OpenError> {
        let refuse = |option, problem: &str| Err(OpenError::Option { option, problem: problem.to_owned() });
        if !partition::is_valid_count(self.partitions) {
            return refuse("partitions", "must be a power of two from 1 to 1024");
        }
        let sizes = JOURNAL_FILE_BYTES_MIN..=JOURNAL_FILE_BYTES_MAX;
        if !sizes.contains(&self.journal_file_bytes) || !self.journal_file_bytes.is_multiple_of(4096) {
            return refuse("journal_file_bytes", "must be a multiple of 4096 from 64 KiB to 1 GiB");
        }
        if self.queue_bytes == 0 {
            return refuse("queue_bytes", "must be at least 1");
        }
        if self.open_files < 2 {
            return refuse("open_files", "must be at least 2");
        }
        if self.seal_bytes == 0 {
            return refuse("seal_bytes", "must be at least 1");
        }
        Ok(())
    }
}
