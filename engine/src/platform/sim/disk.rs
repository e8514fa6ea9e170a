//! The simulated disk itself.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use parking_lot::Mutex;

use super::fault::{Faults, Seeded};
use super::inode::Inode;
use crate::platform::disk::{Disk, DiskFile, DiskLock, Mapping};

/// One operation of the disk, for counting and tracing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Op {
    /// What was done.
    pub verb: &'static str,
    /// To which file or folder.
    pub path: String,
    /// Where in the file.
    pub offset: u64,
    /// How many bytes.
    pub length: u64,
}

type InodeId = usize;

/// A change of a name that a crash may undo: the folder has not been synced since.
#[derive(Debug, Clone)]
struct NameChange {
    path: String,
    inode: Option<InodeId>,
}

#[derive(Debug, Clone)]
struct State {
    inodes: Vec<Inode>,
    /// Names as readers see them.
    names: BTreeMap<String, InodeId>,
    /// Names as a crash leaves them at least.
    durable_names: BTreeMap<String, InodeId>,
    pending_names: Vec<NameChange>,
    faults: Faults,
    random: Seeded,
    ops: u64,
    trace: Option<Vec<Op>>,
    locked: bool,
    /// Files that are open now, and the most that ever were.
    open_files: usize,
    most_open_files: usize,
    /// Ranges of files that the medium does not give back.
    unreadable: Vec<(String, Range<u64>)>,
}

/// A disk in memory. Clones are handles to the same disk; [`SimDisk::fork`] copies it.
#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

impl SimDisk {
    /// An empty disk whose faults are drawn from `seed`.
    pub fn new(seed: u64) -> Self {
        let state = State {
            inodes: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            pending_names: Vec::new(),
            faults: Faults::default(),
            random: Seeded::new(seed),
            ops: 0,
            trace: None,
            locked: false,
            open_files: 0,
            most_open_files: 0,
            unreadable: Vec::new(),
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// From now on these faults happen.
    pub fn set_faults(&self, faults: Faults) {
        self.state.lock().faults = faults;
    }

    /// The faults that happen now.
    pub fn faults(&self) -> Faults {
        self.state.lock().faults
    }

    /// How many operations there have been.
    pub fn ops(&self) -> u64 {
        self.state.lock().ops
    }

    /// Starts to record operations; what was recorded so far is returned.
    pub fn trace(&self) -> Vec<Op> {
        self.state.lock().trace.replace(Vec::new()).unwrap_or_default()
    }

    /// A copy that shares nothing with this one.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self { state: Arc::new(Mutex::new(self.state.lock().clone())) }
    }

    /// How many things a crash now could keep or lose: dirty sectors and names not yet synced.
    pub fn undecided(&self) -> usize {
        let state = self.state.lock();
        state.inodes.iter().map(|inode| inode.dirty.len()).sum::<usize>() + state.pending_names.len()
    }

    /// The power fails and comes back: each undecided thing, in a fixed order, is kept if `keep` says so.
    /// Faults end, and the lock is free again.
    pub fn crash(&self, keep: &mut dyn FnMut() -> bool) {
        let state = &mut *self.state.lock();
        for change in std::mem::take(&mut state.pending_names) {
            if keep() {
                match change.inode {
                    Some(inode) => state.durable_names.insert(change.path, inode),
                    None => state.durable_names.remove(&change.path),
                };
            }
        }
        state.names = state.durable_names.clone();
        for inode in &mut state.inodes {
            inode.crash(&mut |_| keep(), &mut state.random);
        }
        state.faults = Faults::default();
        state.locked = false;
    }

    /// The process is killed: nothing written is lost, nothing more is written.
    pub fn kill(&self) {
        let mut state = self.state.lock();
        state.faults = Faults::default();
        state.locked = false;
    }

    /// A file's bytes as a reader sees them.
    pub fn contents(&self, path: &str) -> Option<Vec<u8>> {
        let state = self.state.lock();
        state.inodes.get(*state.names.get(path)?).map(|inode| inode.cached.clone())
    }

    /// Replaces a file's bytes, on the medium too: damage, as a test wants it. Creates the file if need be.
    pub fn damage(&self, path: &str, bytes: Vec<u8>) {
        let state = &mut *self.state.lock();
        let inode = Inode { cached: bytes.clone(), durable: bytes, dirty: Default::default() };
        let id = state.inodes.len();
        state.inodes.push(inode);
        state.names.insert(path.to_owned(), id);
        state.durable_names.insert(path.to_owned(), id);
    }

    /// Removes a file for good: damage, as a test wants it.
    pub fn lose(&self, path: &str) {
        let state = &mut *self.state.lock();
        state.names.remove(path);
        state.durable_names.remove(path);
    }

    /// From now on the medium does not give these bytes of a file back: reads of them answer EIO.
    pub fn make_unreadable(&self, path: &str, bytes: Range<u64>) {
        self.state.lock().unreadable.push((path.to_owned(), bytes));
    }

    /// Every byte of a file can be read again.
    pub fn make_readable(&self, path: &str) {
        self.state.lock().unreadable.retain(|(unreadable, _)| unreadable != path);
    }

    /// The most files that were open at once since the last call.
    pub fn take_most_open_files(&self) -> usize {
        let state = &mut *self.state.lock();
        std::mem::replace(&mut state.most_open_files, state.open_files)
    }

    /// Every file there is.
    pub fn paths(&self) -> Vec<String> {
        self.state.lock().names.keys().cloned().collect()
    }
}

impl State {
    /// Counts the operation, and fails it when the power is out.
    fn begin(&mut self, verb: &'static str, path: &str, offset: u64, length: usize) -> io::Result<()> {
        if let Some(trace) = &mut self.trace {
            trace.push(Op { verb, path: path.to_owned(), offset, length: length as u64 });
        }
        let number = self.ops;
        self.ops += 1;
        match self.faults.power_cut_at {
            Some(cut) if number >= cut => Err(io::Error::other("simulated power cut")),
            _ => Ok(()),
        }
    }

    fn inode(&mut self, id: InodeId) -> io::Result<&mut Inode> {
        self.inodes.get_mut(id).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn find(&self, path: &str) -> io::Result<InodeId> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn set_name(&mut self, path: &str, inode: Option<InodeId>) {
        match inode {
            Some(id) => self.names.insert(path.to_owned(), id),
            None => self.names.remove(path),
        };
        self.pending_names.push(NameChange { path: path.to_owned(), inode });
    }

    fn take_descriptor(&mut self) -> io::Result<()> {
        if self.faults.descriptors.is_some_and(|most| self.open_files >= most) {
            return Err(io::Error::from_raw_os_error(EMFILE));
        }
        self.open_files += 1;
        self.most_open_files = self.most_open_files.max(self.open_files);
        Ok(())
    }

    fn is_readable(&self, path: &str, bytes: &Range<u64>) -> bool {
        let overlaps = |range: &Range<u64>| range.start < bytes.end && bytes.start < range.end;
        !self.unreadable.iter().any(|(unreadable, range)| unreadable == path && overlaps(range))
    }

    fn fails(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.random.chance(per_mille)
    }

    fn used_bytes(&self) -> u64 {
        self.names.values().filter_map(|id| self.inodes.get(*id)).map(|inode| inode.cached.len() as u64).sum()
    }
}

/// The number of the error "too many open files".
const EMFILE: i32 = 24;

fn eio() -> io::Error {
    io::Error::from_raw_os_error(5)
}

/// The folder of a path.
fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

impl Disk for SimDisk {
    fn create_dir(&self, dir: &str) -> io::Result<()> {
        self.state.lock().begin("create_dir", dir, 0, 0)
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let mut state = self.state.lock();
        state.begin("list", dir, 0, 0)?;
        let inside = state.names.keys().filter(|path| folder(path) == dir);
        Ok(inside.map(|path| path.rsplit('/').next().unwrap_or(path).to_owned()).collect())
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        let mut state = self.state.lock();
        state.begin("sync_dir", dir, 0, 0)?;
        let rate = state.faults.sync_error;
        if state.fails(rate) {
            return Err(eio());
        }
        let (synced, pending) = std::mem::take(&mut state.pending_names)
            .into_iter()
            .partition(|change| folder(&change.path) == dir);
        state.pending_names = pending;
        let synced: Vec<NameChange> = synced;
        for change in synced {
            match change.inode {
                Some(inode) => state.durable_names.insert(change.path, inode),
                None => state.durable_names.remove(&change.path),
            };
        }
        Ok(())
    }

    fn create(&self, path: &str, length: u64) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state.lock();
        state.begin("create", path, 0, 0)?;
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if state.faults.room.is_some_and(|room| state.used_bytes() + length > room) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut inode = Inode::default();
        inode.write(&vec![0; usize::try_from(length).unwrap_or(usize::MAX)], 0);
        // Zeros over zeros: a crash can only make the file shorter.
        inode.dirty.clear();
        state.take_descriptor()?;
        let id = state.inodes.len();
        state.inodes.push(inode);
        state.set_name(path, Some(id));
        Ok(Arc::new(SimFile { disk: self.clone(), id, path: path.to_owned() }))
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state.lock();
        state.begin("open", path, 0, 0)?;
        let id = state.find(path)?;
        state.take_descriptor()?;
        Ok(Arc::new(SimFile { disk: self.clone(), id, path: path.to_owned() }))
    }

    fn open_read_only(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.open(path)
    }

    fn map(&self, path: &str) -> io::Result<Arc<dyn Mapping>> {
        let file = self.open(path)?;
        let mut bytes = vec![0; usize::try_from(file.length()?).unwrap_or(usize::MAX)];
        let has_faulted = !self.state.lock().is_readable(path, &(0..bytes.len() as u64));
        if !has_faulted {
            file.read_at(&mut bytes, 0)?;
        }
        Ok(Arc::new(SimMapping { bytes, has_faulted }))
    }

    fn open_past_cache(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.open(path)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state.lock();
        state.begin("rename", from, 0, 0)?;
        let id = state.find(from)?;
        if state.names.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.set_name(to, Some(id));
        state.set_name(from, None);
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let mut state = self.state.lock();
        state.begin("remove", path, 0, 0)?;
        state.find(path)?;
        state.set_name(path, None);
        Ok(())
    }

    fn lock(&self, path: &str) -> io::Result<Box<dyn DiskLock>> {
        let mut state = self.state.lock();
        state.begin("lock", path, 0, 0)?;
        if state.locked {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        state.locked = true;
        Ok(Box::new(SimLock { disk: self.clone() }))
    }
}

struct SimLock {
    disk: SimDisk,
}

impl DiskLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.disk.state.lock().locked = false;
    }
}

/// The bytes as they were when they were mapped; zeros, if some of them could not be read.
struct SimMapping {
    bytes: Vec<u8>,
    has_faulted: bool,
}

impl Mapping for SimMapping {
    fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn has_faulted(&self) -> bool {
        self.has_faulted
    }

    fn will_need(&self, _: usize, _: usize) {}
}

struct SimFile {
    disk: SimDisk,
    id: InodeId,
    path: String,
}

impl Drop for SimFile {
    fn drop(&mut self) {
        self.disk.state.lock().open_files -= 1;
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        state.begin("read", &self.path, offset, buffer.len())?;
        let (error_rate, flip_rate) = (state.faults.read_error, state.faults.read_flip);
        let is_readable = state.is_readable(&self.path, &(offset..offset + buffer.len() as u64));
        if !is_readable || state.fails(error_rate) {
            return Err(eio());
        }
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let length = buffer.len();
        let bytes = state.inode(self.id)?.cached.get(start..start.saturating_add(length));
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        if state.fails(flip_rate) {
            let bit = usize::try_from(state.random.below(length as u64 * 8)).unwrap_or(0);
            if let Some(byte) = buffer.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
        }
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        let outage = state.begin("write", &self.path, offset, bytes.len());
        let Faults { write_error, misdirected_write, lost_write, room, .. } = state.faults;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let grown = (offset + bytes.len() as u64).saturating_sub(state.inode(self.id)?.cached.len() as u64);
        if grown > 0 && room.is_some_and(|room| state.used_bytes() + grown > room) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if outage.is_err() || state.fails(write_error) {
            // The part that got through is in the cache; a crash then decides sector by sector.
            let part = usize::try_from(state.random.below(bytes.len() as u64 + 1)).unwrap_or(0);
            state.inode(self.id)?.write(bytes.get(..part).unwrap_or(&[]), start);
            return Err(outage.err().unwrap_or_else(eio));
        }
        if state.fails(lost_write) {
            return Ok(());
        }
        let start = if state.fails(misdirected_write) { start.saturating_sub(4096) } else { start };
        state.inode(self.id)?.write(bytes, start);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        state.begin("sync", &self.path, 0, 0)?;
        let rate = state.faults.sync_error;
        if state.fails(rate) {
            state.inode(self.id)?.forget_dirty();
            return Err(eio());
        }
        state.inode(self.id)?.sync();
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        let mut state = self.disk.state.lock();
        state.begin("length", &self.path, 0, 0)?;
        Ok(state.inode(self.id)?.cached.len() as u64)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        state.begin("truncate", &self.path, length, 0)?;
        state.inode(self.id)?.truncate(usize::try_from(length).unwrap_or(usize::MAX));
        Ok(())
    }
}
