//! Follows the log, with server-sent events or a WebSocket on one path. A slow reader misses nothing: it always gets
//! the next event of the log.

mod parameters;
mod sse;
mod websocket;

use std::sync::Arc;

use allsource_engine::Message;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};

use crate::admission::Caller;
use crate::app::App;
use crate::http::reply;
use crate::http::resource::Routes;
use crate::http::socket::Client;
use crate::problem::{Kind, Problem};
use crate::store::Error;
use crate::wire::event_bytes_max;
use parameters::StreamRequest;

/// Most bytes of a message besides its event.
const FRAME_BYTES: usize = 512;
/// A piece that may take this many bytes is encoded away from the threads that answer.
const LARGE_BYTES: usize = 64 << 10;

/// The paths of this resource.
pub(super) fn routes() -> Routes {
    Routes::default().get("/api/v1/events/stream", stream)
}

/// `GET /api/v1/events/stream`.
async fn stream(
    State(app): State<Arc<App>>,
    caller: Caller,
    uri: Uri,
    headers: HeaderMap,
    mut request: Request,
) -> Response {
    let asked = match StreamRequest::of(&caller, &uri, &headers, app.store()).await {
        Ok(asked) => asked,
        Err(problem) => return problem.into_response(),
    };
    match websocket::Upgrade::of(&mut request) {
        Ok(upgrade) => websocket::serve(upgrade, app, asked).into_response(),
        Err(_) if reply::accepts(&headers, "text/event-stream") => {
            let client = request.extensions().get::<Client>().cloned();
            sse::serve(app, asked, client).into_response()
        }
        Err(rejection) => {
            let detail =
                "connect with a WebSocket, or request server-sent events with `Accept: text/event-stream`";
            let problem = Problem::new(Kind::UPGRADE_REQUIRED, format!("{detail} ({rejection})"));
            let mut response = problem.into_response();
            response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            response
        }
    }
}

/// The most bytes that a message takes: its event, and its text.
fn bytes_of(message: &Result<Message, Error>) -> usize {
    match message {
        Ok(Message::Event(event)) => event.record_bytes() + event_bytes_max(event) + FRAME_BYTES,
        _ => FRAME_BYTES,
    }
}
