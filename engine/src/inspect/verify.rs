//! Reads and checks everything of a store, however much of it is damaged.

use std::path::Path;
use std::sync::Arc;

use allsource_format::manifest::Manifest;

use super::salvage::salvage;
use super::sources::{Sources, damage_of};
use super::{Report, access};
use crate::error::{Damage, OpenError};
use crate::generation::Generation;
use crate::holder::Holders;
use crate::journal::{self, Fragments};
use crate::manifest;
use crate::open::{check_reaches, loader, lock_shared};
use crate::options::ReadMode;
use crate::platform::Disk;

/// Checks the store in a folder.
pub(super) fn examine(disk: &Arc<dyn Disk>, path: &Path, holders: &Holders) -> Result<Report, OpenError> {
    let mut report = Report::default();
    let _lock = lock_shared(&**disk, path)?;
    let sources = Sources::find(disk, path)?;
    let manifests = manifest::check_all(&**disk)?;
    report.count(manifests.files, manifests.bytes);
    report.damage = manifests.damage;
    sources.damage.iter().for_each(|damage| report.note(damage.clone()));
    report.read_generations(disk, &sources, holders);
    match sources.manifest.as_ref().filter(|_| sources.is_newest) {
        Some(manifest) => report.read_journal(&**disk, manifest)?,
        None => {
            let fragments = Fragments::find(disk, sources.store, None)?;
            report.count(fragments.files(), fragments.bytes());
            report.damage.extend_from_slice(fragments.damage());
        }
    }
    if !report.damage.is_empty() {
        let dumped = salvage(disk, sources, holders, &mut |_| {})?;
        report.events = dumped.events;
        dumped.damage.into_iter().for_each(|damage| report.note(damage));
    }
    Ok(report)
}

impl Report {
    fn count(&mut self, files: u64, bytes: u64) {
        self.files += files;
        self.bytes += bytes;
    }

    /// Lists damage, unless the file is listed already.
    fn note(&mut self, damage: Damage) {
        if !self.damage.iter().any(|listed| listed.file == damage.file) {
            self.damage.push(damage);
        }
    }

    fn read_generations(&mut self, disk: &Arc<dyn Disk>, sources: &Sources, holders: &Holders) {
        let access = access(Arc::clone(disk), ReadMode::Read, sources.partitions, holders);
        for entry in &sources.generations {
            let (files, bytes, errors) = Generation::new(entry.clone(), access.clone()).verify();
            self.count(files, bytes);
            self.events += entry.events;
            self.damage.extend(errors.into_iter().map(damage_of));
        }
    }

    fn read_journal(&mut self, disk: &dyn Disk, manifest: &Manifest) -> Result<(), OpenError> {
        let mut loader = loader(manifest);
        match journal::examine(disk, manifest, &mut |frame, path| loader.add(frame, path)) {
            Ok(examined) => {
                self.count(examined.headers.len() as u64, examined.bytes);
                self.damage.extend(check_reaches(manifest, &examined).err());
                self.torn_bytes = examined.last.map_or(0, |last| last.torn.len() as u64);
            }
            Err(error @ (OpenError::Damaged(_) | OpenError::Io { .. })) => {
                let audit = journal::audit(disk, manifest)?;
                self.count(audit.files, audit.bytes);
                self.damage.extend(audit.damage);
                // Each file may be sound by itself and still not continue the one before it.
                self.note(match error {
                    OpenError::Damaged(damage) => damage,
                    _ if !self.damage.is_empty() => return Ok(()),
                    error => return Err(error),
                });
            }
            Err(error) => return Err(error),
        }
        let (tail, _) = loader.finish();
        self.events += tail.tally(None).events;
        Ok(())
    }
}
