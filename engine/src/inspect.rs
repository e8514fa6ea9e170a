//! Inspects a store that is not open: verifies it, dumps it, or rebuilds its indexes.

mod salvage;

use std::path::Path;
use std::sync::Arc;

use allsource_format::manifest::Manifest;

use crate::error::{Damage, OpenError, ReadError};
use crate::generation::{Access, Generation, WriteError};
use crate::holder::Holders;
use crate::journal;
use crate::manifest;
use crate::open::{check_reaches, loader, lock, lock_shared};
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
    /// Events read.
    pub events: u64,
    /// Bytes at the end of the journal that a crash left behind: never acknowledged, and not damage.
    pub torn_bytes: u64,
    /// The damage found. Empty: every byte is as it was written.
    pub damage: Vec<Damage>,
}

/// Reads every byte of the store in a folder and checks it.
///
/// # Errors
/// When the folder holds no store, the store is in use or of a newer release, or the system refuses. Damage is
/// no error here: it is what the report is for.
pub fn verify(path: &Path) -> Result<Report, OpenError> {
    verify_disk(Arc::new(LocalDisk::new(path)), path, &Holders::default())
}

/// [`verify`] on any disk, with these holders of records.
///
/// # Errors
/// As [`verify`].
pub fn verify_disk(disk: Arc<dyn Disk>, path: &Path, holders: &Holders) -> Result<Report, OpenError> {
    examine(disk, path, holders)
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
    let manifest = manifest::read(&*disk)?.ok_or_else(|| no_store(path))?;
    let _lock = lock(&*disk, path)?;
    let access = access(disk, ReadMode::Map, &manifest, &Holders::default());
    let mut rebuilt = Rebuilt::default();
    for entry in &manifest.generations {
        match Generation::new(entry.clone(), access.clone()).write_index() {
            Ok(()) => rebuilt.generations += 1,
            Err(WriteError::Read(ReadError::Damaged(damage))) => rebuilt.damage.push(damage),
            Err(WriteError::Read(ReadError::Unavailable(unavailable))) => return Err(unavailable.into()),
            Err(WriteError::Io(error)) => return Err(OpenError::io("write an index", error)),
        }
    }
    Ok(rebuilt)
}

fn access(disk: Arc<dyn Disk>, mode: ReadMode, manifest: &Manifest, holders: &Holders) -> Access {
    let clock = Arc::new(SystemClock::default());
    let open_files = Arc::new(OpenFiles::at_most(Options::default().open_files));
    let (partitions, holders) = (manifest.partitions, holders.clone());
    Access { disk, clock, mode, partitions, damages: Arc::default(), open_files, holders }
}

fn no_store(path: &Path) -> OpenError {
    OpenError::NotAStore { path: path.to_owned(), problem: "there is no manifest".to_owned() }
}

fn examine(shared: Arc<dyn Disk>, path: &Path, holders: &Holders) -> Result<Report, OpenError> {
    let (mut report, disk) = (Report::default(), &*shared);
    let _lock = lock_shared(disk, path)?;
    let manifest = match manifest::read(disk) {
        Ok(Some(manifest)) => manifest,
        Ok(None) if journal::is_any(disk)? => {
            report.damage.push(Damage::new(manifest::DIR, 0, "there are journal files but no manifest"));
            return Ok(report);
        }
        Ok(None) => return Err(no_store(path)),
        Err(OpenError::Damaged(damage)) => {
            report.damage.push(damage);
            return Ok(report);
        }
        Err(error) => return Err(error),
    };
    match manifest::check_all(disk) {
        Ok((files, bytes)) => {
            report.files += files;
            report.bytes += bytes;
        }
        Err(OpenError::Damaged(damage)) => report.damage.push(damage),
        Err(error) => return Err(error),
    }
    read_generations(
        access(Arc::clone(&shared), ReadMode::Read, &manifest, holders),
        &manifest,
        &mut report,
    )?;
    read_journal(disk, &manifest, &mut report)?;
    Ok(report)
}

fn read_generations(access: Access, manifest: &Manifest, report: &mut Report) -> Result<(), OpenError> {
    for entry in &manifest.generations {
        let generation = Generation::new(entry.clone(), access.clone());
        let (files, bytes, errors) = generation.verify();
        report.files += files;
        report.bytes += bytes;
        if errors.is_empty() {
            report.events += generation.entry().events;
        }
        for error in errors {
            match error {
                ReadError::Damaged(damage) => report.damage.push(damage),
                ReadError::Unavailable(unavailable) => return Err(unavailable.into()),
            }
        }
    }
    Ok(())
}

fn read_journal(disk: &dyn Disk, manifest: &Manifest, report: &mut Report) -> Result<(), OpenError> {
    let mut loader = loader(manifest);
    match journal::examine(disk, manifest, &mut |frame, path| loader.add(frame, path)) {
        Ok(examined) => {
            report.files += examined.headers.len() as u64;
            report.damage.extend(check_reaches(manifest, &examined).err());
            report.bytes += examined.bytes;
            report.torn_bytes = examined.last.map_or(0, |last| last.torn.len() as u64);
        }
        Err(OpenError::Damaged(first)) => {
            let audit = journal::audit(disk, manifest)?;
            report.files += audit.files;
            report.bytes += audit.bytes;
            report.damage.extend(audit.damage);
            // Each file may be sound by itself and still not continue the one before it.
            if !report.damage.iter().any(|damage| damage.file == first.file) {
                report.damage.push(first);
            }
        }
        Err(error) => return Err(error),
    }
    let (tail, _) = loader.finish();
    report.events += tail.tally(None).events;
    Ok(())
}
