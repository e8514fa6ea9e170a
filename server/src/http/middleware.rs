//! Wraps every request: counts and logs its time and outcome, answers panics, and lets browsers of any origin call.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::Entry;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::time::Instant;
use tower_http::cors::{AllowHeaders, Any as AnyOrigin, CorsLayer};

use super::arriving::arriving;
use super::metered;
use crate::app::App;
use crate::problem::{Kind, Problem};

/// How long a browser may cache the answer to a preflight request.
const PREFLIGHT_AGE: Duration = Duration::from_secs(3600);

/// Paths of monitoring, which the memory budget never refuses.
const VITAL: [&str; 4] = ["/health", "/healthz", "/readyz", "/metrics"];

/// Counts a request, and logs it at `debug`.
pub(super) async fn observe(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let _in_flight = app.metrics().in_flight();
    let method = name_of(request.method());
    let endpoint = request.extensions().get::<MatchedPath>().cloned();
    let logged = tracing::enabled!(tracing::Level::DEBUG).then(|| request.uri().path().to_owned());
    let request = request.map(arriving);
    let mut response = next.run(request).await;
    if endpoint.as_ref().is_none_or(|path| !VITAL.contains(&path.as_str())) {
        response = metered::leaving(response, app.budget());
    }
    if let Entry::Vacant(vary) = response.headers_mut().entry(header::VARY) {
        vary.insert(HeaderValue::from_static("x-tenant-id"));
    }
    let (status, took) = (response.status().as_u16(), started.elapsed());
    let endpoint = endpoint.as_ref().map_or("unmatched", MatchedPath::as_str);
    app.metrics().request(method, endpoint, status, took);
    if let Some(path) = logged {
        let problem = response.extensions().get::<Kind>().map(|kind| kind.slug);
        tracing::debug!(method, path, status, problem, ms = took.as_secs_f64() * 1e3, "answered");
    }
    response
}

/// Answers a request whose handler panicked. The panic hook logs the message; the caller sees no internals.
pub(super) fn panicked(_: Box<dyn Any + Send>) -> Response {
    tracing::error!("a request handler panicked");
    Problem::new(Kind::INTERNAL, "the request could not be answered; see the server's log").into_response()
}

/// Lets browsers of any origin call, and read these response headers.
pub(super) fn cross_origin() -> CorsLayer {
    let methods = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS];
    let exposed =
        [header::ETAG, HeaderName::from_static("idempotency-replayed"), header::RETRY_AFTER, header::ALLOW];
    CorsLayer::new()
        .allow_origin(AnyOrigin)
        .allow_methods(methods)
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(exposed)
        .max_age(PREFLIGHT_AGE)
        .vary([])
}

fn name_of(method: &Method) -> &'static str {
    let known = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"];
    known.into_iter().find(|name| *name == method.as_str()).unwrap_or("other")
}
