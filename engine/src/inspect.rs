//! Looking at a store that nobody has open, without changing it.

use std::io;
use std::path::Path;

use allsource_format::manifest::Manifest;

use crate::error::{Damage, OpenError};
use crate::event::EventRef;
use crate::journal;
use crate::load::Loader;
use crate::manifest;
use crate::open::lock;
use crate::platform::{Disk, LocalDisk};
use crate::tail::Tail;

/// What was found in a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Files read.
    pub files: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Events read.
    pub events: u64,
    /// Bytes at the end of the journal that a crash left behind: never acknowledged, no damage.
    pub torn_bytes: u64,
    /// What is damaged. Empty: every byte is as it was written.
    pub damage: Vec<Damage>,
}

/// Reads every byte of the store in a folder and checks it.
///
/// # Errors
/// When the folder holds no store, the store is in use or of a newer release, or the system refuses. Damage is
/// no error here: it is what the report is for.
pub fn verify(path: &Path) -> Result<Report, OpenError> {
    verify_disk(&LocalDisk::new(path), path)
}

/// [`verify`] on any disk.
///
/// # Errors
/// As [`verify`].
pub fn verify_disk(disk: &dyn Disk, path: &Path) -> Result<Report, OpenError> {
    examine(disk, path).map(|(report, _)| report)
}

/// Hands every readable event to `each`, in order, and reports as [`verify`] does. What lies behind damage is
/// not readable: its place in the log cannot be proven.
///
/// # Errors
/// As [`verify`].
pub fn dump(path: &Path, each: &mut dyn FnMut(&EventRef)) -> Result<Report, OpenError> {
    let (report, tail) = examine(&LocalDisk::new(path), path)?;
    let events = (0..).map_while(|ordinal| tail.as_ref()?.event(ordinal));
    events.for_each(|event| each(&event));
    Ok(report)
}

fn examine(disk: &dyn Disk, path: &Path) -> Result<(Report, Option<Tail>), OpenError> {
    let mut report = Report::default();
    let manifest = match manifest::read(disk) {
        Ok(Some(manifest)) => manifest,
        Ok(None) if journal::is_any(disk) => {
            report.damage.push(Damage::new(manifest::DIR, 0, "there are journal files but no manifest"));
            return Ok((report, None));
        }
        Ok(None) => {
            let problem = "there is no manifest".to_owned();
            return Err(OpenError::NotAStore { path: path.to_owned(), problem });
        }
        Err(OpenError::Damaged(damage)) => {
            report.damage.push(damage);
            return Ok((report, None));
        }
        Err(error) => return Err(error),
    };
    let _lock = match lock(disk, path) {
        Ok(lock) => Some(lock),
        // Where nothing can be written, no server writes either.
        Err(OpenError::Io { error, .. }) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => None,
        Err(error) => return Err(error),
    };
    match manifest::check_all(disk) {
        Ok(count) => {
            report.files += count;
            report.bytes += count * allsource_format::manifest::BYTES as u64;
        }
        Err(OpenError::Damaged(damage)) => report.damage.push(damage),
        Err(error) => return Err(error),
    }
    let tail = read_journal(disk, &manifest, &mut report)?;
    Ok((report, Some(tail)))
}

fn read_journal(disk: &dyn Disk, manifest: &Manifest, report: &mut Report) -> Result<Tail, OpenError> {
    let mut loader = Loader::into_tail(Tail::after(manifest.sealed_position, manifest.partitions));
    match journal::examine(disk, manifest, &mut |frame, path| loader.add(frame, path)) {
        Ok(examined) => {
            report.files += examined.files;
            report.bytes += examined.bytes;
            report.torn_bytes = examined.torn.len() as u64;
        }
        Err(OpenError::Damaged(first)) => {
            let audit = journal::audit(disk, manifest)?;
            report.files += audit.files;
            report.bytes += audit.bytes;
            report.damage.extend(audit.damage);
            // Two files may hold together each by itself and not with each other.
            if !report.damage.iter().any(|damage| damage.file == first.file) {
                report.damage.push(first);
            }
        }
        Err(error) => return Err(error),
    }
    let (tail, _) = loader.finish();
    report.events = tail.tally(None).events;
    Ok(tail)
}
