//! Appends that wait for the sequencer: bounded by bytes, in the order they came.

use std::collections::VecDeque;
use std::time::Duration;

use allsource_format::frame;
use parking_lot::{Condvar, Mutex};

use super::prepared::Request;
use crate::error::AppendError;

/// Bounds of one round.
const ROUND_BYTES_MAX: usize = 4 << 20;
const ROUND_APPENDS_MAX: usize = 8192;

#[derive(Default)]
struct Waiting {
    requests: VecDeque<Request>,
    bytes: usize,
    closed: bool,
}

/// The one place where appends wait.
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    bytes_max: usize,
}

impl Queue {
    pub(crate) fn bounded(bytes_max: usize) -> Self {
        Self { waiting: Mutex::default(), arrived: Condvar::new(), bytes_max }
    }

    /// Adds a request. One alone is never too much.
    pub(crate) fn push(&self, request: Request) -> Result<(), AppendError> {
        let mut waiting = self.waiting.lock();
        if waiting.closed {
            return Err(AppendError::Fenced("the store is closed".to_owned()));
        }
        let bytes = request.bytes.len();
        if waiting.bytes > 0 && waiting.bytes + bytes > self.bytes_max {
            return Err(AppendError::Overloaded);
        }
        waiting.bytes += bytes;
        waiting.requests.push_back(request);
        drop(waiting);
        self.arrived.notify_one();
        Ok(())
    }

    /// Takes what fits into one round, at least one request if there is any. Returns the bytes of their frames.
    pub(crate) fn drain(&self, requests: &mut Vec<Request>) -> usize {
        let mut waiting = self.waiting.lock();
        let mut frames = 0;
        while let Some(next) = waiting.requests.front() {
            let length = frame::length(next.bytes.len());
            if frames > 0 && (frames + length > ROUND_BYTES_MAX || requests.len() == ROUND_APPENDS_MAX) {
                break;
            }
            frames += length;
            waiting.bytes -= next.bytes.len();
            requests.extend(waiting.requests.pop_front());
        }
        frames
    }

    /// Waits for a request, at most `timeout` if given. False: there will be no more, and none waits.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> bool {
        let mut waiting = self.waiting.lock();
        while waiting.requests.is_empty() && !waiting.closed {
            match timeout {
                None => self.arrived.wait(&mut waiting),
                Some(timeout) => {
                    self.arrived.wait_for(&mut waiting, timeout);
                    return !(waiting.requests.is_empty() && waiting.closed);
                }
            }
        }
        !(waiting.requests.is_empty() && waiting.closed)
    }

    /// Takes no more requests.
    pub(crate) fn close(&self) {
        self.waiting.lock().closed = true;
        self.arrived.notify_all();
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
