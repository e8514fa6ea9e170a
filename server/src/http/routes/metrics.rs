//! Metrics for a scraper.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::Uri;

use crate::app::App;
use crate::http::params::Params;
use crate::http::reply::{Reply, of_type};
use crate::http::resource::Routes;

/// The paths of this resource.
pub(super) fn routes() -> Routes {
    Routes::default().get("/metrics", metrics)
}

/// `GET /metrics`: OpenMetrics text.
async fn metrics(State(app): State<Arc<App>>, uri: Uri) -> Reply {
    Params::of(&uri, &[])?;
    let text = app.metrics().to_text(app.store().vitals().await, app.followers());
    Ok(of_type("application/openmetrics-text; version=1.0.0; charset=utf-8", Body::from(text)))
}
