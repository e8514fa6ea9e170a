//! Snapshots: stored states of entities, so that folding need not start at the first event.

use std::sync::Arc;

use allsource_engine::event::{Entity, EntityId};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use serde::Deserialize;

use crate::admission::Caller;
use crate::app::App;
use crate::http::body;
use crate::http::params::{Params, invalid};
use crate::http::path::PathName;
use crate::http::reply::{Reply, charged, json};
use crate::http::resource::Routes;
use crate::problem::{Kind, Problem};
use crate::wire::{SnapshotReply, SnapshotsReply, parse_object};

/// The default limit of a list.
const LISTED: usize = 1_000;
/// The highest limit of a list.
const LISTED_MAX: usize = 10_000;
/// Fields of a body that requests a snapshot.
const FIELDS: &[&str] = &["entity_id", "tenant_id"];

/// The paths of this resource. A name such as `..` cannot be in a path, because clients resolve it.
pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/api/v1/snapshots", list)
        .post("/api/v1/snapshots", create)
        .get("/api/v1/snapshots/{id}/latest", latest)
        .get("/api/v1/snapshots/latest", latest_by_parameter)
}

/// A body that requests a snapshot.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    entity_id: String,
    tenant_id: Option<String>,
}

/// `POST /api/v1/snapshots`: takes a snapshot of an entity as it is now.
async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Reply {
    let entity = wanted(&app, &caller, &uri, &headers, body).await?;
    let mut charge = app.budget().charge();
    app.store()
        .look(move |look| {
            let unknown = || {
                Problem::new(Kind::ENTITY_NOT_FOUND, format!("the entity `{}` has no events", entity.id()))
            };
            let snapshot = look.snapshot(&entity, &mut charge)?.ok_or_else(unknown)?;
            Ok::<_, Problem>(json(SnapshotReply(&snapshot).to_json()))
        })
        .await
}

async fn wanted(
    app: &App,
    caller: &Caller,
    uri: &Uri,
    headers: &HeaderMap,
    body: Body,
) -> Result<Entity, Problem> {
    Params::of(uri, &["tenant_id"])?;
    let bytes = body::read_json(app.budget(), headers, body).await?;
    let wanted: Wanted = parse_object(&bytes, FIELDS)?;
    let tenant = caller.tenant_of(wanted.tenant_id.as_deref())?;
    Ok(Entity::of(tenant, EntityId::new(wanted.entity_id)?))
}

/// `GET /api/v1/snapshots`: newest first for each entity, without their states.
async fn list(State(app): State<Arc<App>>, caller: Caller, uri: Uri) -> Reply {
    let params = Params::of(&uri, &["entity_id", "limit", "tenant_id"])?;
    let tenant = caller.tenant();
    let id = params.text("entity_id").map(EntityId::new).transpose()?;
    let entity = id.map(|id| Entity::of(tenant.clone(), id));
    let limit = limit(&params)?;
    app.store()
        .look(move |look| {
            let (snapshots, total) = look.snapshots(&tenant, entity.as_ref(), limit);
            Ok::<_, Problem>(json(SnapshotsReply { snapshots: &snapshots, total }.to_json()))
        })
        .await
}

fn limit(params: &Params) -> Result<usize, Problem> {
    let limit = params.parsed("limit", "a whole number")?.unwrap_or(LISTED);
    if (1..=LISTED_MAX).contains(&limit) {
        return Ok(limit);
    }
    Err(invalid("limit", &format!("must be from 1 to {LISTED_MAX}, but is {limit}")))
}

/// `GET /api/v1/snapshots/{id}/latest`: the newest snapshot of an entity, with its state.
async fn latest(State(app): State<Arc<App>>, PathName(id): PathName, caller: Caller, uri: Uri) -> Reply {
    Params::of(&uri, &["tenant_id"])?;
    latest_of(&app, Entity::of(caller.tenant(), EntityId::new(id)?)).await
}

/// `GET /api/v1/snapshots/latest?entity_id=…`.
async fn latest_by_parameter(State(app): State<Arc<App>>, caller: Caller, uri: Uri) -> Reply {
    let params = Params::of(&uri, &["entity_id", "tenant_id"])?;
    let id = params.text("entity_id").ok_or_else(|| invalid("entity_id", "is missing"))?;
    latest_of(&app, Entity::of(caller.tenant(), EntityId::new(id)?)).await
}

async fn latest_of(app: &App, entity: Entity) -> Reply {
    let mut charge = app.budget().charge();
    app.store()
        .look(move |look| {
            let none = || {
                let id = entity.id();
                let detail = format!("no snapshot of `{id}` is stored");
                Problem::new(Kind::SNAPSHOT_NOT_FOUND, detail)
            };
            let snapshot = look.latest_snapshot(&entity, &mut charge)?.ok_or_else(none)?;
            // The snapshot may be in memory anyway; its copy in the answer is not.
            charge.grow_to(2 * snapshot.state.json_bytes())?;
            Ok::<_, Problem>(charged(SnapshotReply(&snapshot).to_json_with_state(), charge))
        })
        .await
}
