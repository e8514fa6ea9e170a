//! A disk whose reads can be held up, to see who waits for them.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use allsource_engine::platform::sim::SimDisk;
use allsource_engine::platform::{Disk, DiskFile, DiskLock, Mapping};

/// Holds up reads while it is closed.
#[derive(Default)]
pub struct Gate {
    state: Mutex<State>,
    opened: Condvar,
}

#[derive(Default)]
struct State {
    is_closed: bool,
    reads: usize,
    waiting: usize,
}

impl Gate {
    /// Holds up reads until the gate is opened or the returned guard is dropped: a failing test must not wait for them
    /// forever.
    #[must_use]
    pub fn close(self: &Arc<Self>) -> Closed {
        self.state().is_closed = true;
        Closed(Arc::clone(self))
    }

    /// Lets all reads continue.
    pub fn open(&self) {
        self.state().is_closed = false;
        self.opened.notify_all();
    }

    /// The number of waiting reads.
    pub fn waiting(&self) -> usize {
        self.state().waiting
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of the lock panics")
    }

    fn pass(&self) {
        let mut state = self.state();
        state.waiting += 1;
        state.reads += 1;
        state = self.opened.wait_while(state, |state| state.is_closed).expect("no holder of the lock panics");
        state.waiting -= 1;
    }
}

/// Opens the gate when it is dropped.
pub struct Closed(Arc<Gate>);

impl Drop for Closed {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// A simulated disk whose reads of open files pass through a gate.
#[derive(Clone)]
pub struct GatedDisk {
    disk: SimDisk,
    gate: Arc<Gate>,
}

impl GatedDisk {
    /// Puts a gate in front of a disk.
    pub fn new(disk: SimDisk) -> Self {
        Self { disk, gate: Arc::default() }
    }

    /// The gate.
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// How many reads there were.
    pub fn reads(&self) -> usize {
        self.gate.state().reads
    }

    fn gated(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(GatedFile { file, gate: Arc::clone(&self.gate) })
    }
}

struct GatedFile {
    file: Arc<dyn DiskFile>,
    gate: Arc<Gate>,
}

impl DiskFile for GatedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.gate.pass();
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.file.truncate(length)
    }
}

impl Disk for GatedDisk {
    fn create_dir(&self, dir: &str) -> io::Result<()> {
        self.disk.create_dir(dir)
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.disk.list(dir)
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }

    fn sync_parent(&self) -> io::Result<()> {
        self.disk.sync_parent()
    }

    fn lock_shared(&self, path: &str) -> io::Result<Option<Box<dyn DiskLock>>> {
        self.disk.lock_shared(path)
    }

    fn create(&self, path: &str, length: u64) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.gated(self.disk.create(path, length)?))
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.gated(self.disk.open(path)?))
    }

    fn open_read_only(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.gated(self.disk.open_read_only(path)?))
    }

    fn map(&self, path: &str) -> io::Result<Arc<dyn Mapping>> {
        self.disk.map(path)
    }

    fn open_past_cache(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.gated(self.disk.open_past_cache(path)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn lock(&self, path: &str) -> io::Result<Box<dyn DiskLock>> {
        self.disk.lock(path)
    }
}
