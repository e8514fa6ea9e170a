//! An append on its way: prepared by the caller, answered once it is durable.

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

/// The answer to one append.
pub(crate) type Answer = Result<Commit, AppendError>;
/// Where the answer to one append goes.
pub(crate) type Reply = oneshot::Sender<Answer>;

/// An append whose outcome is not known yet: wait for it, or await it.
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

/// What awaiting an [`Append`] polls.
#[derive(Debug)]
pub struct AppendFuture {
    state: Result<oneshot::AsyncReceiver<Answer>, Option<AppendError>>,
}

impl Future for AppendFuture {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        match &mut self.state {
            Err(error) => Poll::Ready(Err(error.take().unwrap_or_else(never_answered))),
            Ok(receiver) => Pin::new(receiver)
                .poll(context)
                .map(|answer| answer.unwrap_or_else(|_| Err(never_answered()))),
        }
    }
}

fn never_answered() -> AppendError {
    AppendError::Unknown("the store stopped before it answered".to_owned())
}
