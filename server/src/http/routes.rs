//! Every path, one file per resource.

mod health;
mod stats;
mod metrics;
mod append;
mod batch;
mod events;
mod page;
mod query;
mod entities;
mod snapshots;
mod stream;
mod maintenance;

use std::sync::Arc;

use axum::Router;
use axum::http::{Method, Uri};
use axum::response::Response;
use axum::routing::{get, post};

use super::paths::PATHS;
use super::{lend, middleware};
use crate::app::App;
use crate::problem::{Kind, Problem};

/// Everything the server answers.
pub fn router(app: Arc<App>) -> Router {
    let [
        append,
        batch,
        query,
        stream,
        event,
        state,
        snapshot,
        snapshots,
        latest,
        stats,
        seal,
        health,
        live,
        ready,
        metrics,
    ] = PATHS;
    Router::new()
        .route(append, get(query::query).post(append::append))
        .route(batch, post(batch::append))
        .route(query, get(query::query))
        .route(stream, get(stream::stream))
        .route(event, get(events::event))
        .route(state, get(entities::state))
        .route(snapshot, get(entities::snapshot))
        .route(snapshots, get(snapshots::list).post(snapshots::create))
        .route(latest, get(snapshots::latest))
        .route(stats, get(stats::stats))
        .route(seal, post(maintenance::seal))
        .route(health, get(health::health))
        .route(live, get(health::live))
        .route(ready, get(health::ready))
        .route(metrics, get(metrics::metrics))
        .fallback(no_route)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(axum::middleware::from_fn(lend::lend))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&app), middleware::observe))
        .with_state(app)
}

async fn no_route(uri: Uri) -> Problem {
    Problem::new(Kind::NO_ROUTE, format!("there is nothing at {}", uri.path()))
}

async fn method_not_allowed(method: Method, uri: Uri) -> Result<Response, Problem> {
    let detail = format!("{} does not take {method}; the Allow header says what it takes", uri.path());
    Err(Problem::new(Kind::METHOD_NOT_ALLOWED, detail))
}
