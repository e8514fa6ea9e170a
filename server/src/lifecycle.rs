//! The life of a server over an open store: background work begins, connections are accepted, and everything ends in
//! order.

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::background::watch_health;
use crate::http::{Listeners, accept};

/// How long to wait for requests in progress at shutdown.
const GRACE: Duration = Duration::from_secs(10);

/// Serves connections until `shutdown` completes. Requests in progress may then finish, streams end, and background
/// work ends last.
pub async fn run(listeners: impl Into<Listeners>, app: Arc<App>, shutdown: impl Future<Output = ()>) {
    let store = app.store().clone();
    app.background().spawn("health", |member| watch_health(store, member));
    accept(listeners.into(), &app, shutdown).await;
    if !app.requests().stop(GRACE).await {
        tracing::warn!("some connections did not end in time and were cut off");
    }
    if !app.background().stop(GRACE).await {
        tracing::warn!("some background work did not end in time and was cut off");
    }
}
