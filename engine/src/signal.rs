//! Signals between threads.

use std::sync::Arc;
use std::task::Wake;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// Raised by some threads and awaited by others. It stays raised until a wait consumes it.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    state: Mutex<State>,
    raised: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_raised: bool,
    is_stopped: bool,
}

impl Signal {
    /// Raises the signal.
    pub(crate) fn raise(&self) {
        self.state.lock().is_raised = true;
        self.raised.notify_all();
    }

    /// Waits until the signal is raised, at most `timeout`, and consumes it. False: the signal is stopped.
    pub(crate) fn wait(&self, timeout: Duration) -> bool {
        let mut state = self.state.lock();
        if !state.is_raised && !state.is_stopped {
            self.raised.wait_for(&mut state, timeout);
        }
        state.is_raised = false;
        !state.is_stopped
    }

    /// Releases all waiting threads, for good.
    pub(crate) fn stop(&self) {
        self.state.lock().is_stopped = true;
        self.raised.notify_all();
    }
}

/// A waker for a thread that waits.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    is_rung: Mutex<bool>,
    rung: Condvar,
}

impl Alarm {
    /// Waits at most `timeout` for it to ring. True: it rang since the last wait.
    pub(crate) fn wait(&self, timeout: Duration) -> bool {
        let mut is_rung = self.is_rung.lock();
        if !*is_rung {
            self.rung.wait_for(&mut is_rung, timeout);
        }
        std::mem::take(&mut is_rung)
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        *self.is_rung.lock() = true;
        self.rung.notify_all();
    }
}
