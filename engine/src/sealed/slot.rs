//! A cache of open sealed files: the most recently used, within a budget. A reader holds a reference to its file, so
//! closing never interrupts it; the next reader opens the file again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, RwLock};

use super::file::SealedFile;
use crate::error::ReadError;

/// The slot of one file; empty while the file is closed.
#[derive(Default)]
pub(crate) struct Slot {
    file: RwLock<Option<Arc<SealedFile>>>,
    /// Time of last use: twice the number of openings by then, plus 1 if it was already open.
    used: AtomicU64,
}

/// The filled slots, and how many may be filled.
pub(crate) struct OpenFiles {
    most: usize,
    openings: AtomicU64,
    filled: Mutex<Vec<Weak<Slot>>>,
}

impl Slot {
    fn hit(&self, now: u64) -> Option<Arc<SealedFile>> {
        let file = self.file.read().clone()?;
        // Time is counted in openings, so hits write to shared memory only once per opening. A file hit since the last
        // opening counts as newer than the file that it opened.
        if self.used.load(Ordering::Relaxed) <= 2 * now {
            self.used.store(2 * now + 1, Ordering::Relaxed);
        }
        Some(file)
    }

    /// Closes the file. The next reader opens the file that then has the name.
    pub(crate) fn close(&self) {
        let closed = self.file.write().take();
        drop(closed);
    }
}

impl OpenFiles {
    /// At most this many files stay open, each with a descriptor or a mapping.
    pub(crate) fn at_most(most: usize) -> Self {
        assert!(most > 0, "reading a file takes one open file");
        Self { most, openings: AtomicU64::new(0), filled: Mutex::default() }
    }

    /// The file of a slot, opened if it is closed. Failures are not cached: they may pass.
    pub(crate) fn file(
        &self,
        slot: &Arc<Slot>,
        open: impl Fn() -> Result<SealedFile, ReadError>,
    ) -> Result<Arc<SealedFile>, ReadError> {
        if let Some(file) = slot.hit(self.openings.load(Ordering::Relaxed)) {
            return Ok(file);
        }
        self.close_all_but(self.most - 1);
        let opened = match open() {
            // The system may allow fewer open files than the budget: give half of them back.
            Err(ReadError::Unavailable(_)) => {
                self.close_all_but(self.len() / 2);
                open()
            }
            opened => opened,
        };
        let file = Arc::new(opened?);
        slot.used.store(2 * (self.openings.fetch_add(1, Ordering::Relaxed) + 1), Ordering::Relaxed);
        let mut place = slot.file.write();
        let is_first = place.is_none();
        let file = Arc::clone(place.get_or_insert(file));
        drop(place);
        if is_first {
            let (mut filled, slot) = (self.filled.lock(), Arc::downgrade(slot));
            // `Slot::close` leaves the slot in the list.
            if !filled.iter().any(|known| known.ptr_eq(&slot)) {
                filled.push(slot);
            }
        }
        Ok(file)
    }

    /// How many files are open.
    pub(crate) fn len(&self) -> usize {
        let mut filled = self.filled.lock();
        filled.retain(is_filled);
        filled.len()
    }

    /// Closes the least recently used files.
    fn close_all_but(&self, kept: usize) {
        let mut filled = self.filled.lock();
        if filled.len() <= kept {
            return;
        }
        filled.retain(is_filled);
        // Slots of files that are gone do not count.
        let surplus = filled.len().saturating_sub(kept);
        let used = |slot: &Weak<Slot>| slot.upgrade().map_or(0, |slot| slot.used.load(Ordering::Relaxed));
        filled.sort_by_cached_key(used);
        let closed: Vec<_> = filled.drain(..surplus).collect();
        drop(filled);
        closed.iter().filter_map(Weak::upgrade).for_each(|slot| slot.close());
    }
}

fn is_filled(slot: &Weak<Slot>) -> bool {
    slot.upgrade().is_some_and(|slot| slot.file.read().is_some())
}

#[cfg(test)]
mod tests;
