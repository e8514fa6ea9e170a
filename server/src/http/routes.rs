//! Every resource, each with its paths in its own file.

mod health;
mod stats;
mod metrics;
mod system;
mod append;
mod batch;
mod events;
mod query;
mod entities;
mod snapshots;
mod stream;
mod maintenance;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use tower_http::catch_panic::CatchPanicLayer;

use super::resource::Routes;
use super::{framing, lend, middleware};
use crate::app::App;

/// The router of all resources.
pub fn router(app: Arc<App>) -> Router {
    let resources = [
        append::routes(),
        batch::routes(),
        query::routes(),
        stream::routes(),
        events::routes(),
        entities::routes(),
        snapshots::routes(),
        stats::routes(),
        maintenance::routes(),
        health::routes(),
        metrics::routes(),
        system::routes(),
    ];
    let routes = resources.into_iter().fold(Routes::default(), Routes::and);
    routes
        .into_router()
        .layer(from_fn(framing::check))
        .layer(from_fn(lend::lend))
        .layer(CatchPanicLayer::custom(middleware::panicked))
        .layer(middleware::cross_origin())
        .layer(from_fn_with_state(Arc::clone(&app), middleware::observe))
        .with_state(app)
}
