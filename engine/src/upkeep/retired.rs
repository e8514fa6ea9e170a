//! What readers see no more, held until nobody else does: so that files are removed, and the memory of a tail is given
//! back, in the thread of upkeep and not in that of the last reader.

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
    /// Takes a generation that another one holds the events of.
    pub(crate) fn generation(&self, generation: Arc<Generation>) {
        self.generations.lock().push(generation);
    }

    /// Takes a tail that was sealed.
    pub(crate) fn tail(&self, tail: Arc<Tail>) {
        self.tails.lock().push(tail);
    }

    /// Lets go of what nobody reads any more. False: there is nothing like that.
    pub(crate) fn reclaim(&self) -> bool {
        let (generations, tails) = (unread(&self.generations), unread(&self.tails));
        !generations.is_empty() || !tails.is_empty()
    }
}

/// Takes out what only this list holds; nobody can come to hold it again.
fn unread<T>(list: &Mutex<Vec<Arc<T>>>) -> Vec<Arc<T>> {
    list.lock().extract_if(.., |item| Arc::strong_count(item) == 1).collect()
}
