//! One event by its id, and the events of an idempotency key.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use uuid::Uuid;

use crate::admission::{Caller, KEY_RULE, Key};
use crate::app::App;
use crate::budget::{Buffer, Exhausted};
use crate::http::params::{Params, invalid};
use crate::http::path::PathName;
use crate::http::reply::{Reply, charged};
use crate::http::resource::Routes;
use crate::problem::{Kind, Problem};
use crate::wire::{EVENTS_HEAD, KeyedEnd, end_events, event_bytes_max, write_found_event, write_keyed_event};

/// The default and highest number of events in an answer.
const EVENTS: u64 = 1000;
/// An answer is full once it has this many bytes.
const ANSWER_BYTES: usize = 4 << 20;

/// The most bytes of an answer besides each of its events.
const MEMBERS_BYTES: usize = 128;

/// The paths of this resource.
pub(super) fn routes() -> Routes {
    Routes::default().get("/api/v1/events/by-key", by_key).get("/api/v1/events/{id}", event)
}

/// `GET /api/v1/events/{id}`.
async fn event(State(app): State<Arc<App>>, PathName(id): PathName, caller: Caller, uri: Uri) -> Reply {
    Params::of(&uri, &["tenant_id"])?;
    let id: Uuid = id.parse().map_err(|_| invalid("id", &format!("must be a UUID, but is `{id}`")))?;
    let found = app.store().event(caller.tenant(), id).await?;
    let event =
        found.ok_or_else(|| Problem::new(Kind::EVENT_NOT_FOUND, format!("no event has the id {id}")))?;
    let (body, partitions) = (Buffer::new(app.budget().charge()), app.store().partitions());
    let bytes = event_bytes_max(&event) + MEMBERS_BYTES;
    let write = move || {
        let mut body = body;
        body.write(bytes, |out| {
            write_found_event(out, &event, partitions);
        })?;
        Ok::<_, Exhausted>(body.into_parts())
    };
    let (body, charge) = app.store().compute(bytes, write).await??;
    Ok(charged(body, charge))
}

/// `GET /api/v1/events/by-key`: the events appended under an idempotency key, from an index of its request on, up to
/// the first index without an event.
async fn by_key(State(app): State<Arc<App>>, caller: Caller, uri: Uri) -> Reply {
    let params = Params::of(&uri, &["tenant_id", "key", "index", "limit"])?;
    let key = params.text("key").and_then(Key::new);
    let key = key.ok_or_else(|| invalid("key", &format!("must be {KEY_RULE}")))?;
    let first: u64 = params.parsed("index", "a whole number")?.unwrap_or(0);
    let limit: u64 = params.parsed("limit", "a whole number")?.unwrap_or(EVENTS);
    if !(1..=EVENTS).contains(&limit) {
        return Err(invalid("limit", &format!("must be from 1 to {EVENTS}, but is {limit}")));
    }
    let (tenant, mut body) = (caller.tenant(), Buffer::new(app.budget().charge()));
    body.extend(EVENTS_HEAD)?;
    let mut index = first;
    let has_more = loop {
        let event = app.store().event(tenant.clone(), key.event_id(&tenant, index)).await?;
        let Some(event) = event else { break false };
        if index - first == limit || body.len() >= ANSWER_BYTES {
            break true;
        }
        let written = body.write(event_bytes_max(&event) + MEMBERS_BYTES, |out| {
            out.extend_from_slice(if index == first { b"" } else { b"," });
            write_keyed_event(out, index, &event, app.store().partitions());
        });
        if written.is_err() && index > first {
            break true;
        }
        written?;
        index = index.checked_add(1).ok_or_else(|| invalid("index", "is too large"))?;
    };
    if index == first {
        let detail = format!("no event was appended under this key at index {first}");
        return Err(Problem::new(Kind::EVENT_NOT_FOUND, detail));
    }
    body.extend(&end_events(&KeyedEnd { next_index: has_more.then_some(index) }))?;
    let (body, charge) = body.into_parts();
    Ok(charged(body, charge))
}
