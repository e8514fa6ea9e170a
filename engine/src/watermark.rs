//! The watermark: the highest position that is durable. Nothing above it is visible to anybody.

use std::task::Waker;
use std::time::Duration;

use crate::platform::sync::{AtomicU64, Condvar, Mutex, Ordering};

/// The highest visible position, and those who wait for it to rise.
#[derive(Debug, Default)]
pub(crate) struct Watermark {
    position: AtomicU64,
    waiting: Mutex<Waiting>,
    risen: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    wakers: Vec<Waker>,
    closed: bool,
}

impl Watermark {
    /// The highest visible position; 0: there is none.
    pub(crate) fn position(&self) -> u64 {
        self.position.load(Ordering::Acquire)
    }

    /// Makes everything up to `position` visible and wakes those who wait.
    pub(crate) fn publish(&self, position: u64) {
        let before = self.position.swap(position, Ordering::AcqRel);
        assert!(before <= position, "the watermark never falls");
        // Taking the lock orders this with a waiter that has looked and is about to sleep.
        let wakers = std::mem::take(&mut self.waiting.lock().wakers);
        self.risen.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Wakes everyone for good: nothing will be published any more.
    pub(crate) fn close(&self) {
        let mut waiting = self.waiting.lock();
        waiting.closed = true;
        let wakers = std::mem::take(&mut waiting.wakers);
        drop(waiting);
        self.risen.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Whether nothing will be published any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.waiting.lock().closed
    }

    /// Waits at most `timeout` for the watermark to rise above `seen`. True: it has.
    pub(crate) fn wait_above(&self, seen: u64, timeout: Duration) -> bool {
        let mut waiting = self.waiting.lock();
        if self.position() <= seen && !waiting.closed {
            self.risen.wait_for(&mut waiting, timeout);
        }
        self.position() > seen
    }

    /// True when the watermark is above `seen` or never will be; otherwise `waker` is woken at the next rise.
    pub(crate) fn poll_above(&self, seen: u64, waker: &Waker) -> bool {
        let mut waiting = self.waiting.lock();
        if self.position() > seen || waiting.closed {
            return true;
        }
        if !waiting.wakers.iter().any(|known| known.will_wake(waker)) {
            waiting.wakers.push(waker.clone());
        }
        false
    }
}

#[cfg(all(test, interleave))]
mod tests;
