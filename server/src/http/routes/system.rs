//! What the server knows about itself.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;

use crate::app::App;
use crate::http::params::{Params, invalid};
use crate::http::reply::{Reply, json};
use crate::http::resource::Routes;
use crate::wire::{StartRow, StartsReply, to_json};

/// The default number of starts in an answer.
const LIMIT: usize = 100;

/// The paths of this resource.
pub(super) fn routes() -> Routes {
    Routes::default().get("/api/v1/system/starts", starts)
}

/// `GET /api/v1/system/starts`: newest first.
async fn starts(State(app): State<Arc<App>>, uri: Uri) -> Reply {
    let params = Params::of(&uri, &["limit"])?;
    let limit = params.parsed("limit", "a whole number from 1")?.unwrap_or(LIMIT);
    if limit == 0 {
        return Err(invalid("limit", "must be a whole number from 1"));
    }
    let system = app.system()?;
    system.folded().await?;
    let starts = system.starts().newest_first();
    let rows = starts.iter().take(limit).map(|(incarnation, entry)| StartRow {
        incarnation,
        version: &entry.value.version,
        started_at: &entry.value.started_at,
        stopped_at: entry.value.stopped_at.as_deref(),
    });
    Ok(json(to_json(&StartsReply { starts: rows.collect(), total: starts.len() })))
}
