//! Why a round was not committed, and what follows from it.

use std::io;

use parking_lot::Mutex;

use crate::error::AppendError;
use crate::journal::refusal;
use crate::sequencer::Checkpoint;

/// Why a round was not committed.
pub(super) enum Failure {
    /// No part of it can become visible. Its appends are refused, and the store continues by itself.
    Refused(AppendError),
    /// Its bytes may be in the file until zeros replace them; after a crash before that, recovery may accept them. The
    /// store continues once it has written the zeros.
    Unclean(io::Error),
    /// What is on the disk is unknown: nothing more is written.
    Fatal(io::Error),
}

impl Failure {
    /// A failure after which nothing of the round is on the disk.
    pub(super) fn refused(error: &io::Error) -> Self {
        Self::Refused(refusal(error))
    }

    /// A failure to clear the bytes of an earlier round, as a failure of the next one.
    pub(super) fn before_write(self) -> Self {
        match self {
            Self::Unclean(error) => Self::refused(&error),
            other => other,
        }
    }
}

#[derive(Debug, Default)]
struct State {
    count: u64,
    reason: Option<AppendError>,
    checkpoint: Option<Checkpoint>,
    is_refusing: bool,
}

/// Rounds that were refused after they had been built. Rounds built on them are refused too, and the sequencer rewinds
/// to the end of the log.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<State>);

impl Refusals {
    /// A round was refused; the log ends at the checkpoint.
    pub(super) fn refuse(&self, reason: AppendError, checkpoint: Checkpoint) {
        let mut state = self.0.lock();
        state.count += 1;
        state.reason = Some(reason);
        state.checkpoint = Some(checkpoint);
        state.is_refusing = true;
    }

    /// A round was committed.
    pub(super) fn accept(&self) {
        self.0.lock().is_refusing = false;
    }

    /// Why a round is refused that was built after `count` refusals; `None`: there were none since.
    pub(super) fn since(&self, count: u64) -> Option<AppendError> {
        let state = self.0.lock();
        assert!(count <= state.count, "a round knows no refusal that has not happened");
        state.reason.clone().filter(|_| count < state.count)
    }

    /// The number of refusals and where the log ends, if there are more than `count`.
    pub(crate) fn checkpoint_since(&self, count: u64) -> Option<(u64, Checkpoint)> {
        let state = self.0.lock();
        assert!(count <= state.count, "the sequencer knows no refusal that has not happened");
        let checkpoint = state.checkpoint.clone().filter(|_| count < state.count)?;
        Some((state.count, checkpoint))
    }

    /// Why the last round was refused, unless one was committed since.
    pub(crate) fn current(&self) -> Option<AppendError> {
        let state = self.0.lock();
        state.reason.clone().filter(|_| state.is_refusing)
    }
}
