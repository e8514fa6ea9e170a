//! Hands rounds from the sequencer to the committer. It holds one at a time, so that exactly one round is built while
//! another is synced.

use std::time::Duration;

use crate::platform::sync::{Condvar, Mutex};

/// A place for one value between two threads.
#[derive(Debug)]
pub(crate) struct Handoff<T> {
    slot: Mutex<Slot<T>>,
    filled: Condvar,
    emptied: Condvar,
}

#[derive(Debug)]
struct Slot<T> {
    value: Option<T>,
    closed: bool,
}

impl<T> Default for Handoff<T> {
    fn default() -> Self {
        let slot = Mutex::new(Slot { value: None, closed: false });
        Self { slot, filled: Condvar::default(), emptied: Condvar::default() }
    }
}

/// The result of taking a value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken<T> {
    /// A value.
    Value(T),
    /// Nothing within the time.
    Nothing,
    /// Nothing, and nothing will follow.
    Closed,
}

impl<T> Handoff<T> {
    /// Puts a value in once the place is free; drops it if the handoff is closed.
    pub(crate) fn put(&self, value: T) {
        let mut slot = self.slot.lock();
        while slot.value.is_some() && !slot.closed {
            self.emptied.wait(&mut slot);
        }
        if slot.closed {
            return;
        }
        slot.value = Some(value);
        drop(slot);
        self.filled.notify_one();
    }

    /// Takes the value, waiting for it; at most `timeout` if given.
    pub(crate) fn take(&self, timeout: Option<Duration>) -> Taken<T> {
        let mut slot = self.slot.lock();
        loop {
            if let Some(value) = slot.value.take() {
                drop(slot);
                self.emptied.notify_one();
                return Taken::Value(value);
            }
            if slot.closed {
                return Taken::Closed;
            }
            match timeout {
                None => self.filled.wait(&mut slot),
                Some(timeout) => {
                    self.filled.wait_for(&mut slot, timeout);
                    if slot.value.is_none() && !slot.closed {
                        return Taken::Nothing;
                    }
                }
            }
        }
    }

    /// Takes the value if there is one.
    pub(crate) fn try_take(&self) -> Option<T> {
        let taken = self.slot.lock().value.take();
        if taken.is_some() {
            self.emptied.notify_one();
        }
        taken
    }

    /// Whether the place is free.
    pub(crate) fn is_free(&self) -> bool {
        self.slot.lock().value.is_none()
    }

    /// No more values will come.
    pub(crate) fn close(&self) {
        self.slot.lock().closed = true;
        self.filled.notify_all();
        self.emptied.notify_all();
    }
}

#[cfg(all(test, interleave))]
mod tests;
