//! Requests for work that the store otherwise does by itself.

use std::sync::Arc;

use allsource_engine::Position;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use serde::Deserialize;

use crate::app::App;
use crate::http::body;
use crate::http::params::Params;
use crate::http::reply::{Reply, json};
use crate::http::resource::Routes;
use crate::problem::Problem;
use crate::wire::{SealedReply, parse_object, to_json};

/// The paths of this resource.
pub(super) fn routes() -> Routes {
    Routes::default().post("/api/v1/maintenance/seal", seal)
}

/// A body without fields.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// `POST /api/v1/maintenance/seal`: moves everything that is durable now into sealed files.
async fn seal(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap, body: Body) -> Reply {
    check_empty(&app, &uri, &headers, body).await?;
    let sealed = app.store().seal().await?;
    Ok(json(to_json(&SealedReply { sealed_position: sealed.map_or(0, Position::value) })))
}

/// Checks that the body is empty or an empty object: sealing has no options.
async fn check_empty(app: &App, uri: &Uri, headers: &HeaderMap, body: Body) -> Result<(), Problem> {
    Params::of(uri, &[])?;
    body::check_encoding(headers)?;
    let bytes = body::read(app.budget(), headers, body).await?;
    if bytes.trim_ascii().is_empty() {
        return Ok(());
    }
    if !body::is_json(body::media_type(headers)) {
        return Err(body::unsupported(headers, "application/json, or the body empty"));
    }
    let Nothing {} = parse_object(&bytes, &[])?;
    Ok(())
}
