//! What is counted, for a scraper.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;

use crate::app::App;
use crate::http::reply::of_type;

/// `GET /metrics`: OpenMetrics text.
pub(super) async fn metrics(State(app): State<Arc<App>>) -> Response {
    let text = app.metrics().to_text();
    of_type("application/openmetrics-text; version=1.0.0; charset=utf-8", Body::from(text))
}
