//! Why the store gave no answer.

use allsource_engine::error::{FoldError, ReadError};

use crate::problem::{Kind, Problem};

/// Why the store gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// What was asked for cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The state that was asked for cannot be folded.
    #[error(transparent)]
    Fold(#[from] FoldError),
    /// The server ends, and begins no more work.
    #[error("the server is stopping")]
    Stopping,
    /// Nobody waits for the answer any more.
    #[error("nobody waits for the answer")]
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
