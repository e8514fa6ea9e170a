//! The files that belong to a store, whether a manifest can still say so or not.

use std::path::Path;
use std::sync::Arc;

use allsource_format::StoreId;
use allsource_format::limits::PARTITIONS_MAX;
use allsource_format::manifest::{Generation as Entry, Manifest};

use crate::error::{Damage, OpenError, ReadError};
use crate::generation::{self, Found, unnamed};
use crate::journal;
use crate::manifest;
use crate::platform::Disk;

/// What is known to belong to a store: from its newest manifest, or in place of a damaged one from the manifest before it
/// and the headers of the files that are there.
pub(super) struct Sources {
    /// The newest readable manifest.
    pub(super) manifest: Option<Manifest>,
    /// Whether that is the newest of all.
    pub(super) is_newest: bool,
    /// The store, as far as any file says.
    pub(super) store: Option<StoreId>,
    /// Generations in the order of the log. Without the newest manifest they may overlap; the widest comes first.
    pub(super) generations: Vec<Entry>,
    /// At least as many as the store has.
    pub(super) partitions: u32,
    /// How many events of each partition are sealed, as far as known.
    pub(super) sequences: Vec<u64>,
    /// Damaged manifests, and what keeps other files from being used.
    pub(super) damage: Vec<Damage>,
}

impl Sources {
    /// Finds them.
    ///
    /// # Errors
    /// When the folder holds no store, or one of a newer release, or the system refuses to list it.
    pub(super) fn find(disk: &Arc<dyn Disk>, path: &Path) -> Result<Self, OpenError> {
        let (manifest, mut damage) = manifest::newest_readable(&**disk)?;
        let is_newest = manifest.is_some() && damage.is_empty();
        let mut sources = match manifest {
            Some(manifest) => Self {
                is_newest,
                store: Some(manifest.store),
                generations: manifest.generations.clone(),
                partitions: manifest.partitions,
                sequences: manifest.sequences.clone(),
                damage,
                manifest: Some(manifest),
            },
            None => {
                if !journal::is_any(&**disk)? && !generation::is_any(&**disk)? {
                    let no_store = || super::no_store(path);
                    return Err(damage.pop().map_or_else(no_store, OpenError::from));
                }
                if damage.is_empty() {
                    damage.push(Damage::new(manifest::DIR, 0, super::NO_MANIFEST));
                }
                let (generations, sequences) = (Vec::new(), Vec::new());
                Self { manifest: None, is_newest, store: None, generations, partitions: 0, sequences, damage }
            }
        };
        if !is_newest {
            sources.find_unnamed(disk)?;
        }
        Ok(sources)
    }

    /// Adds the generations that no readable manifest names. One of them may hold the events of several others, so the
    /// widest comes first.
    fn find_unnamed(&mut self, disk: &Arc<dyn Disk>) -> Result<(), OpenError> {
        let unnamed = unnamed(disk, &self.generations);
        let unnamed = unnamed.map_err(|error| OpenError::io("list segments", error))?;
        self.damage.extend(unnamed.errors.into_iter().map(damage_of));
        if self.manifest.is_none() {
            let mut stores = journal::stores(&**disk)?;
            stores.extend(unnamed.found.iter().map(|found| found.store));
            self.store = most_frequent(stores);
            let own = unnamed.found.iter().filter(|found| Some(found.store) == self.store);
            self.partitions = own.filter_map(|found| found.partitions).max().unwrap_or(PARTITIONS_MAX);
            self.sequences = vec![0; self.partitions as usize];
        }
        for Found { store, entry, .. } in unnamed.found {
            match Some(store) == self.store {
                true => self.generations.push(entry),
                // A readable manifest does not name it either: the next opening would remove it.
                false if self.manifest.is_some() => {}
                false => {
                    self.damage.push(Damage::new(entry.records.name, 0, "the file belongs to another store"));
                }
            }
        }
        self.generations.sort_by_key(|entry| (entry.first_position, u64::MAX - entry.last_position));
        Ok(())
    }
}

/// The item that occurs most often.
fn most_frequent(mut stores: Vec<StoreId>) -> Option<StoreId> {
    stores.sort_unstable();
    let same = stores.chunk_by(|one, other| one == other);
    same.max_by_key(|same| same.len()).and_then(|same| same.first().copied())
}

/// An error of reading as an item for the list of damage: what cannot be read now is listed, in words that say so.
pub(super) fn damage_of(error: ReadError) -> Damage {
    match error {
        ReadError::Damaged(damage) => damage,
        ReadError::Unavailable(what) => Damage::new(what.file.clone(), 0, what),
    }
}
