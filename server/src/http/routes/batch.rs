//! Appends many events: one JSON body, or any number of lines.

mod json;
mod lines;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};

use super::append::terms;
use crate::admission::Caller;
use crate::app::App;
use crate::http::body;
use crate::http::headers::invalid_header;
use crate::http::reply::Reply;
use crate::http::resource::Routes;

/// The paths of this resource.
pub(super) fn routes() -> Routes {
    Routes::default().post("/api/v1/events/batch", append)
}

/// `POST /api/v1/events/batch`.
async fn append(
    State(app): State<Arc<App>>,
    caller: Caller,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Reply {
    let outcome = append_events(&app, caller, &uri, &headers, body).await;
    if outcome.is_err() {
        app.metrics().ingestion_error();
    }
    outcome
}

async fn append_events(app: &App, caller: Caller, uri: &Uri, headers: &HeaderMap, body: Body) -> Reply {
    for name in [header::IF_MATCH, header::IF_NONE_MATCH] {
        if headers.contains_key(&name) {
            return Err(invalid_header(name.as_str(), "is for one event; give each event expected_version"));
        }
    }
    body::check_encoding(headers)?;
    let terms = terms(caller, uri, headers)?;
    let media_type = body::media_type(headers);
    if body::is_ndjson(media_type) {
        lines::append(app, terms, body).await
    } else if body::is_json(media_type) {
        json::append(app, &terms, body::read(app.budget(), headers, body).await?).await
    } else {
        Err(body::unsupported(headers, "application/json or application/x-ndjson"))
    }
}
