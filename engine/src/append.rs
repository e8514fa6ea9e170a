//! Appends in progress: prepared by the caller, answered once they are durable.

mod sameness;
mod prepared;
mod steps;
mod queue;

use std::pin::Pin;
use std::task::{Context, Poll};

use crate::batch::Commit;
use crate::error::AppendError;

pub(crate) use prepared::{Accepts, PreparedEvent, PreparedPart, Request, encoded_of, record_of};
pub(crate) use queue::Queue;
pub use steps::{LookUp, Prepared, Ready};

/// The outcome of an append.
pub(crate) type Answer = Result<Commit, AppendError>;
/// The channel for the outcome of an append.
pub(crate) type Reply = oneshot::Sender<Answer>;

/// An append whose outcome is not known yet. Block on it with [`Append::wait`], or await it.
///
/// Dropping it does not cancel the append.
#[must_use = "an append is only known to have succeeded once its handle says so"]
#[derive(Debug)]
pub struct Append {
    state: Result<oneshot::Receiver<Answer>, AppendError>,
}

impl Append {
    /// An append that was refused before it was enqueued.
    pub(crate) fn refused(error: AppendError) -> Self {
        Self { state: Err(error) }
    }

    pub(crate) fn waiting(receiver: oneshot::Receiver<Answer>) -> Self {
        Self { state: Ok(receiver) }
    }

    /// Blocks until the outcome is known.
    ///
    /// # Errors
    /// When the append was refused, or its outcome is unknown.
    pub fn wait(self) -> Result<Commit, AppendError> {
        self.state?.recv().unwrap_or_else(|_| Err(never_answered()))
    }

    /// The outcome if it is known already.
    ///
    /// # Errors
    /// Returns the handle while the outcome is not known.
    pub fn try_wait(self) -> Result<Answer, Self> {
        match self.state {
            Err(error) => Ok(Err(error)),
            Ok(receiver) => match receiver.try_recv() {
                Ok(answer) => Ok(answer),
                Err(oneshot::TryRecvError::Disconnected) => Ok(Err(never_answered())),
                Err(oneshot::TryRecvError::Empty) => Err(Self { state: Ok(receiver) }),
            },
        }
    }
}

impl IntoFuture for Append {
    type Output = Answer;
    type IntoFuture = AppendFuture;

    fn into_future(self) -> AppendFuture {
        AppendFuture { state: self.state.map(IntoFuture::into_future).map_err(Some) }
    }
}

/// The future of an [`Append`].
#[derive(Debug)]
pub struct AppendFuture {
    state: Result<oneshot::AsyncReceiver<Answer>, Option<AppendError>>,
}

impl Future for AppendFuture {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        match &mut self.state {
            Err(error) =>
            {
                #[expect(clippy::expect_used, reason = "polling a completed future is a bug of the caller")]
                Poll::Ready(Err(error.take().expect("a future is not polled after it completed")))
            }
            Ok(receiver) => Pin::new(receiver)
                .poll(context)
                .map(|answer| answer.unwrap_or_else(|_| Err(never_answered()))),
        }
    }
}

fn never_answered() -> AppendError {
    AppendError::Unknown("the store stopped before it answered".to_owned())
}
