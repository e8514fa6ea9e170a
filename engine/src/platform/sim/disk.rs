//! The simulated disk itself.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use parking_lot::Mutex;

use super::fault::Faults;
use super::file::{SimFile, SimLock, SimMapping, SimSharedLock};
use super::inode::Inode;
use super::state::{NameChange, Op, State, eio};
use crate::number::index;
use crate::platform::disk::{Disk, DiskFile, DiskLock, Mapping};

/// A disk in memory. Clones are handles to the same disk; [`SimDisk::fork`] copies it.
#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

impl SimDisk {
    /// An empty disk whose faults are drawn from `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: Arc::new(Mutex::new(State::new(seed))) }
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

    /// Starts recording operations; returns what was recorded so far.
    pub fn trace(&self) -> Vec<Op> {
        self.state.lock().trace.replace(Vec::new()).unwrap_or_default()
    }

    /// A copy that shares nothing with this one.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self { state: Arc::new(Mutex::new(self.state.lock().clone())) }
    }

    /// How many dirty sectors and unsynced names a crash now could keep or lose.
    pub fn undecided(&self) -> usize {
        let state = self.state.lock();
        state.inodes.iter().map(|inode| inode.dirty.len()).sum::<usize>()
            + state.pending_names.len()
            + usize::from(state.is_root_pending)
    }

    /// The power fails and returns: each undecided sector and name, in a fixed order, is kept if `keep` says so. Faults
    /// end, and the lock is free again.
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
        if std::mem::take(&mut state.is_root_pending) && !keep() {
            state.is_root_there = false;
            state.durable_names.clear();
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

    /// Replaces a file's bytes, on the medium too, to simulate damage. Creates the file if necessary.
    pub fn damage(&self, path: &str, bytes: Vec<u8>) {
        let state = &mut *self.state.lock();
        let inode = Inode { cached: bytes.clone(), durable: bytes, dirty: Default::default() };
        let id = state.inodes.len();
        state.inodes.push(inode);
        state.names.insert(path.to_owned(), id);
        state.durable_names.insert(path.to_owned(), id);
    }

    /// Removes a file for good, to simulate damage.
    pub fn lose(&self, path: &str) {
        let state = &mut *self.state.lock();
        state.names.remove(path);
        state.durable_names.remove(path);
    }

    /// From now on, reads of these bytes of a file fail with EIO.
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

/// The folder of a path.
fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

impl Disk for SimDisk {
    fn create_dir(&self, dir: &str) -> io::Result<()> {
        let mut state = self.state.lock();
        state.begin("create_dir", dir, 0, 0)?;
        if dir.is_empty() && !state.is_root_there {
            (state.is_root_there, state.is_root_pending) = (true, true);
        }
        Ok(())
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let mut state = self.state.lock();
        state.begin("list", dir, 0, 0)?;
        let inside = state.names.keys().filter(|path| folder(path) == dir);
        Ok(inside
            .map(|path| path.rsplit_once('/').map_or(path.as_str(), |(_, name)| name).to_owned())
            .collect())
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        let mut state = self.state.lock();
        state.begin("sync_dir", dir, 0, 0)?;
        assert!(!(state.faults.panic_at_manifest && dir == "manifest"), "a planted panic");
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

    fn sync_parent(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        state.begin("sync_parent", "", 0, 0)?;
        let rate = state.faults.sync_error;
        if state.fails(rate) {
            return Err(eio());
        }
        state.is_root_pending = false;
        Ok(())
    }

    fn create(&self, path: &str, length: u64) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state.lock();
        state.begin("create", path, 0, 0)?;
        assert!(!state.faults.panic_at_create, "a planted panic");
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if state.faults.room.is_some_and(|room| state.used_bytes() + length > room) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut inode = Inode::default();
        inode.write(&vec![0; index(length)], 0);
        // Zeros over zeros: a crash can only make the file shorter.
        inode.dirty.clear();
        state.take_descriptor()?;
        let id = state.inodes.len();
        state.inodes.push(inode);
        state.set_name(path, Some(id));
        Ok(Arc::new(SimFile { state: Arc::clone(&self.state), id, path: path.to_owned() }))
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state.lock();
        state.begin("open", path, 0, 0)?;
        let id = state.find(path)?;
        state.take_descriptor()?;
        Ok(Arc::new(SimFile { state: Arc::clone(&self.state), id, path: path.to_owned() }))
    }

    fn open_read_only(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.open(path)
    }

    fn map(&self, path: &str) -> io::Result<Arc<dyn Mapping>> {
        let file = self.open(path)?;
        let mut bytes = vec![0; index(file.length()?)];
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
        Ok(Box::new(SimLock { state: Arc::clone(&self.state) }))
    }

    fn lock_shared(&self, path: &str) -> io::Result<Option<Box<dyn DiskLock>>> {
        let mut state = self.state.lock();
        state.begin("lock_shared", path, 0, 0)?;
        match state.locked {
            true => Err(io::ErrorKind::WouldBlock.into()),
            false => Ok(Some(Box::new(SimSharedLock))),
        }
    }
}
