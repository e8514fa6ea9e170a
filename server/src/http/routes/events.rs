//! One event.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use uuid::Uuid;

use crate::admission::Caller;
use crate::app::App;
use crate::http::params::{Params, invalid};
use crate::http::path::PathName;
use crate::http::reply::{Reply, json};
use crate::http::resource::Routes;
use crate::problem::{Kind, Problem};
use crate::wire::write_event;

/// The paths of this resource.
pub(super) fn routes() -> Routes {
    Routes::default().get("/api/v1/events/{id}", event)
}

/// `GET /api/v1/events/{id}`.
async fn event(State(app): State<Arc<App>>, PathName(id): PathName, caller: Caller, uri: Uri) -> Reply {
    Params::of(&uri, &["tenant_id"])?;
    let id: Uuid = id.parse().map_err(|_| invalid("id", &format!("must be a UUID, `{id}` is not")))?;
    let found = app.store().event(caller.tenant(), id).await?;
    let event =
        found.ok_or_else(|| Problem::new(Kind::EVENT_NOT_FOUND, format!("no event has the id {id}")))?;
    let mut body = b"{\"event\":".to_vec();
    write_event(&mut body, &event, app.store().partitions());
    body.extend_from_slice(b",\"found\":true}");
    Ok(json(body))
}
