//! What an entity is, and was.

use std::sync::Arc;

use allsource_engine::event::{Entity, EntityId, Filter, Timestamp};
use allsource_engine::{AsOf, Query, State as EntityState, Version};
use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};

use crate::app::App;
use crate::http::blocking::blocking;
use crate::http::params::{Params, invalid};
use crate::http::path::PathName;
use crate::http::reply::{self, Reply, json};
use crate::http::tenant;
use crate::problem::{Kind, Problem};
use crate::wire::{write_payload, write_text};

/// Events that a history has at most; the query path has them all.
const HISTORY_EVENTS: u64 = 10_000;
/// A history ends at so many bytes.
const HISTORY_BYTES: usize = 32 << 20;

/// What is asked about an entity.
struct Asked {
    entity: Entity,
    as_of: AsOf,
    time: Option<Timestamp>,
    has_history: bool,
}

impl Asked {
    fn of(id: &str, uri: &Uri, headers: &HeaderMap, known: &[&'static str]) -> Result<Self, Problem> {
        let params = Params::of(uri, known)?;
        let entity = Entity::of(tenant::of_read(&params, headers)?, EntityId::new(id)?);
        let (time, version) =
            (params.time("as_of")?, params.parsed("at_version", "a version: a whole number from 1")?);
        let as_of = match (time, version) {
            (None, None) => AsOf::Now,
            (Some(time), None) => AsOf::Time(time),
            (None, Some(number)) => AsOf::Version(
                Version::new(number).ok_or_else(|| invalid("at_version", "must be at least 1"))?,
            ),
            (Some(_), Some(_)) => return Err(invalid("at_version", "and as_of cannot both be given")),
        };
        Ok(Self { entity, as_of, time, has_history: params.flag("history")?.unwrap_or(true) })
    }

    fn unknown(&self) -> Problem {
        let id = self.entity.id();
        Problem::new(
            Kind::ENTITY_NOT_FOUND,
            match self.as_of {
                AsOf::Now => format!("no event is about `{id}`"),
                _ => format!("`{id}` had no events at that moment"),
            },
        )
    }

    /// Up to where the folded events reach, so that the history is of exactly those.
    fn history(&self, state: &EntityState) -> Query {
        let own = Filter::entity(&self.entity).until_version(state.version());
        Query::matching(Filter { until: self.time, ..own })
    }
}

/// `GET /api/v1/entities/{id}/state`: the merged payloads, now or as of a time or a version.
pub(super) async fn state(
    State(app): State<Arc<App>>,
    PathName(id): PathName,
    uri: Uri,
    headers: HeaderMap,
) -> Reply {
    let asked = Asked::of(&id, &uri, &headers, &["as_of", "at_version", "history", "tenant_id"])?;
    blocking(move || {
        let state = app.engine().fold(&asked.entity, asked.as_of)?.ok_or_else(|| asked.unknown())?;
        let tag = reply::version_tag(state.version());
        if reply::is_known(&headers, &tag) {
            return Ok(reply::not_modified(tag));
        }
        let mut response = json(state_body(&app, &asked, &state)?);
        response.headers_mut().insert(header::ETAG, tag);
        Ok::<_, Problem>(response)
    })
    .await
}

fn state_body(app: &App, asked: &Asked, state: &EntityState) -> Result<Vec<u8>, Problem> {
    let mut out = b"{\"entity_id\":".to_vec();
    write_text(&mut out, asked.entity.id().as_str());
    let as_of = asked.time.map_or("null".to_owned(), |time| format!("\"{time}\""));
    let head = format!(
        ",\"last_updated\":\"{}\",\"event_count\":{},\"version\":{},\"as_of\":{as_of},\"current_state\":",
        state.last_updated(),
        state.event_count(),
        state.version(),
    );
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(state.to_json().as_bytes());
    if asked.has_history {
        write_history(&mut out, app, asked, state)?;
    }
    out.push(b'}');
    Ok(out)
}

fn write_history(out: &mut Vec<u8>, app: &App, asked: &Asked, state: &EntityState) -> Result<(), Problem> {
    out.extend_from_slice(b",\"history\":[");
    let (mut count, most) = (0, out.len() + HISTORY_BYTES);
    for event in app.engine().read(&asked.history(state))? {
        let event = event?;
        if count == HISTORY_EVENTS || out.len() > most {
            break;
        }
        if count > 0 {
            out.push(b',');
        }
        out.extend_from_slice(format!("{{\"event_id\":\"{}\",\"type\":", event.id()).as_bytes());
        write_text(out, event.event_type());
        out.extend_from_slice(format!(",\"timestamp\":\"{}\",", event.timestamp()).as_bytes());
        write_payload(out, &event);
        out.push(b'}');
        count += 1;
    }
    out.extend_from_slice(format!("],\"history_has_more\":{}", count < state.event_count()).as_bytes());
    Ok(())
}

/// `GET /api/v1/entities/{id}/snapshot`: the current state in the form of old servers.
pub(super) async fn snapshot(
    State(app): State<Arc<App>>,
    PathName(id): PathName,
    uri: Uri,
    headers: HeaderMap,
) -> Reply {
    let asked = Asked::of(&id, &uri, &headers, &["tenant_id"])?;
    blocking(move || {
        let state = app.engine().fold(&asked.entity, asked.as_of)?.ok_or_else(|| asked.unknown())?;
        let mut out = b"{\"entity_id\":".to_vec();
        write_text(&mut out, asked.entity.id().as_str());
        out.extend_from_slice(format!(",\"snapshot\":{},", state.to_json()).as_bytes());
        out.extend_from_slice(b"\"from_projection\":\"entity_snapshots\"}");
        Ok::<_, Problem>(json(out))
    })
    .await
}
