//! The simulated disk's open files, mappings and locks.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use super::fault::Faults;
use super::state::{InodeId, State, eio};
use crate::number::index;
use crate::platform::disk::{DiskFile, DiskLock, Mapping, Whereabouts};

pub(super) struct SimLock {
    pub(super) state: Arc<Mutex<State>>,
}

impl DiskLock for SimLock {
    fn whereabouts(&self) -> io::Result<Whereabouts> {
        Ok(Whereabouts::InPlace)
    }
}

/// A lock that lets other readers in. The simulated machine has one process at a time that writes.
pub(super) struct SimSharedLock;

impl DiskLock for SimSharedLock {
    fn whereabouts(&self) -> io::Result<Whereabouts> {
        Ok(Whereabouts::InPlace)
    }
}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.state.lock().locked = false;
    }
}

/// The bytes as they were when they were mapped; zeros, if some of them could not be read.
pub(super) struct SimMapping {
    pub(super) bytes: Vec<u8>,
    pub(super) has_faulted: bool,
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

pub(super) struct SimFile {
    pub(super) state: Arc<Mutex<State>>,
    pub(super) id: InodeId,
    pub(super) path: String,
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let mut state = self.state.lock();
        assert!(state.open_files > 0, "open files are counted");
        state.open_files -= 1;
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut state = self.state.lock();
        state.begin("read", &self.path, offset, buffer.len())?;
        let (error_rate, flip_rate) = (state.faults.read_error, state.faults.read_flip);
        let is_readable = state.is_readable(&self.path, &(offset..offset + buffer.len() as u64));
        if !is_readable || state.fails(error_rate) {
            return Err(eio());
        }
        let start = index(offset);
        let length = buffer.len();
        let bytes = state.inode(self.id)?.cached.get(start..start.saturating_add(length));
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        if state.fails(flip_rate) {
            let bit = index(state.random.below(length as u64 * 8));
            if let Some(byte) = buffer.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
        }
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.state.lock();
        let outage = state.begin("write", &self.path, offset, bytes.len());
        let Faults { write_error, full_write, misdirected_write, lost_write, room, .. } = state.faults;
        let start = index(offset);
        let grown = (offset + bytes.len() as u64).saturating_sub(state.inode(self.id)?.cached.len() as u64);
        if grown > 0 && room.is_some_and(|room| state.used_bytes() + grown > room) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let is_full = outage.is_ok() && state.fails(full_write);
        if outage.is_err() || is_full || state.fails(write_error) {
            // The part that was written is in the cache; a crash then decides sector by sector.
            let part = index(state.random.below(bytes.len() as u64 + 1));
            state.inode(self.id)?.write(bytes.split_at(part).0, start);
            let error = if is_full { io::ErrorKind::StorageFull.into() } else { eio() };
            return Err(outage.err().unwrap_or(error));
        }
        if state.fails(lost_write) {
            return Ok(());
        }
        let start = if state.fails(misdirected_write) { start.saturating_sub(4096) } else { start };
        state.inode(self.id)?.write(bytes, start);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state.lock();
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
        let mut state = self.state.lock();
        state.begin("length", &self.path, 0, 0)?;
        Ok(state.inode(self.id)?.cached.len() as u64)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let mut state = self.state.lock();
        state.begin("truncate", &self.path, length, 0)?;
        state.inode(self.id)?.truncate(index(length));
        Ok(())
    }
}
