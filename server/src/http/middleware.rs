//! Around every request: time and outcome are counted, panics become answers, browsers may call from anywhere.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::Entry;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use tokio::time::Instant;

use super::paths::PATHS;
use crate::app::App;
use crate::problem::{Kind, Problem};

const METHODS: &str = "GET, HEAD, POST, PUT, DELETE, OPTIONS";
const EXPOSED: &str = "ETag, Idempotency-Replayed, Retry-After, Allow";

pub(super) async fn observe(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let _in_flight = app.metrics().in_flight();
    let method = name_of(request.method());
    let endpoint = endpoint_of(&request);
    let is_cross_origin = request.headers().contains_key(header::ORIGIN);
    let asks_first = request.headers().get(header::ACCESS_CONTROL_REQUEST_METHOD).is_some();
    let mut response = if is_cross_origin && asks_first && *request.method() == Method::OPTIONS {
        permission(&request)
    } else {
        AssertUnwindSafe(next.run(request)).catch_unwind().await.unwrap_or_else(|_| panicked())
    };
    if let Entry::Vacant(vary) = response.headers_mut().entry(header::VARY) {
        vary.insert(HeaderValue::from_static("x-tenant-id"));
    }
    if is_cross_origin {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
    app.metrics().request(method, endpoint, response.status().as_u16(), started.elapsed());
    response
}

/// The panic's message went to the log by way of the panic hook; the caller learns nothing of the inside.
fn panicked() -> Response {
    tracing::error!("a request handler panicked");
    Problem::new(Kind::INTERNAL, "the request could not be answered; the server's log says more")
        .into_response()
}

/// The answer to a browser that asks whether it may call.
fn permission(request: &Request) -> Response {
    let asked = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
    let any = asked.unwrap_or(HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, any);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3600"));
    response
}

fn endpoint_of(request: &Request) -> &'static str {
    let matched = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let known = matched.and_then(|matched| PATHS.iter().find(|path| **path == matched));
    known.copied().unwrap_or("unmatched")
}

fn name_of(method: &Method) -> &'static str {
    let known = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"];
    known.into_iter().find(|name| *name == method.as_str()).unwrap_or("other")
}
