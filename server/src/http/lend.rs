//! Lends the body to the handler, so that one place drains what a refused request has not read: most clients read no
//! answer before they have sent everything.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Frame, SizeHint};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::time::timeout;

/// How much of a refused body to drain, in bytes and in time.
const DISCARD_BYTES_MAX: usize = 64 << 20;
const DISCARD_TIMEOUT: Duration = Duration::from_secs(5);

struct Owned {
    body: Body,
    /// Whether the handler has started to read.
    is_begun: bool,
}

/// The handler's handle to the body.
#[derive(Clone)]
struct Lent(Arc<Mutex<Owned>>);

impl Lent {
    fn owned(&self) -> MutexGuard<'_, Owned> {
        // A handler that panicked while reading leaves the body intact.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut owned = self.owned();
        owned.is_begun = true;
        Pin::new(&mut owned.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.owned().body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.owned().body.size_hint()
    }
}

/// Answers a request; if it is refused, drains the rest of its body. A client that waits for `100 Continue` is not
/// asked to send.
pub(super) async fn lend(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let waits_to_be_asked = waits_to_be_asked(request.headers());
    let (parts, body) = request.into_parts();
    let lent = Lent(Arc::new(Mutex::new(Owned { body, is_begun: false })));
    let response = next.run(Request::from_parts(parts, Body::new(lent.clone()))).await;
    if response.status().is_client_error() || response.status().is_server_error() {
        let (body, is_begun) = {
            let mut owned = lent.owned();
            (std::mem::take(&mut owned.body), owned.is_begun)
        };
        if is_begun || !waits_to_be_asked {
            discard(body).await;
        }
    }
    response
}

fn waits_to_be_asked(headers: &HeaderMap) -> bool {
    let value = headers.get(header::EXPECT).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
}

/// Drains the rest of a body, within the limits.
async fn discard(mut body: Body) {
    let taking = async {
        let mut taken = 0;
        while taken < DISCARD_BYTES_MAX
            && let Some(Ok(frame)) = body.frame().await
        {
            taken += frame.data_ref().map_or(0, Bytes::len);
        }
    };
    if timeout(DISCARD_TIMEOUT, taking).await.is_err() {
        tracing::debug!("a client did not send a refused body in time; its connection is closed");
    }
}
