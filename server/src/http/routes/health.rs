//! Liveness and readiness of the server.

use std::sync::Arc;

use allsource_engine::Health;
use axum::extract::State;
use axum::http::{StatusCode, Uri};

use crate::app::App;
use crate::background::clock_lag;
use crate::http::params::Params;
use crate::http::reply::{Reply, json};
use crate::http::resource::Routes;
use crate::wire::{HealthReply, LiveReply, ReadyReply, to_json};

/// The paths of this resource.
pub(super) fn routes() -> Routes {
    Routes::default().get("/health", health).get("/healthz", live).get("/readyz", ready)
}

/// `GET /health`: in the format of v0.6 servers.
async fn health(State(app): State<Arc<App>>, uri: Uri) -> Reply {
    Params::of(&uri, &[])?;
    Ok(json(to_json(&HealthReply {
        status: "healthy",
        service: "allsource-core",
        version: env!("CARGO_PKG_VERSION"),
        incarnation: app.store().incarnation().to_string(),
    })))
}

/// `GET /healthz`: the process answers.
async fn live(uri: Uri) -> Reply {
    Params::of(&uri, &[])?;
    Ok(json(to_json(&LiveReply { status: "ok" })))
}

/// `GET /readyz`: events are accepted.
async fn ready(State(app): State<Arc<App>>, uri: Uri) -> Reply {
    Params::of(&uri, &[])?;
    let (status, reason) = match app.store().health() {
        Health::Serving if app.requests().is_stopping() => {
            ("stopping", Some("the server is stopping".to_owned()))
        }
        health => describe(health),
    };
    let failing = app.store().upkeep().into_iter().filter_map(|task| Some((task.name, task.last_error?)));
    let mut response = json(to_json(&ReadyReply {
        status,
        reason,
        clock_behind_seconds: clock_lag(app.store().clock_behind()).map(|behind| behind.as_secs()),
        system_log: system_problem(&app),
        upkeep_failing: failing.collect(),
    }));
    // A store that is damaged in places, or cannot seal for now, still accepts events and serves the rest.
    if !["ready", "damaged", "not_sealing", "moved"].contains(&status) {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    Ok(response)
}

/// The name of a state of health, and the reason.
fn describe(health: Health) -> (&'static str, Option<String>) {
    match health {
        Health::Serving => ("ready", None),
        Health::StorageFull { needed_bytes } => {
            ("storage_full", Some(format!("the disk is full; a journal file needs {needed_bytes} bytes")))
        }
        Health::Refusing(reason) => ("refusing", Some(reason)),
        Health::Moved => ("moved", Some("the store's folder was moved while it was open".to_owned())),
        Health::Fenced(reason) => ("fenced", Some(reason)),
        Health::NotSealing(reason) => ("not_sealing", Some(reason)),
        Health::Damaged(damages) => {
            let texts: Vec<String> = damages.iter().map(ToString::to_string).collect();
            ("damaged", Some(texts.join("; ")))
        }
    }
}

/// Why the system log is not folded, or takes no changes.
fn system_problem(app: &App) -> Option<String> {
    match app.system() {
        Err(problem) => Some(problem.detail().to_owned()),
        Ok(system) => system.folding().progress().failure.or_else(|| describe(system.store().health()).1),
    }
}
