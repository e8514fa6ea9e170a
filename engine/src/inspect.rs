//! Inspects a store that is not open: verifies it, dumps it, or rebuilds its indexes.

mod sources;
mod salvage;
mod verify;

use std::path::Path;
use std::sync::Arc;

use crate::error::{Damage, OpenError, ReadError};
use crate::generation::{self, Access, Generation, WriteError};
use crate::holder::Holders;
use crate::journal;
use crate::manifest;
use crate::open::lock;
use crate::options::{Options, ReadMode};
use crate::platform::{Disk, LocalDisk, SystemClock};
use crate::sealed::OpenFiles;

pub use salvage::{Dumped, Salvaged, dump, dump_disk};

/// The result of verifying a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Files read.
    pub files: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Events read. In a damaged store, those that a dump would print.
    pub events: u64,
    /// Bytes at the end of the journal that a crash left behind: never acknowledged, and not damage.
    pub torn_bytes: u64,
    /// What is damaged or cannot be read now. Empty: every byte is as it was written.
    pub damage: Vec<Damage>,
}

/// Reads every byte of the store in a folder and checks it. It continues after damage, even without a readable manifest, and
/// lists everything that it finds.
///
/// # Errors
/// When the folder holds no store, the store is in use or of a newer release, or the system refuses to list it. Damage is
/// no error here: it is what the report is for.
pub fn verify(path: &Path) -> Result<Report, OpenError> {
    verify_disk(Arc::new(LocalDisk::new(path)), path, &Holders::default())
}

/// [`verify`] on any disk, with these holders of records.
///
/// # Errors
/// As [`verify`].
pub fn verify_disk(disk: Arc<dyn Disk>, path: &Path, holders: &Holders) -> Result<Report, OpenError> {
    verify::examine(&disk, path, holders)
}

/// The result of rebuilding the indexes of a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Indexes that were rebuilt.
    pub generations: u64,
    /// Why others could not be rebuilt. Empty: all of them were.
    pub damage: Vec<Damage>,
}

/// Rebuilds every index of the store in a folder from its segments.
///
/// # Errors
/// When the folder holds no store, the store is in use, damaged in its manifest or of a newer release, or the system
/// refuses.
pub fn rebuild_indexes(path: &Path) -> Result<Rebuilt, OpenError> {
    let disk: Arc<dyn Disk> = Arc::new(LocalDisk::new(path));
    let manifest = match manifest::read(&*disk)? {
        Some(manifest) => manifest,
        None if journal::is_any(&*disk)? || generation::is_any(&*disk)? => {
            return Err(Damage::new(manifest::DIR, 0, NO_MANIFEST).into());
        }
        None => return Err(no_store(path)),
    };
    let _lock = lock(&*disk, path)?;
    let access = access(disk, ReadMode::Map, manifest.partitions, &Holders::default());
    let mut rebuilt = Rebuilt::default();
    for entry in &manifest.generations {
        match Generation::new(entry.clone(), access.clone()).write_index() {
            Ok(()) => rebuilt.generations += 1,
            Err(WriteError::Read(ReadError::Damaged(damage))) => rebuilt.damage.push(damage),
            Err(WriteError::Read(ReadError::Unavailable(unavailable))) => return Err(unavailable.into()),
            Err(WriteError::Io(error)) => return Err(OpenError::io("write an index", error)),
            Err(WriteError::Misplaced(_)) => unreachable!("writing an index adds no record to a generation"),
        }
    }
    Ok(rebuilt)
}

fn access(disk: Arc<dyn Disk>, mode: ReadMode, partitions: u32, holders: &Holders) -> Access {
    let (clock, holders) = (Arc::new(SystemClock::default()), holders.clone());
    let open_files = Arc::new(OpenFiles::at_most(Options::default().open_files));
    Access { disk, clock, mode, partitions, damages: Arc::default(), open_files, holders }
}

const NO_MANIFEST: &str = "there is no manifest";

fn no_store(path: &Path) -> OpenError {
    OpenError::NotAStore { path: path.to_owned(), problem: NO_MANIFEST.to_owned() }
}
