//! Snapshots: states of entities at a version, so that a fold need not start at the first event. They are a cache: they are
//! never synced, and appends never wait for them. A snapshot that is damaged or ahead of the log is ignored.

mod file;

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use allsource_format::StoreId;
use foldhash::fast::RandomState;
use parking_lot::{Mutex, RwLock};
use uuid::Uuid;

use crate::error::ReadError;
use crate::event::{Entity, KeyBuffer, TenantId, Timestamp};
use crate::lineage::{Incarnation, Lineage};
use crate::options::ReadMode;
use crate::planted::{self, Bug};
use crate::platform::{Clock, Disk, Entropy};
use crate::position::{Position, Version};
use crate::sealed::OpenFiles;
use crate::state::State;

use file::File;

/// The folder of snapshots.
pub(crate) const DIR: &str = "snapshots";
/// Stands for a file that has no number yet because it is incomplete.
const UNNAMED_NUMBER: u64 = 0;

/// Write the snapshots in memory to a file once they take this many bytes.
const RECENT_BYTES: u64 = 4 << 20;
/// Drop the snapshots in memory if they cannot be written and take more than this many bytes.
const RECENT_BYTES_MAX: u64 = 8 * RECENT_BYTES;
/// Files of at least this many bytes are not merged, because a merge holds all states in memory.
const MERGED_BYTES_MAX: u64 = 64 << 20;
/// Reads do not keep states with more text than this, in bytes: one would displace all others.
const STATE_BYTES_MAX: usize = 64 << 20;
/// How many files of similar size are merged into one.
const FANIN: usize = 8;
/// How many snapshots of an entity a merge keeps.
pub(crate) const KEPT: usize = 10;

/// Why a snapshot was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A caller requested it.
    Manual,
    /// Enough events or enough time had passed since the last one.
    Automatic,
    /// A read had to fold enough events.
    OnDemand,
}

/// A stored state of an entity.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Its own id.
    pub id: Uuid,
    /// The entity.
    pub entity: Entity,
    /// When it was taken.
    pub created_at: Timestamp,
    /// Why it was taken.
    pub cause: Cause,
    /// The incarnation that wrote the last event in the state.
    pub incarnation: Incarnation,
    /// The state.
    pub state: State,
}

impl Snapshot {
    /// Approximate size on disk, in bytes.
    pub fn size_bytes(&self) -> u64 {
        (self.state.text.len() + self.state.members.len() * 8 + 128) as u64
    }
}

/// What snapshots need of the store: its disk, its identity, and how to read its files.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) mode: ReadMode,
    pub(crate) store: StoreId,
    pub(crate) epoch: u64,
    /// A state is used only if the lineage names the same writer of its last event.
    pub(crate) lineage: Arc<Lineage>,
    pub(crate) open_files: Arc<OpenFiles>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// A read that folds at least this many events keeps the state; 0: no read does.
    pub(crate) due_events: u64,
}

#[derive(Default)]
struct Recent {
    /// By key, oldest first.
    by_key: HashMap<Box<[u8]>, Vec<Arc<Snapshot>>, RandomState>,
    bytes: u64,
}

/// All snapshots of a store.
pub(crate) struct Snapshots {
    context: Context,
    recent: RwLock<Recent>,
    /// Oldest first.
    files: RwLock<Arc<Vec<Arc<File>>>>,
    /// Replaced and damaged files, kept until no reader has them: this way upkeep removes them, not a reader.
    retired: Mutex<Vec<Arc<File>>>,
    next_number: AtomicU64,
    writing: Mutex<()>,
}

impl Snapshots {
    /// Finds the snapshot files of a store. A damaged file is removed. States of another history are ignored, since each
    /// names the incarnation that wrote its last event; a merge drops them. Nothing here keeps a store from opening: a
    /// folder that cannot be listed counts as empty.
    pub(crate) fn open(context: Context) -> Self {
        let names = context.disk.list(DIR).unwrap_or_default();
        let (mut files, mut next_number) = (Vec::new(), 1);
        for name in names {
            // Unknown files are left alone; an incomplete file is one of ours.
            let number = match file::number_of(&name) {
                Some(number) => number,
                None if file::UNNAMED.ends_with(&format!("/{name}")) => UNNAMED_NUMBER,
                None => continue,
            };
            next_number = next_number.max(number + 1);
            match File::open(&context, number) {
                Ok(file) => files.push(Arc::new(file)),
                // A file that cannot be read now is left for the next opening. Until then the cache goes without it.
                Err(error) if number != UNNAMED_NUMBER && error.damage().is_none() => {}
                // A file that cannot be removed stays, and its number is not used again.
                Err(_) => drop(context.disk.remove(&format!("{DIR}/{name}"))),
            }
        }
        Self {
            context,
            recent: RwLock::default(),
            files: RwLock::new(Arc::new(files)),
            retired: Mutex::default(),
            next_number: AtomicU64::new(next_number),
            writing: Mutex::default(),
        }
    }

    fn files(&self) -> Arc<Vec<Arc<File>>> {
        Arc::clone(&self.files.read())
    }

    /// The newest snapshot of an entity that `is_wanted` accepts. A snapshot in a file is read only if there `is_room` for
    /// its bytes.
    pub(crate) fn find(
        &self,
        hash: u64,
        key: &[u8],
        is_wanted: &dyn Fn(&State) -> bool,
        is_room: &mut dyn FnMut(usize) -> bool,
    ) -> Option<Arc<Snapshot>> {
        let recent = self.recent.read();
        let newest_first = recent.by_key.get(key).into_iter().flat_map(|list| list.iter().rev());
        let found = newest_first.clone().find(|snapshot| is_wanted(&snapshot.state)).cloned();
        drop(recent);
        found.or_else(|| {
            let files = self.files();
            let mut newest_first = files.iter().rev();
            newest_first.find_map(|file| {
                let found = file.find(hash, key, is_wanted, is_room);
                found.unwrap_or_else(|error| {
                    self.drop_if_damaged(file, &error);
                    None
                })
            })
        })
    }

    /// Drops a damaged file. A file that cannot be read now is skipped this time.
    fn drop_if_damaged(&self, damaged: &Arc<File>, error: &ReadError) {
        if error.damage().is_none() {
            return;
        }
        let mut files = self.files.write();
        *files = Arc::new(files.iter().filter(|file| !Arc::ptr_eq(file, damaged)).cloned().collect());
        drop(files);
        self.retire(damaged);
    }

    /// Has a file removed once no reader has it.
    fn retire(&self, file: &Arc<File>) {
        file.replace();
        self.retired.lock().push(Arc::clone(file));
    }

    /// Removes the replaced and damaged files that no reader has. False: there are none.
    pub(crate) fn reclaim(&self) -> bool {
        let mut retired = self.retired.lock();
        // A file that two readers found damaged is in the list twice.
        retired.sort_by_key(Arc::as_ptr);
        retired.dedup_by(|one, other| Arc::ptr_eq(one, other));
        let unread: Vec<_> = retired.extract_if(.., |file| Arc::strong_count(file) == 1).collect();
        drop(retired);
        !unread.is_empty()
    }

    /// The incarnation that wrote a position of the log.
    fn writer_of(&self, position: Position) -> Incarnation {
        self.context.lineage.writer_of(position.value())
    }

    /// Keeps a state if a read had to fold enough events for it.
    pub(crate) fn keep_if_due(&self, entity: &Entity, state: &State, folded: u64) {
        let is_due = self.context.due_events > 0 && folded >= self.context.due_events;
        if is_due && state.text.len() <= STATE_BYTES_MAX {
            self.keep(entity, Cause::OnDemand, state.clone());
        }
    }

    /// Keeps a state in memory. A file follows once there is enough to write, or at a clean close.
    pub(crate) fn keep(&self, entity: &Entity, cause: Cause, state: State) -> Arc<Snapshot> {
        let is_whole = state.event_count == state.version.value() || planted::is(Bug::AcceptWrongCount);
        assert!(is_whole, "a state that is kept holds every event up to its version");
        self.add(Snapshot {
            id: self.context.entropy.uuid(),
            entity: entity.clone(),
            created_at: Timestamp::from_micros(self.context.clock.now_micros()),
            cause,
            incarnation: self.writer_of(state.position()),
            state,
        })
    }

    /// Adds a snapshot.
    fn add(&self, snapshot: Snapshot) -> Arc<Snapshot> {
        assert_eq!(
            snapshot.incarnation,
            self.writer_of(snapshot.state.position),
            "a snapshot belongs to this history"
        );
        let snapshot = Arc::new(snapshot);
        let mut recent = self.recent.write();
        if recent.bytes > RECENT_BYTES_MAX {
            // They could not be written. Better to lose a cache than to run out of memory.
            *recent = Recent::default();
        }
        recent.bytes += snapshot.size_bytes();
        let key = snapshot.entity.key();
        let list = recent.by_key.entry(key[..].into()).or_default();
        let place = list.partition_point(|other| other.state.version <= snapshot.state.version);
        list.insert(place, Arc::clone(&snapshot));
        assert!(
            list.is_sorted_by_key(|other| other.state.version),
            "snapshots of an entity ascend by version"
        );
        snapshot
    }

    /// At most `limit` snapshots of a tenant or of one of its entities, the newest of each entity first, and their total
    /// number.
    pub(crate) fn list(
        &self,
        tenant: &TenantId,
        entity: Option<&Entity>,
        limit: usize,
    ) -> (Vec<Arc<Snapshot>>, u64) {
        let mut all: Vec<Arc<Snapshot>> = Vec::new();
        let is_wanted = |snapshot: &Snapshot| match entity {
            Some(entity) => snapshot.entity == *entity,
            None => snapshot.entity.tenant() == tenant,
        };
        for file in self.files().iter() {
            let keep = |snapshot: Arc<Snapshot>| {
                if is_wanted(&snapshot) {
                    all.push(snapshot);
                }
            };
            if let Err(error) = file.each(entity, keep) {
                self.drop_if_damaged(file, &error);
            }
        }
        let recent = self.recent.read();
        all.extend(recent.by_key.values().flatten().filter(|snapshot| is_wanted(snapshot)).cloned());
        drop(recent);
        all.sort_by_key(|snapshot| by_entity_newest_first(snapshot));
        all.dedup_by_key(|snapshot| snapshot.id);
        let total = all.len() as u64;
        all.truncate(limit);
        (all, total)
    }

    /// Writes the snapshots in memory to a file: at the end of the store all of them, otherwise only if there are enough.
    /// False: nothing was written.
    pub(crate) fn write(&self, is_end: bool) -> io::Result<bool> {
        let _writing = self.writing.lock();
        let recent = self.recent.read();
        if recent.by_key.is_empty() || !is_end && recent.bytes < RECENT_BYTES {
            return Ok(false);
        }
        let mut snapshots: Vec<Arc<Snapshot>> = recent.by_key.values().flatten().cloned().collect();
        drop(recent);
        snapshots.sort_by_key(|snapshot| by_entity_newest_first(snapshot));
        let file = self.write_file(&snapshots)?;
        let mut files = self.files.write();
        *files = Arc::new(files.iter().cloned().chain([file]).collect());
        drop(files);
        let written: HashSet<Uuid> = snapshots.iter().map(|snapshot| snapshot.id).collect();
        let mut recent = self.recent.write();
        for list in recent.by_key.values_mut() {
            list.retain(|snapshot| !written.contains(&snapshot.id));
        }
        recent.by_key.retain(|_, list| !list.is_empty());
        let before = recent.bytes;
        recent.bytes = recent.by_key.values().flatten().map(|snapshot| snapshot.size_bytes()).sum();
        assert!(recent.bytes == 0 || !is_end || before > 0, "only what was kept is written");
        Ok(true)
    }

    fn write_file(&self, snapshots: &[Arc<Snapshot>]) -> io::Result<Arc<File>> {
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        assert!(number > 0, "numbers of files rise");
        File::write(&self.context, number, snapshots).map(Arc::new).inspect_err(|_| {
            // An incomplete file is useless, and a full disk needs the space.
            let _ = self.context.disk.remove(file::UNNAMED);
        })
    }

    /// Merges files if enough are of similar size, keeping the newest snapshots of each entity. False: there are too few.
    pub(crate) fn merge(&self) -> io::Result<bool> {
        let _writing = self.writing.lock();
        let files = self.files();
        let tier = |file: &File| file.count().ilog2() / FANIN.ilog2();
        let Some(newest) = files.last() else { return Ok(false) };
        let is_mergeable = |file: &&Arc<File>| tier(file) <= tier(newest) && file.bytes() < MERGED_BYTES_MAX;
        let count = files.iter().rev().take_while(is_mergeable).count();
        if count < FANIN {
            return Ok(false);
        }
        let (kept, merged) = files.split_at(files.len() - count);
        let mut all = Vec::new();
        for file in merged {
            if let Err(error) = file.each(None, |snapshot| all.push(snapshot)) {
                self.drop_if_damaged(file, &error);
                return if error.damage().is_some() { Ok(true) } else { Err(io::Error::other(error)) };
            }
        }
        all.sort_by_key(|snapshot: &Arc<Snapshot>| by_entity_newest_first(snapshot));
        let mut in_a_row = 0;
        let mut before: Option<Entity> = None;
        all.retain(|snapshot| {
            in_a_row = if before.as_ref() == Some(&snapshot.entity) { in_a_row + 1 } else { 0 };
            before = Some(snapshot.entity.clone());
            in_a_row < KEPT
        });
        assert!(merged.len() >= FANIN, "a merge leaves fewer files than it found");
        // If every state belongs to another history, no new file is needed.
        let file = if all.is_empty() { None } else { Some(self.write_file(&all)?) };
        let mut files = self.files.write();
        *files = Arc::new(kept.iter().cloned().chain(file).collect());
        drop(files);
        merged.iter().for_each(|file| self.retire(file));
        Ok(true)
    }
}

fn by_entity_newest_first(snapshot: &Snapshot) -> (KeyBuffer, Reverse<(Version, Timestamp)>) {
    (snapshot.entity.key(), Reverse((snapshot.state.version, snapshot.created_at)))
}
