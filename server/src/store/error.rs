//! Errors of the store.

use allsource_engine::error::{FoldError, ReadError};

use crate::budget::Exhausted;
use crate::problem::{Kind, Problem};

const TOO_LARGE: &str =
    "the state is larger than the memory budget allows; raise memory_bytes, or read its events";
const NO_ROOM: &str = "other requests use the server's whole memory budget";

/// Why the store gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The state cannot be folded.
    #[error(transparent)]
    Fold(#[from] FoldError),
    /// The memory budget has no room for the state; it is larger than the whole budget if `is_too_large`.
    #[error("{}", if *is_too_large { TOO_LARGE } else { NO_ROOM })]
    NoRoom {
        /// Whether it can never fit.
        is_too_large: bool,
    },
    /// The server is stopping and starts no more work.
    #[error("the server is stopping")]
    Stopping,
    /// The caller has gone.
    #[error("the caller has gone")]
    Cancelled,
}

impl From<Exhausted> for Error {
    fn from(_: Exhausted) -> Self {
        Self::NoRoom { is_too_large: false }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Read(error) => error.into(),
            Error::Fold(error) => error.into(),
            Error::NoRoom { is_too_large: true } => Self::new(Kind::TOO_LARGE, error.to_string()),
            Error::NoRoom { is_too_large: false } => Exhausted.into(),
            Error::Stopping | Error::Cancelled => Self::new(Kind::STOPPING, error.to_string()),
        }
    }
}
