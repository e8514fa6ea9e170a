//! Appends that wait for the sequencer, in order of arrival and bounded in bytes.

use std::collections::VecDeque;
use std::time::Duration;

use allsource_format::frame;
use parking_lot::{Condvar, Mutex};

use super::prepared::Request;
use crate::error::AppendError;

/// Bounds of one round.
const ROUND_BYTES_MAX: usize = 4 << 20;
const ROUND_APPENDS_MAX: usize = 8192;

/// A round of at least this many bytes is built while the previous one is still being synced. A smaller one waits until
/// the disk is idle, so that later appends share its sync.
const EARLY_ROUND_BYTES: usize = 128 << 10;

#[derive(Default)]
struct Waiting {
    requests: VecDeque<Request>,
    bytes: usize,
    /// No round is on its way to the disk.
    is_disk_idle: bool,
    /// The tail must be frozen after the next round.
    is_freeze_asked: bool,
    closed: bool,
}

impl Waiting {
    fn is_round_due(&self) -> bool {
        let is_enough = self.is_disk_idle || self.bytes >= EARLY_ROUND_BYTES;
        self.closed || self.is_freeze_asked || is_enough && !self.requests.is_empty()
    }
}

/// The only place where appends wait.
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    due: Condvar,
    bytes_max: usize,
}

impl Queue {
    pub(crate) fn bounded(bytes_max: usize) -> Self {
        Self { waiting: Mutex::default(), due: Condvar::new(), bytes_max }
    }

    /// Adds a request. An empty queue accepts a request of any size.
    pub(crate) fn push(&self, request: Request) -> Result<(), AppendError> {
        let mut waiting = self.waiting.lock();
        if waiting.closed {
            return Err(AppendError::Fenced("the store is closed".to_owned()));
        }
        let bytes = request.bytes.len();
        assert!(bytes > 0, "an empty batch is refused before it comes here");
        if waiting.bytes > 0 && waiting.bytes + bytes > self.bytes_max {
            return Err(AppendError::Overloaded);
        }
        waiting.bytes += bytes;
        waiting.requests.push_back(request);
        let is_due = waiting.is_round_due();
        drop(waiting);
        if is_due {
            self.due.notify_one();
        }
        Ok(())
    }

    /// Takes what fits into one round of at most `room` bytes, at least one request if there is any. Returns the
    /// bytes of their frames.
    pub(crate) fn drain(&self, room: usize, requests: &mut Vec<Request>) -> usize {
        let bytes_max = room.min(ROUND_BYTES_MAX);
        let mut waiting = self.waiting.lock();
        let mut frames = 0;
        while let Some(next) = waiting.requests.front() {
            let length = frame::length(next.bytes.len());
            if frames > 0 && (frames + length > bytes_max || requests.len() == ROUND_APPENDS_MAX) {
                break;
            }
            frames += length;
            assert!(waiting.bytes >= next.bytes.len(), "the bytes of every waiting request are counted");
            waiting.bytes -= next.bytes.len();
            requests.extend(waiting.requests.pop_front());
        }
        assert_eq!(
            waiting.requests.is_empty(),
            waiting.bytes == 0,
            "bytes are counted if and only if requests wait"
        );
        assert!(frames <= bytes_max || requests.len() == 1, "only a single request may exceed the room");
        frames
    }

    /// Waits until a round is due, at most `timeout` if given. False: the queue is closed and empty.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> bool {
        let mut waiting = self.waiting.lock();
        while !waiting.is_round_due() {
            match timeout {
                None => self.due.wait(&mut waiting),
                Some(timeout) => {
                    if self.due.wait_for(&mut waiting, timeout).timed_out() {
                        break;
                    }
                }
            }
        }
        !(waiting.requests.is_empty() && waiting.closed)
    }

    /// The disk is idle: all waiting requests are due.
    pub(crate) fn disk_is_idle(&self) {
        let mut waiting = self.waiting.lock();
        waiting.is_disk_idle = true;
        let is_due = waiting.is_round_due();
        drop(waiting);
        if is_due {
            self.due.notify_one();
        }
    }

    /// Requests that the tail be frozen after the next round.
    pub(crate) fn ask_freeze(&self) {
        self.waiting.lock().is_freeze_asked = true;
        self.due.notify_one();
    }

    /// Whether the tail must be frozen; clears the request.
    pub(crate) fn take_freeze(&self) -> bool {
        std::mem::take(&mut self.waiting.lock().is_freeze_asked)
    }

    /// A round is on its way to the disk.
    pub(crate) fn disk_is_busy(&self) {
        self.waiting.lock().is_disk_idle = false;
    }

    /// Closes the queue to new requests.
    pub(crate) fn close(&self) {
        self.waiting.lock().closed = true;
        self.due.notify_all();
    }

    /// Closes the queue and drops all waiting requests.
    pub(crate) fn abandon(&self) {
        let mut waiting = self.waiting.lock();
        waiting.closed = true;
        waiting.bytes = 0;
        let requests = std::mem::take(&mut waiting.requests);
        drop(waiting);
        self.due.notify_all();
        drop(requests);
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.lock().requests.is_empty()
    }

    /// Bytes that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.waiting.lock().bytes
    }
}

#[cfg(test)]
mod tests;
