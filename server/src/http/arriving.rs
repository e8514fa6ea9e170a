//! Limits how long the body of a request may take to arrive.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::problem::{Kind, Problem};

/// How long to wait for a client at most, and the rate at which arriving bytes give back what of that is used.
const PATIENCE: Duration = Duration::from_secs(30);
const BYTES_PER_SECOND: u32 = 16 << 10;
const PER_BYTE: Duration = Duration::from_nanos(1_000_000_000 / BYTES_PER_SECOND as u64);

/// The body did not arrive in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body did not arrive in time")]
pub(super) struct Late;

impl From<Late> for Problem {
    fn from(late: Late) -> Self {
        let detail = format!("{late}: send at least {BYTES_PER_SECOND} bytes a second");
        Problem::new(Kind::TIMEOUT, detail)
    }
}

/// A body that must keep arriving.
struct Arriving {
    body: Body,
    /// How long the server will wait for the client: at most, and from now on.
    patience: Duration,
    left: Duration,
    /// Since when it is waiting.
    waiting: Option<Instant>,
    deadline: Pin<Box<Sleep>>,
    /// Set once the body is late: the rest is only drained.
    is_late: bool,
}

/// The body of a request, which fails once it is late.
pub(super) fn arriving(body: Body) -> Body {
    arriving_within(PATIENCE, body)
}

fn arriving_within(patience: Duration, body: Body) -> Body {
    if body.size_hint().exact() == Some(0) {
        return body;
    }
    Body::new(Arriving {
        body,
        patience,
        left: patience,
        waiting: None,
        deadline: Box::pin(sleep_until(Instant::now())),
        is_late: false,
    })
}

impl Arriving {
    /// Waits for the client, but no longer than allowed. Ready means that it took too long.
    fn poll_late(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.waiting.is_none() {
            let (now, left) = (Instant::now(), self.left);
            self.waiting = Some(now);
            self.deadline.as_mut().reset(now + left);
        }
        self.deadline.as_mut().poll(context)
    }
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else {
            if self.is_late {
                return Poll::Pending;
            }
            ready!(self.poll_late(context));
            self.is_late = true;
            return Poll::Ready(Some(Err(axum::Error::new(Late))));
        };
        if let Some(since) = self.waiting.take() {
            self.left = self.left.saturating_sub(since.elapsed());
        }
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            let earned = PER_BYTE * u32::try_from(data.len()).unwrap_or(u32::MAX);
            self.left = self.patience.min(self.left + earned);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::http::body::broken_off;

    #[test]
    fn a_body_that_does_not_come_is_not_waited_for_for_ever() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            // However many bytes came before, silence has the same limit.
            let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; 16 << 20]))]);
            let never = Body::from_stream(futures_util::StreamExt::chain(first, stream::pending()));
            let mut body = arriving_within(Duration::from_millis(50), never);
            assert!(body.frame().await.is_some_and(|frame| frame.is_ok()));
            let error = body.frame().await.expect("an end").expect_err("too late");
            assert_eq!(broken_off(&error).kind(), Kind::TIMEOUT);
        });
    }
}
