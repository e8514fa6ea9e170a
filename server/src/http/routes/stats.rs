//! The size and the lineage of the store.

use std::sync::Arc;

use allsource_engine::{Incarnation, Position};
use axum::extract::State;
use axum::http::Uri;

use crate::admission::Caller;
use crate::app::App;
use crate::http::params::Params;
use crate::http::reply::{Reply, json};
use crate::http::resource::Routes;
use crate::store::Store;
use crate::wire::{LineageSpan, StatsReply, to_json};

/// Most incarnations to show, newest first.
const INCARNATIONS: usize = 16;

/// The paths of this resource.
pub(super) fn routes() -> Routes {
    Routes::default().get("/api/v1/stats", stats)
}

/// Which incarnation wrote which part of the log, newest first.
fn lineage(store: &Store) -> Vec<LineageSpan> {
    let spans = store.lineage().into_iter().rev().take(INCARNATIONS);
    let span = |(incarnation, first): (Incarnation, Position)| LineageSpan {
        incarnation: incarnation.to_string(),
        first_position: first.value(),
    };
    spans.map(span).collect()
}

/// `GET /api/v1/stats`: of the whole store, or of the named tenant.
async fn stats(State(app): State<Arc<App>>, caller: Caller, uri: Uri) -> Reply {
    Params::of(&uri, &["tenant_id"])?;
    let tenant = caller.named_tenant().cloned();
    let (stats, total_ingested) = match tenant {
        Some(tenant) => {
            let stats = app.store().stats_of(tenant).await?;
            (stats, stats.events)
        }
        None => {
            let stats = app.store().stats().await?;
            (stats, app.store().watermark().map_or(0, Position::value))
        }
    };
    Ok(json(to_json(&StatsReply {
        total_events: stats.events,
        total_entities: stats.entities,
        total_event_types: stats.event_types,
        total_ingested,
        incarnation: app.store().incarnation().to_string(),
        lineage: lineage(app.store()),
    })))
}
