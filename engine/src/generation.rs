//! A generation: the sealed events of consecutive positions, in a file of records and an index over it. Files are opened
//! when first needed. Once replaced, they are removed with the last reader.

mod reread;
mod files;
mod segments;
mod fetch;
mod find;
mod names;
mod write;
mod rebuild;
mod remains;
mod unnamed;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use allsource_format::index;
use allsource_format::manifest::{Generation as Entry, Kind as Held};
use allsource_format::sealed::Kind;
use parking_lot::Mutex;

use crate::error::{Damage, ReadError};
use crate::holder::{Holder, Holders, Reread, Run, RunReader};
use crate::options::ReadMode;
use crate::planted::{self, Bug};
use crate::platform::{Clock, Disk};
use crate::sealed::{OpenFiles, SealedFile, Slot};

use files::Files;
use reread::SealedReread;
use segments::SegmentFile;

pub(crate) use fetch::Stretches;
pub(crate) use files::{is_any, remove, remove_leftovers};
pub(crate) use names::{List, Names};
pub(crate) use unnamed::{Found, unnamed};
pub(crate) use write::{Builder, WriteError, run_length};

/// The folder of the files of generations.
pub(crate) const DIR: &str = "segments";

/// Damage found since the store was opened, by file.
#[derive(Default)]
pub(crate) struct Damages(Mutex<BTreeMap<String, Damage>>);

impl Damages {
    /// Records an error if it is damage. A file that cannot be read now may be readable next time.
    pub(crate) fn note(&self, error: &ReadError) {
        if let Some(damage) = error.damage() {
            self.0.lock().entry(damage.file.clone()).or_insert_with(|| damage.clone());
        }
    }

    /// Forgets the damage of a file that was rewritten or removed.
    pub(crate) fn forget(&self, file: &str) {
        self.0.lock().remove(file);
    }

    /// The damage found first in each file.
    pub(crate) fn list(&self) -> Vec<Damage> {
        self.0.lock().values().cloned().collect()
    }
}

/// How long to wait after a failed rebuild of an index: each attempt reads every record of the generation.
const REBUILD_REST: Duration = Duration::from_secs(60);

/// How the files of generations are read.
#[derive(Clone)]
pub(crate) struct Access {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) mode: ReadMode,
    pub(crate) partitions: u32,
    pub(crate) damages: Arc<Damages>,
    pub(crate) open_files: Arc<OpenFiles>,
    pub(crate) holders: Holders,
}

/// The path of a file of a generation of these positions.
fn path_of(positions: &RangeInclusive<u64>, ending: &str) -> String {
    format!("{DIR}/{:020}-{:020}.{ending}", positions.start(), positions.end())
}

/// Sealed events of consecutive positions.
pub(crate) struct Generation {
    entry: Entry,
    access: Access,
    holder: Arc<dyn Holder>,
    index: Arc<Slot>,
    /// The index rebuilt from the records, if its file is missing or damaged.
    rebuilt: OnceLock<SealedFile>,
    /// One reader rebuilds the index while others wait. A failure is cached until the time in it.
    rebuilding: Mutex<Option<(Duration, ReadError)>>,
    files: Arc<Files>,
}

impl Generation {
    /// The generation of an entry of the manifest. Nothing is read yet.
    pub(crate) fn new(entry: Entry, access: Access) -> Self {
        let holder = access.holders.open(&entry, &access.disk).unwrap_or_else(|| match entry.kind {
            Held::Segments => Arc::new(SegmentFile::of(&entry, access.clone())),
        });
        let files = Arc::new(Files::of(&entry, Arc::clone(&holder), Arc::clone(&access.disk)));
        Self::over(entry, access, holder, files)
    }

    fn over(entry: Entry, access: Access, holder: Arc<dyn Holder>, files: Arc<Files>) -> Self {
        let (index, rebuilt, rebuilding) = (Arc::default(), OnceLock::new(), Mutex::default());
        Self { entry, access, holder, index, rebuilt, rebuilding, files }
    }

    /// The same generation, to be used after its index was rewritten.
    pub(crate) fn reopened(&self) -> Self {
        Self::over(self.entry.clone(), self.access.clone(), Arc::clone(&self.holder), Arc::clone(&self.files))
    }

    /// Its entry in the manifest.
    pub(crate) fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Position of the event before its first.
    pub(crate) fn base(&self) -> u64 {
        self.entry.first_position - 1
    }

    /// The size of its records, as stored.
    pub(crate) fn stored_bytes(&self) -> u64 {
        self.entry.records.bytes
    }

    /// Sequence of its first event of a partition; `None`: it holds none.
    pub(crate) fn first_sequence(&self, partition: u32) -> Result<Option<u64>, ReadError> {
        self.noted(self.holder.first_sequence(partition))
    }

    /// The runs of a partition, in the order of positions.
    pub(crate) fn runs(&self, partition: u32) -> Result<Vec<Run>, ReadError> {
        self.noted(self.holder.runs(partition))
    }

    /// The records of a run, in their order.
    pub(crate) fn records(&self, run: &Run) -> Result<Box<dyn RunReader>, ReadError> {
        self.noted(self.holder.records(run))
    }

    /// The error for records that contradict themselves.
    pub(crate) fn damaged(&self, problem: &str) -> ReadError {
        let error = self.holder.damaged(0, problem);
        self.access.damages.note(&error);
        error
    }

    /// The error for an index that contradicts itself or its records, though its checksums match. It is rebuilt, so that
    /// the next request gets the right answer.
    pub(crate) fn contradiction(&self, problem: &str) -> ReadError {
        let error = ReadError::damaged(&*self.entry.index.name, 0, problem);
        if self.rebuilt.get().is_some() {
            // This request still saw the index from before.
            return error;
        }
        self.access.damages.note(&error);
        self.rebuilt().err().unwrap_or(error)
    }

    /// Remembers damage of its records.
    fn noted<T>(&self, result: Result<T, ReadError>) -> Result<T, ReadError> {
        result.inspect_err(|error| self.access.damages.note(error))
    }

    /// Has its files removed once no reader holds them: other generations hold its events, or it was not published.
    pub(crate) fn replace(&self) {
        self.files.replace();
    }

    /// Calls `look` with the index. A damaged index is rebuilt from the records, and `look` is called again. An index
    /// that cannot be read now is not rebuilt.
    fn indexed<R>(&self, look: impl Fn(&SealedFile) -> Result<R, ReadError>) -> Result<R, ReadError> {
        if self.rebuilt.get().is_none() {
            let error = match self.opened_index().and_then(|index| look(&index)) {
                Err(error) => error,
                looked => return looked,
            };
            if !error.damage().is_some_and(|damage| self.is_index(&damage.file)) {
                return Err(error);
            }
            self.access.damages.note(&error);
        }
        self.rebuilt().and_then(look)
    }

    fn rebuilt(&self) -> Result<&SealedFile, ReadError> {
        if let Some(rebuilt) = self.rebuilt.get() {
            return Ok(rebuilt);
        }
        let mut failed = self.rebuilding.lock();
        if let Some(rebuilt) = self.rebuilt.get() {
            return Ok(rebuilt);
        }
        let now = self.access.clock.monotonic();
        match &*failed {
            Some((until, error)) if now < *until => return Err(error.clone()),
            _ => {}
        }
        match self.noted(rebuild::in_memory(self)) {
            Ok(rebuilt) => {
                *failed = None;
                Ok(self.rebuilt.get_or_init(|| rebuilt))
            }
            Err(error) => {
                *failed = Some((now + REBUILD_REST, error.clone()));
                Err(error)
            }
        }
    }

    /// Why its index could not be rebuilt, until the next attempt.
    pub(crate) fn rebuild_failure(&self) -> Option<ReadError> {
        // A rebuild in progress has not failed yet.
        self.rebuilding.try_lock()?.as_ref().map(|(_, error)| error.clone())
    }

    /// Rebuilds a damaged index in memory. A task of upkeep writes it later.
    pub(crate) fn condemn_index(&self) -> Result<(), ReadError> {
        self.rebuilt().map(drop)
    }

    fn opened_index(&self) -> Result<Arc<SealedFile>, ReadError> {
        self.access.open_files.file(&self.index, || {
            let path = &self.entry.index.name;
            let file = SealedFile::open(&self.access.disk, path, Kind::Index, self.access.mode)?;
            let is_right = file.header().source_crc == self.entry.records.checksum && self.is_of_this(&file);
            if !is_right && !planted::is(Bug::TrustAnyIndex) {
                return Err(file.damaged(0, "the index belongs to other records"));
            }
            index::check_sections(file.header()).map_err(|problem| file.damaged(0, problem))?;
            Ok(file)
        })
    }

    fn is_of_this(&self, file: &SealedFile) -> bool {
        let header = file.header();
        (header.first_position, header.last_position, header.events)
            == (self.entry.first_position, self.entry.last_position, self.entry.events)
    }

    /// Whether its index is only in memory and should be written.
    pub(crate) fn is_index_missing(&self) -> bool {
        self.rebuilt.get().is_some()
    }

    /// The paths of its files.
    pub(crate) fn files(&self) -> Vec<String> {
        std::iter::once(self.entry.index.name.clone()).chain(self.holder.files()).collect()
    }

    /// Whether a path is that of its index, which can be rebuilt.
    pub(crate) fn is_index(&self, path: &str) -> bool {
        path == self.entry.index.name
    }

    /// Starts reading one of its files again, to check what the medium holds against every checksum.
    pub(crate) fn reread(&self, path: &str) -> Result<Box<dyn Reread>, ReadError> {
        if !self.is_index(path) {
            return self.holder.reread(path);
        }
        let reread = SealedReread::open(&*self.access.disk, path, Kind::Index)?;
        Ok(Box::new(reread))
    }

    /// Checks, by reading headers only, that its files are those that the manifest names. A missing or damaged index is
    /// rebuilt.
    pub(crate) fn check(&self) -> Result<(), ReadError> {
        self.holder.check()?;
        match self.opened_index() {
            Err(error @ ReadError::Damaged(_)) => {
                self.access.damages.note(&error);
                self.condemn_index()
            }
            opened => opened.map(drop),
        }
    }

    /// Checks every byte of its files, and the index against the records. Returns the number of files, the number of
    /// bytes, and all errors.
    pub(crate) fn verify(&self) -> (u64, u64, Vec<ReadError>) {
        let (mut files, mut bytes, mut errors) = (0, 0, Vec::new());
        for path in self.files() {
            files += 1;
            match self.reread(&path).and_then(check_all) {
                Ok(length) => bytes += length,
                Err(error) => errors.push(error),
            }
        }
        errors.extend(self.holder.check().err().filter(|error| !errors.contains(error)));
        if errors.is_empty() {
            let compared = self.opened_index().and_then(|index| {
                let expected = rebuild::in_memory(self)?;
                index.compare_with(&expected)
            });
            errors.extend(compared.err());
        }
        (files, bytes, errors)
    }
}

/// Checks a whole file; returns its length.
fn check_all(mut reread: Box<dyn Reread>) -> Result<u64, ReadError> {
    while reread.check_next()?.is_some() {}
    Ok(reread.file_bytes())
}
