//! The life of a server over an open store: background work begins, connections are accepted, and everything ends in
//! order.

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::background::watch_health;
use crate::http::{Listeners, accept};
use crate::problem::Problem;

/// How long to wait for requests in progress at shutdown.
const GRACE: Duration = Duration::from_secs(10);

/// Serves connections until `shutdown` completes. Requests in progress may then finish, streams end, and background
/// work ends last.
pub async fn run(listeners: impl Into<Listeners>, app: Arc<App>, shutdown: impl Future<Output = ()>) {
    let store = app.store().clone();
    app.background().spawn("health", |member| watch_health(store, member));
    if let Err(problem) = begin(&app).await {
        tracing::error!(problem = problem.detail(), "the start could not be recorded");
    }
    accept(listeners.into(), &app, shutdown).await;
    if !app.requests().stop(GRACE).await {
        tracing::warn!("some connections did not end in time and were cut off");
    }
    if let Err(problem) = end(&app).await {
        tracing::error!(problem = problem.detail(), "the end could not be recorded");
    }
    if !app.background().stop(GRACE).await {
        tracing::warn!("some background work did not end in time and was cut off");
    }
}

/// Folds the system log, and records that the server begins to serve.
async fn begin(app: &App) -> Result<(), Problem> {
    let Ok(system) = app.system() else { return Ok(()) };
    system.folded().await?;
    system.starts().begin(app.store().incarnation(), app.store().now()).await
}

/// Records that the server has answered its last request.
async fn end(app: &App) -> Result<(), Problem> {
    let Ok(system) = app.system() else { return Ok(()) };
    system.starts().end(app.store().incarnation(), app.store().now()).await
}
