//! One simulated file: its bytes on the medium, and those only in the cache.

use std::collections::BTreeSet;

use super::fault::Seeded;
use crate::number::index;

/// The unit that a disk writes atomically.
pub const SECTOR_BYTES: usize = 512;

/// A file's bytes as readers see them and as a crash would leave them.
#[derive(Debug, Clone, Default)]
pub(super) struct Inode {
    /// What a read returns.
    pub(super) cached: Vec<u8>,
    /// What is on the medium for certain.
    pub(super) durable: Vec<u8>,
    /// Sectors that differ, or may differ, between the two.
    pub(super) dirty: BTreeSet<usize>,
}

impl Inode {
    pub(super) fn write(&mut self, bytes: &[u8], offset: usize) {
        let end = offset + bytes.len();
        if end > self.cached.len() {
            self.cached.resize(end, 0);
        }
        let (_, place) = self.cached.split_at_mut(offset);
        place.split_at_mut(bytes.len()).0.copy_from_slice(bytes);
        self.dirty.extend(offset / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES));
    }

    pub(super) fn sync(&mut self) {
        if self.durable.len() == self.cached.len() {
            for sector in std::mem::take(&mut self.dirty) {
                copy_sector(&self.cached, &mut self.durable, sector);
            }
        } else {
            self.durable.clone_from(&self.cached);
            self.dirty.clear();
        }
    }

    /// A sync that failed: the pages count as clean, and a later sync will not write them.
    pub(super) fn forget_dirty(&mut self) {
        self.dirty.clear();
    }

    pub(super) fn truncate(&mut self, length: usize) {
        self.cached.resize(length, 0);
        self.dirty.retain(|sector| sector * SECTOR_BYTES < length);
    }

    /// What is left after a crash: each dirty sector for which `keep` says so, and either length.
    pub(super) fn crash(&mut self, keep: &mut dyn FnMut(usize) -> bool, random: &mut Seeded) {
        let mut left = std::mem::take(&mut self.durable);
        let (old, new) = (left.len(), self.cached.len());
        let length = if old == new { new } else { old.min(new) + sectors_between(old, new, random) };
        left.resize(length.min(old.max(new)), 0);
        for sector in std::mem::take(&mut self.dirty) {
            if keep(sector) {
                copy_sector(&self.cached, &mut left, sector);
            }
        }
        self.durable.clone_from(&left);
        self.cached = left;
    }
}

/// Some whole number of sectors, in bytes, between two lengths.
fn sectors_between(one: usize, other: usize, random: &mut Seeded) -> usize {
    let sectors = one.abs_diff(other).div_ceil(SECTOR_BYTES) as u64;
    index(random.below(sectors + 1)) * SECTOR_BYTES
}

fn copy_sector(from: &[u8], to: &mut [u8], sector: usize) {
    let start = sector * SECTOR_BYTES;
    let end = (start + SECTOR_BYTES).min(from.len()).min(to.len());
    if let (Some(from), Some(to)) = (from.get(start..end), to.get_mut(start..end)) {
        to.copy_from_slice(from);
    }
}
