//! The watermark: the highest visible position. No reader sees an event above it.

use std::time::Duration;

use crate::platform::sync::{AtomicU64, Condvar, Mutex, Ordering};

/// The highest visible position, and a place to wait for it to rise.
///
/// Only the notifier sleeps here, so the committer wakes at most one thread: subscribers wait in
/// [`Subscribers`](crate::subscribers::Subscribers).
#[derive(Debug, Default)]
pub(crate) struct Watermark {
    position: AtomicU64,
    waiting: Mutex<Waiting>,
    risen: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    sleepers: usize,
    is_closed: bool,
}

impl Watermark {
    /// The highest visible position; 0: there is none.
    pub(crate) fn position(&self) -> u64 {
        self.position.load(Ordering::Acquire)
    }

    /// Makes everything up to `position` visible and wakes the threads that sleep in [`Self::wait_above`].
    pub(crate) fn publish(&self, position: u64) {
        let before = self.position.swap(position, Ordering::AcqRel);
        assert!(before <= position, "the watermark never falls");
        // A waiter that has read the old position holds the lock until it sleeps, so this wakes it.
        let sleepers = self.waiting.lock().sleepers;
        if sleepers > 0 {
            self.risen.notify_all();
        }
    }

    /// Marks the end of publishing: wakes every sleeper for good.
    pub(crate) fn close(&self) {
        self.waiting.lock().is_closed = true;
        self.risen.notify_all();
    }

    /// Whether nothing will be published any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.waiting.lock().is_closed
    }

    /// Waits at most `timeout` for the watermark to rise above `seen`. True: it has.
    pub(crate) fn wait_above(&self, seen: u64, timeout: Duration) -> bool {
        let mut waiting = self.waiting.lock();
        if self.position() <= seen && !waiting.is_closed {
            waiting.sleepers += 1;
            self.risen.wait_for(&mut waiting, timeout);
            assert!(waiting.sleepers > 0, "a sleeper is counted until it wakes");
            waiting.sleepers -= 1;
        }
        self.position() > seen
    }
}

#[cfg(all(test, interleave))]
mod tests;
