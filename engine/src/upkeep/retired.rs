//! Replaced generations and tails, held until their last reader is gone. This way the thread of upkeep removes files and
//! frees memory, not the thread of a reader.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::generation::Generation;
use crate::tail::Tail;

/// Generations that were merged, and tails that were sealed.
#[derive(Default)]
pub(crate) struct Retired {
    generations: Mutex<Vec<Arc<Generation>>>,
    tails: Mutex<Vec<Arc<Tail>>>,
}

impl Retired {
    /// Takes a generation that was merged into another one.
    pub(crate) fn generation(&self, generation: Arc<Generation>) {
        self.generations.lock().push(generation);
    }

    /// Takes a tail that was sealed.
    pub(crate) fn tail(&self, tail: Arc<Tail>) {
        self.tails.lock().push(tail);
    }

    /// Drops everything that no reader holds. False: there is nothing to drop.
    pub(crate) fn reclaim(&self) -> bool {
        let (generations, tails) = (unread(&self.generations), unread(&self.tails));
        !generations.is_empty() || !tails.is_empty()
    }
}

/// Takes out the items that only this list holds: no new reader can reach them.
fn unread<T>(list: &Mutex<Vec<Arc<T>>>) -> Vec<Arc<T>> {
    list.lock().extract_if(.., |item| Arc::strong_count(item) == 1).collect()
}
