//! A generation: the sealed events of consecutive positions, in a segment for each partition and one index over all
//! of them. Its files are opened when they are first needed, and removed, once they are replaced, with the last
//! reader.

mod files;
mod scan;
mod fetch;
mod find;
mod names;
mod write;
mod rebuild;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use allsource_format::manifest::Generation as Entry;
use allsource_format::sealed::Kind;
use parking_lot::Mutex;

use crate::error::{Damage, ReadError};
use crate::options::ReadMode;
use crate::planted::{self, Bug};
use crate::platform::{Clock, Disk};
use crate::sealed::SealedFile;

use files::Files;

pub(crate) use fetch::{Ahead, Stretches};
pub(crate) use files::{is_any, remove, remove_leftovers};
pub(crate) use names::{List, Names};
pub(crate) use scan::{Records, runs};
pub(crate) use write::{Builder, Segment, WriteError, run_length};

/// The folder of segments and indexes.
pub(crate) const DIR: &str = "segments";

/// Damage found since the store was opened, by file.
#[derive(Default)]
pub(crate) struct Damages(Mutex<BTreeMap<String, Damage>>);

impl Damages {
    /// Notes an error, if it is damage: what cannot be read now may be readable the next time.
    pub(crate) fn note(&self, error: &ReadError) {
        if let Some(damage) = error.damage() {
            self.0.lock().entry(damage.file.clone()).or_insert_with(|| damage.clone());
        }
    }

    /// A file is whole again, or gone.
    pub(crate) fn forget(&self, file: &str) {
        self.0.lock().remove(file);
    }

    /// What is damaged, one for each file.
    pub(crate) fn list(&self) -> Vec<Damage> {
        self.0.lock().values().cloned().collect()
    }
}

/// How long an index that could not be rebuilt is left alone: rebuilding reads every record of its generation.
const REBUILD_REST: Duration = Duration::from_secs(60);

/// How the files of generations are read.
#[derive(Clone)]
pub(crate) struct Access {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) mode: ReadMode,
    pub(crate) partitions: u32,
    pub(crate) damages: Arc<Damages>,
}

/// The path of the index of a generation.
pub(crate) fn index_path(entry: &Entry) -> String {
    format!("{DIR}/{:020}-{:020}.idx", entry.first_position, entry.last_position)
}

/// The folder of the segments of a partition.
pub(crate) fn partition_dir(partition: u32) -> String {
    format!("{DIR}/p{partition:03}")
}

/// The path of the segment of a partition.
pub(crate) fn segment_path(entry: &Entry, partition: u32) -> String {
    let dir = partition_dir(partition);
    format!("{dir}/{:020}-{:020}.seg", entry.first_position, entry.last_position)
}

type Opened = OnceLock<SealedFile>;

/// What is open already, or what `open` gives. A failure is not remembered: it may pass.
fn opened(
    slot: &Opened,
    open: impl FnOnce() -> Result<SealedFile, ReadError>,
) -> Result<&SealedFile, ReadError> {
    if let Some(file) = slot.get() {
        return Ok(file);
    }
    let file = open()?;
    Ok(slot.get_or_init(|| file))
}

/// Sealed events of consecutive positions.
pub(crate) struct Generation {
    entry: Entry,
    access: Access,
    index: Opened,
    /// The index once more, made from the segments: the file is missing or damaged.
    rebuilt: Opened,
    segments: Box<[Opened]>,
    /// One reader rebuilds the index; the others wait for it. A failure is the answer until its rest is over.
    rebuilding: Mutex<Option<(Duration, ReadError)>>,
    files: Arc<Files>,
}

impl Generation {
    /// The generation of an entry of the manifest. Nothing is read yet.
    pub(crate) fn new(entry: Entry, access: Access) -> Self {
        let files = Arc::new(Files::of(entry.clone(), access.clone()));
        Self::over(entry, access, files)
    }

    fn over(entry: Entry, access: Access, files: Arc<Files>) -> Self {
        let segments = (0..access.partitions).map(|_| Opened::new()).collect();
        let (index, rebuilt, rebuilding) = (Opened::new(), Opened::new(), Mutex::default());
        Self { entry, access, index, rebuilt, segments, rebuilding, files }
    }

    /// The same generation, of which nothing is open: what is read from now on is read from files written anew.
    pub(crate) fn reopened(&self) -> Self {
        Self::over(self.entry.clone(), self.access.clone(), Arc::clone(&self.files))
    }

    /// What the manifest says of it.
    pub(crate) fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Position of the event before its first.
    pub(crate) fn base(&self) -> u64 {
        self.entry.first_position - 1
    }

    /// Its files are to be removed once nobody reads them any more.
    pub(crate) fn replace(&self) {
        self.files.replace();
    }

    /// Does something with the index. If that turns out to be damaged, the index is rebuilt from the segments, and it
    /// is done once more. An index that cannot be read now is not rebuilt.
    fn indexed<R>(&self, look: impl Fn(&SealedFile) -> Result<R, ReadError>) -> Result<R, ReadError> {
        if self.rebuilt.get().is_none() {
            let error = match self.opened_index().and_then(&look) {
                Err(error) => error,
                looked => return looked,
            };
            let is_index = |damage: &Damage| damage.file == index_path(&self.entry);
            if !error.damage().is_some_and(is_index) {
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
        let now = self.access.clock.monotonic();
        match &*failed {
            Some((until, error)) if now < *until => return Err(error.clone()),
            _ => {}
        }
        let rebuilt = opened(&self.rebuilt, || rebuild::in_memory(self));
        *failed = rebuilt.as_ref().err().map(|error| (now + REBUILD_REST, error.clone()));
        rebuilt
    }

    /// The file of the index is damaged: it is rebuilt in memory, and written when there is time.
    pub(crate) fn condemn_index(&self) -> Result<(), ReadError> {
        self.rebuilt().map(drop)
    }

    fn opened_index(&self) -> Result<&SealedFile, ReadError> {
        opened(&self.index, || {
            let path = index_path(&self.entry);
            let file = SealedFile::open(&self.access.disk, &path, Kind::Index, self.access.mode)?;
            let is_right = file.header().source_crc == self.entry.source_crc && self.is_of_this(&file);
            match is_right || planted::is(Bug::TrustAnyIndex) {
                true => Ok(file),
                false => Err(file.damaged(0, "the index is not that of these segments")),
            }
        })
    }

    fn is_of_this(&self, file: &SealedFile) -> bool {
        let header = file.header();
        (header.first_position, header.last_position) == (self.entry.first_position, self.entry.last_position)
    }

    /// Whether a partition has a segment here.
    pub(crate) fn has_segment(&self, partition: u32) -> bool {
        let path = segment_path(&self.entry, partition);
        self.entry.segments().any(|file| file.name == path)
    }

    /// The segment of a partition.
    pub(crate) fn segment(&self, partition: u32) -> Result<&SealedFile, ReadError> {
        let unknown = || {
            ReadError::damaged(index_path(&self.entry), 0, "the index names a partition that is not there")
        };
        let slot = self.segments.get(partition as usize).ok_or_else(unknown)?;
        opened(slot, || self.open_segment(partition)).inspect_err(|error| self.note(error))
    }

    fn open_segment(&self, partition: u32) -> Result<SealedFile, ReadError> {
        let path = segment_path(&self.entry, partition);
        let file = SealedFile::open(&self.access.disk, &path, Kind::Segment, self.access.mode)?;
        // While the index is made anew, the manifest vouches for all segments together.
        let expected = self.index.get().map(find::segment_entries).transpose().unwrap_or_default();
        let is_expected = expected.is_none_or(|entries| {
            entries.iter().any(|entry| (entry.partition, entry.header_crc) == (partition, file.header_crc()))
        });
        match file.header().partition == partition && self.is_of_this(&file) && is_expected {
            true => Ok(file),
            false => Err(file.damaged(0, "the segment is not the one of its name")),
        }
    }

    fn note(&self, error: &ReadError) {
        self.access.damages.note(error);
    }

    /// Whether its index is only in memory and should be written.
    pub(crate) fn is_index_missing(&self) -> bool {
        self.rebuilt.get().is_some()
    }

    /// The paths of its files that are there, and what each is.
    pub(crate) fn files(&self) -> Vec<(String, Kind)> {
        let segments = rebuild::partitions_of(self).into_iter();
        let segments = segments.map(|partition| (segment_path(&self.entry, partition), Kind::Segment));
        std::iter::once((index_path(&self.entry), Kind::Index)).chain(segments).collect()
    }

    /// Compares every checksum of one of its files with what the medium holds; returns its length.
    pub(crate) fn check_file(&self, path: &str, kind: Kind) -> Result<u64, ReadError> {
        SealedFile::open_past_cache(&*self.access.disk, path, kind)?.check_all()
    }

    /// Looks at every byte of its files, and whether the index is that of the segments. Returns how many files and
    /// bytes there are, and everything that was found wrong.
    pub(crate) fn verify(&self) -> (u64, u64, Vec<ReadError>) {
        let (mut files, mut bytes, mut errors) = (0, 0, Vec::new());
        for (path, kind) in self.files() {
            files += 1;
            match self.check_file(&path, kind) {
                Ok(length) => bytes += length,
                Err(error) => errors.push(error),
            }
        }
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
