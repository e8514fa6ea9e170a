//! Why a round was not made true, and what follows from it.

use std::io;

use parking_lot::Mutex;

use crate::error::AppendError;
use crate::journal::refusal;
use crate::sequencer::Checkpoint;

/// Why a round was not made true.
pub(super) enum Failure {
    /// Nothing of it can ever count. Its appends are refused, and the store goes on by itself.
    Refused(AppendError),
    /// Bytes of it may be in the file until zeros have replaced them; if a crash comes first, they may count. The store
    /// goes on by itself once it has written the zeros.
    Unclean(io::Error),
    /// Nobody knows what is on the disk: nothing more is written.
    Fatal(io::Error),
}

impl Failure {
    /// A failure after which nothing of the round is on the disk.
    pub(super) fn refused(error: &io::Error) -> Self {
        Self::Refused(refusal(error))
    }

    /// What the failure to clean up after an earlier round means for one that was not begun.
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

/// Rounds that were refused after they had been built. Whatever was built on one of them is refused with it, and the
/// sequencer goes back to where the log really ends.
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

    /// A round was made true.
    pub(super) fn accept(&self) {
        self.0.lock().is_refusing = false;
    }

    /// Why a round is refused that was built when so many had been.
    pub(super) fn since(&self, count: u64) -> Option<AppendError> {
        let state = self.0.lock();
        assert!(count <= state.count, "a round knows no refusal that has not happened");
        state.reason.clone().filter(|_| count < state.count)
    }

    /// Where the sequencer goes on if it knows of so many refusals, and how many there are.
    pub(crate) fn checkpoint_since(&self, count: u64) -> Option<(u64, Checkpoint)> {
        let state = self.0.lock();
        assert!(count <= state.count, "the sequencer knows no refusal that has not happened");
        let checkpoint = state.checkpoint.clone().filter(|_| count < state.count)?;
        Some((state.count, checkpoint))
    }

    /// Why the last round was refused, unless one was made true since.
    pub(crate) fn current(&self) -> Option<AppendError> {
        let state = self.0.lock();
        state.reason.clone().filter(|_| state.is_refusing)
    }
}
