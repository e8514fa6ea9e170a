//! The server as HTTP clients see it.

mod append;
mod batch;
mod budget;
mod door;
mod edge;
mod import;
mod largest;
mod values;
mod problems;
mod query;
mod snapshots;
mod state;
mod streams;
mod filters;
mod closing;
mod upkeep;

use allsource_tests::server::Server;
use serde_json::{Value, json};

/// Appends one event of type `t`.
fn append(server: &Server, entity: &str, payload: &Value) -> Value {
    let body = json!({"event_type": "t", "entity_id": entity, "payload": payload});
    server.post("/api/v1/events", &body.to_string()).success()
}
