//! Liveness and readiness of the server.

use std::sync::Arc;

use allsource_engine::Health;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::background::clock_lag;
use crate::http::params::Params;
use crate::http::reply::{Reply, json_value};
use crate::http::resource::Routes;

/// The paths of this resource.
pub(super) fn routes() -> Routes {
    Routes::default().get("/health", health).get("/healthz", live).get("/readyz", ready)
}

/// `GET /health`: in the format of v0.6 servers.
async fn health(State(app): State<Arc<App>>, uri: Uri) -> Reply {
    Params::of(&uri, &[])?;
    let (version, incarnation) = (env!("CARGO_PKG_VERSION"), app.store().incarnation().to_string());
    let service = "allsource-core";
    Ok(json_value(&json!({
        "status": "healthy", "service": service, "version": version, "incarnation": incarnation,
    })))
}

/// `GET /healthz`: the process answers.
async fn live(uri: Uri) -> Reply {
    Params::of(&uri, &[])?;
    Ok(json_value(&json!({"status": "ok"})))
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
    let mut body = json!({"status": status, "reason": reason});
    if let (Some(behind), Some(members)) = (clock_lag(app.store().clock_behind()), body.as_object_mut()) {
        members.insert("clock_behind_seconds".to_owned(), behind.as_secs().into());
    }
    let failing = app.store().upkeep().into_iter().filter_map(|task| Some((task.name, task.last_error?)));
    let failing: Map<String, Value> = failing.map(|(name, error)| (name.to_owned(), error.into())).collect();
    if let Some(members) = body.as_object_mut().filter(|_| !failing.is_empty()) {
        members.insert("upkeep_failing".to_owned(), failing.into());
    }
    if let (Some(problem), Some(members)) = (system_problem(&app), body.as_object_mut()) {
        members.insert("system_log".to_owned(), problem.into());
    }
    let mut response = json_value(&body);
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
