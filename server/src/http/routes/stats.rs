//! How much there is.

use std::sync::Arc;

use allsource_engine::Position;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use serde_json::json;

use crate::app::App;
use crate::http::params::Params;
use crate::http::reply::{Reply, json_value};
use crate::http::tenant;

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
    })))
}
