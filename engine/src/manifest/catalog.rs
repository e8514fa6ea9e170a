//! The manifest of an open store, changed by the committer and by upkeep, one at a time.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use allsource_format::journal::Header;
use allsource_format::limits::GENERATIONS_MAX;
use allsource_format::manifest::{Generation, Manifest};
use parking_lot::Mutex;

use super::{NEXT_SEALED, create, name, note_journal, remove_old, write};
use crate::planted::{self, Bug};
use crate::platform::{Disk, DiskFile};

/// Why a manifest could not be published.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    /// It could not be written: the previous one stays current.
    #[error(transparent)]
    Unwritten(io::Error),
    /// Which one is current is unknown: the store must stop writing.
    #[error(transparent)]
    Unknown(io::Error),
}

impl From<PublishError> for io::Error {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Unwritten(error) | PublishError::Unknown(error) => error,
        }
    }
}

struct State {
    manifest: Manifest,
    /// Number and first position of each journal file that belongs to the store, oldest first.
    journals: Vec<(u64, u64)>,
}

/// Which files are part of the store.
pub(crate) struct Catalog {
    state: Mutex<State>,
    /// How many journal files there are, to be read without waiting for a manifest.
    journal_count: AtomicUsize,
}

impl Catalog {
    /// The catalog of a store with these journal files.
    pub(crate) fn new(manifest: Manifest, journals: Vec<(u64, u64)>) -> Self {
        let is_rising = journals.is_sorted_by(|one, next| one.0 < next.0);
        assert!(
            is_rising && !journals.is_empty(),
            "an open store has journal files, in the order of the log"
        );
        let journal_count = AtomicUsize::new(journals.len());
        Self { state: Mutex::new(State { manifest, journals }), journal_count }
    }

    /// The current manifest.
    pub(crate) fn manifest(&self) -> Manifest {
        self.state.lock().manifest.clone()
    }

    /// The numbers of the journal files that belong to the store, oldest first.
    pub(crate) fn journals(&self) -> Vec<u64> {
        self.state.lock().journals.iter().map(|(number, _)| *number).collect()
    }

    /// How many journal files belong to the store.
    pub(crate) fn journal_count(&self) -> usize {
        self.journal_count.load(Ordering::Relaxed)
    }

    /// Records a new journal file.
    pub(crate) fn note_journal(
        &self,
        disk: &dyn Disk,
        header: &Header,
        room: &dyn DiskFile,
    ) -> Result<(), PublishError> {
        let mut state = self.state.lock();
        let is_next = state.journals.last().is_none_or(|(number, _)| *number < header.number);
        assert!(is_next, "the numbers of journal files rise");
        note_journal(disk, &mut state.manifest, header.number, room)?;
        state.journals.push((header.number, header.first_position));
        self.journal_count.store(state.journals.len(), Ordering::Relaxed);
        Ok(())
    }

    /// Publishes sealed or merged files: `change` edits the list of generations and the sequences. Returns the journal
    /// files that are retired.
    pub(crate) fn publish(
        &self,
        disk: &dyn Disk,
        change: impl FnOnce(&mut Vec<Generation>, &mut Vec<u64>),
    ) -> Result<Vec<u64>, PublishError> {
        let mut state = self.state.lock();
        let mut manifest = state.manifest.clone();
        change(&mut manifest.generations, &mut manifest.sequences);
        if manifest.generations.len() > GENERATIONS_MAX {
            let problem = "the manifest holds the maximum number of generations; they must be merged first";
            return Err(PublishError::Unwritten(io::Error::other(problem)));
        }
        manifest.number += 1;
        let is_early = planted::is(Bug::RetireJournalEarly);
        let next = if is_early { u64::MAX } else { manifest.sealed_position() + 1 };
        let needed = state.journals.iter().rfind(|(_, first_position)| *first_position <= next);
        manifest.first_journal = needed.map_or(manifest.first_journal, |(number, _)| *number);
        // Checked before a byte is written: every later opening would refuse an inconsistent manifest.
        manifest.check().map_err(|problem| PublishError::Unwritten(io::Error::other(problem)))?;
        let sealed = state.manifest.sealed_position();
        assert!(manifest.sealed_position() >= sealed, "what is sealed stays sealed");
        let journals = state.manifest.first_journal..=manifest.last_journal;
        assert!(journals.contains(&manifest.first_journal), "journal files are retired from the front");
        let room = create(disk, NEXT_SEALED, 0).map_err(PublishError::Unwritten)?;
        write(&manifest, &*room).map_err(PublishError::Unwritten)?;
        name(disk, &manifest, NEXT_SEALED).map_err(PublishError::Unknown)?;
        remove_old(disk, manifest.number);
        let first_journal = manifest.first_journal;
        assert!(manifest.number > state.manifest.number, "the numbers of manifests rise");
        state.manifest = manifest;
        let (retired, kept) = state.journals.iter().partition(|(number, _)| *number < first_journal);
        state.journals = kept;
        self.journal_count.store(state.journals.len(), Ordering::Relaxed);
        let retired: Vec<(u64, u64)> = retired;
        Ok(retired.into_iter().map(|(number, _)| number).collect())
    }
}
