//! Charges bodies to the server's memory budget: request bodies as they arrive, within a time limit; answers until the
//! client has read them.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::budget::{Budget, Charge, Exhausted};
use crate::problem::{Kind, Problem};

/// Most bytes charged for a body that is read in pieces: the handler releases earlier pieces meanwhile.
const PIECES_BYTES: usize = 8 << 20;
/// How long to wait for a client in all, and the rate at which arriving bytes extend that.
const PATIENCE: Duration = Duration::from_secs(30);
const BYTES_PER_SECOND: u64 = 16 << 10;
/// Answers of fewer bytes are not charged: every connection has a buffer of that size.
const UNCHARGED_BYTES: u64 = 8 << 10;

/// Why the server stopped reading a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("other requests use the server's whole memory budget")]
    NoRoom,
    #[error("the body did not arrive in time")]
    Late,
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NoRoom => Problem::new(Kind::OVERLOADED, refused.to_string()).with("retry_after", 1),
            Refused::Late => {
                let detail = format!("{refused}: send at least {BYTES_PER_SECOND} bytes a second");
                Problem::new(Kind::TIMEOUT, detail)
            }
        }
    }
}

impl From<Exhausted> for Refused {
    fn from(_: Exhausted) -> Self {
        Self::NoRoom
    }
}

/// Whether a handler holds the whole body or reads it in pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    Whole,
    InPieces,
}

/// A body that is charged as it arrives, until it is dropped.
struct Arriving {
    body: Body,
    charge: Charge,
    most: usize,
    arrived: u64,
    patience: Duration,
    /// How long the server has waited for the client, and since when it is waiting now.
    waited: Duration,
    waiting: Option<Instant>,
    deadline: Pin<Box<Sleep>>,
    /// Set once the body is refused: the rest is only drained.
    is_refused: bool,
}

/// The body of a request, charged as it arrives.
pub(super) fn arriving(body: Body, budget: &Budget, held: Held) -> Body {
    arriving_within(PATIENCE, body, budget, held)
}

fn arriving_within(patience: Duration, body: Body, budget: &Budget, held: Held) -> Body {
    if body.size_hint().exact() == Some(0) {
        return body;
    }
    let most = match held {
        Held::Whole => usize::MAX,
        Held::InPieces => PIECES_BYTES,
    };
    Body::new(Arriving {
        body,
        charge: budget.charge(),
        most,
        arrived: 0,
        patience,
        waited: Duration::ZERO,
        waiting: None,
        deadline: Box::pin(sleep_until(Instant::now())),
        is_refused: false,
    })
}

impl Arriving {
    fn refuse(&mut self, refused: Refused) -> axum::Error {
        self.is_refused = true;
        self.charge.shrink_to(0);
        axum::Error::new(refused)
    }

    /// Waits for the client, but no longer than allowed. Ready means that it took too long.
    fn poll_late(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.waiting.is_none() {
            let now = Instant::now();
            let allowed = self.patience + Duration::from_secs(self.arrived / BYTES_PER_SECOND);
            self.waiting = Some(now);
            self.deadline.as_mut().reset(now + allowed.saturating_sub(self.waited));
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
            if self.is_refused {
                return Poll::Pending;
            }
            ready!(self.poll_late(context));
            return Poll::Ready(Some(Err(self.refuse(Refused::Late))));
        };
        if let Some(since) = self.waiting.take() {
            self.waited += since.elapsed();
        }
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
            && !self.is_refused
        {
            self.arrived += data.len() as u64;
            let bytes = usize::try_from(self.arrived).unwrap_or(usize::MAX).min(self.most);
            if let Err(exhausted) = self.charge.grow_to(bytes) {
                return Poll::Ready(Some(Err(self.refuse(exhausted.into()))));
            }
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

/// Bytes that stay charged until the last handle to them is dropped.
struct Kept {
    bytes: Bytes,
    _charge: Charge,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The same bytes, with their charge.
pub(super) fn kept(bytes: Bytes, charge: Charge) -> Bytes {
    Bytes::from_owner(Kept { bytes, _charge: charge })
}

/// An answer whose body stays charged until the client has read it, or a refusal if there is no room. A body of unknown
/// length charges its pieces itself.
pub(super) fn leaving(response: Response, budget: &Budget) -> Response {
    let length = response.body().size_hint().exact().unwrap_or(0);
    if length < UNCHARGED_BYTES {
        return response;
    }
    let mut charge = budget.charge();
    if charge.grow_to(usize::try_from(length).unwrap_or(usize::MAX)).is_err() {
        return Problem::from(Refused::NoRoom).into_response();
    }
    let mut charge = Some(charge);
    response.map(|body| {
        Body::new(body.map_frame(move |frame| {
            frame.map_data(|bytes| match charge.take() {
                Some(charge) => kept(bytes, charge),
                None => bytes,
            })
        }))
    })
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;
    use crate::budget::BYTES_MIN;
    use crate::http::body::broken_off;

    fn pieces(count: usize) -> Body {
        let piece = Bytes::from(vec![b'x'; 1 << 20]);
        let pieces = std::iter::repeat_n(piece, count).map(Ok::<_, std::io::Error>);
        Body::from_stream(stream::iter(pieces))
    }

    #[test]
    fn bodies_are_charged_as_they_arrive_and_refused_beyond_the_budget() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let budget = Budget::new(BYTES_MIN);
            let mut whole = arriving(pieces(100), &budget, Held::Whole);
            let mut count = 0;
            let error = loop {
                match whole.frame().await.expect("more than fits") {
                    Ok(_) => count += 1,
                    Err(error) => break error,
                }
                assert_eq!(budget.charged(), count << 20);
            };
            assert_eq!(count, 84, "the share of large requests");
            assert_eq!(broken_off(&error).kind(), Kind::OVERLOADED);
            assert_eq!(budget.charged(), 0, "a refused body holds nothing");
            assert!(whole.frame().await.is_some_and(|frame| frame.is_ok()), "the rest can be discarded");
            let mut in_pieces = arriving(pieces(100), &budget, Held::InPieces);
            while let Some(frame) = in_pieces.frame().await {
                frame.expect("earlier pieces are released");
                assert!(budget.charged() <= PIECES_BYTES);
            }
            drop(in_pieces);
            assert_eq!(budget.charged(), 0);
        });
    }

    #[test]
    fn a_body_that_does_not_come_is_not_waited_for_for_ever() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let budget = Budget::new(BYTES_MIN);
            let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"x"))]);
            let never = Body::from_stream(futures_util::StreamExt::chain(first, stream::pending()));
            let mut body = arriving_within(Duration::from_millis(50), never, &budget, Held::Whole);
            assert!(body.frame().await.is_some_and(|frame| frame.is_ok()));
            let error = body.frame().await.expect("an end").expect_err("too late");
            assert_eq!(broken_off(&error).kind(), Kind::TIMEOUT);
        });
    }

    #[test]
    fn an_answer_is_charged_until_the_client_has_taken_it() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let budget = Budget::new(BYTES_MIN);
            let answer = || Body::from(vec![b'x'; 50 << 20]).into_response();
            let first = leaving(answer(), &budget);
            assert_eq!(leaving(answer(), &budget).status().as_u16(), 503);
            let bytes = first.into_body().collect().await.expect("a body").to_bytes();
            assert_eq!(budget.charged(), 50 << 20, "it is not written yet");
            drop(bytes);
            assert_eq!(budget.charged(), 0);
        });
    }
}
