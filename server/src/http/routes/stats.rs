//! How much there is.

use std::sync::Arc;

use allsource_engine::{Engine, Incarnation, Position};
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use serde_json::{Value, json};

use crate::app::App;
use crate::http::params::Params;
use crate::http::reply::{Reply, json_value};
use crate::http::tenant;

/// Incarnations that are shown, the newest.
const INCARNATIONS: usize = 16;

/// Who wrote which part of the log, the newest first.
fn lineage(engine: &Engine) -> Vec<Value> {
    let spans = engine.lineage().into_iter().rev().take(INCARNATIONS);
    let span = |(incarnation, first): (Incarnation, Position)| json!({"incarnation": incarnation.to_string(), "first_position": first.value()});
    spans.map(span).collect()
}

/// `GET /api/v1/stats`: of the whole store, or of the tenant that is named.
pub(super) async fn stats(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap) -> Reply {
    let params = Params::of(&uri, &["tenant_id"])?;
    let tenant = tenant::named(&params, &headers)?;
    let stats = app.engine().stats(tenant.as_ref())?;
    let total_ingested = match tenant {
        Some(_) => stats.events,
        None => app.engine().watermark().map_or(0, Position::value),
    };
    Ok(json_value(&json!({
        "total_events": stats.events,
        "total_entities": stats.entities,
        "total_event_types": stats.event_types,
        "total_ingested": total_ingested,
        "incarnation": app.engine().incarnation().to_string(),
        "lineage": lineage(app.engine()),
    })))
}
