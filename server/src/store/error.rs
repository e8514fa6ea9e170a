//! Errors of the store.

use allsource_engine::error::{FoldError, ReadError};

use crate::problem::{Kind, Problem};

/// Why the store gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The state cannot be folded.
    #[error(transparent)]
    Fold(#[from] FoldError),
    /// The server is stopping and starts no more work.
    #[error("the server is stopping")]
    Stopping,
    /// The caller has gone.
    #[error("the caller has gone")]
    Cancelled,
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Read(error) => error.into(),
            Error::Fold(error) => error.into(),
            Error::Stopping | Error::Cancelled => Self::new(Kind::STOPPING, error.to_string()),
        }
    }
}
