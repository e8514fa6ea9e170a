//! The state of an entity, now and in the past.

use std::sync::Arc;

use allsource_engine::event::{Entity, EntityId, EventRef};
use allsource_engine::{AsOf, Position, State as EntityState, Version};
use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};

use crate::admission::Caller;
use crate::app::App;
use crate::budget::Charge;
use crate::http::params::{Params, invalid};
use crate::http::path::PathName;
use crate::http::reply::{self, Reply, charged, charged_with};
use crate::http::resource::Routes;
use crate::problem::{Kind, Problem};
use crate::wire::{HistoryReply, StateReply};

/// Most events of a history; a query returns all of them.
const HISTORY_EVENTS: u64 = 10_000;
/// A history ends at this many bytes.
const HISTORY_BYTES: usize = 32 << 20;

/// The paths of this resource. A name such as `..` cannot be in a path, because clients resolve it.
pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/api/v1/entities/{id}/state", state)
        .get("/api/v1/entities/{id}/snapshot", snapshot)
        .get("/api/v1/entities/state", state_by_parameter)
        .get("/api/v1/entities/snapshot", snapshot_by_parameter)
}

/// Parameters of a state.
const STATE: [&str; 5] = ["as_of", "at_version", "at_position", "history", "tenant_id"];

/// A request for the state of an entity.
struct StateRequest {
    entity: Entity,
    as_of: AsOf,
    /// Whether to include the history; `None` if the request does not say.
    history: Option<bool>,
}

impl StateRequest {
    /// Parses a request. `id` is the entity if the path names it; otherwise a parameter does.
    fn of(id: Option<&str>, caller: &Caller, uri: &Uri, known: &[&'static str]) -> Result<Self, Problem> {
        let params = match id {
            Some(_) => Params::of(uri, known)?,
            None => Params::of(uri, &[known, &["entity_id"]].concat())?,
        };
        let id = id.or_else(|| params.text("entity_id")).ok_or_else(|| invalid("entity_id", "is missing"))?;
        let entity = Entity::of(caller.tenant(), EntityId::new(id)?);
        Ok(Self { entity, as_of: moment(&params)?, history: params.flag("history")? })
    }

    fn reply<'a>(&'a self, state: &'a EntityState, history: Option<&'a HistoryReply>) -> StateReply<'a> {
        let as_of = if let AsOf::Time(time) = self.as_of { Some(time) } else { None };
        StateReply { entity_id: self.entity.id().as_str(), state, as_of, history }
    }

    fn unknown(&self) -> Problem {
        let id = self.entity.id();
        Problem::new(
            Kind::ENTITY_NOT_FOUND,
            match self.as_of {
                AsOf::Now => format!("the entity `{id}` has no events"),
                _ => format!("`{id}` had no events at that moment"),
            },
        )
    }

    /// Refuses a version that the entity has not reached, and a position beyond the end of the log.
    fn check_reached(&self, state: &EntityState, last: Option<Position>) -> Result<(), Problem> {
        let (id, newest) = (self.entity.id(), state.version());
        match self.as_of {
            AsOf::Version(version) if version > newest => {
                let detail = format!("`{id}` has no version {version}: its newest is {newest}");
                Err(Problem::new(Kind::VERSION_NOT_FOUND, detail)
                    .with("entity_id", id.as_str())
                    .with("current_version", newest.value()))
            }
            AsOf::Position(position) if Some(position) > last => {
                let last = last.map_or(0, Position::value);
                let problem = format!("is beyond the end of the log: its last position is {last}");
                Err(invalid("at_position", &problem))
            }
            _ => Ok(()),
        }
    }
}

/// The moment of the state; at most one parameter names it.
fn moment(params: &Params) -> Result<AsOf, Problem> {
    let names = ["as_of", "at_version", "at_position"];
    let mut given = names.into_iter().filter(|name| params.text(name).is_some());
    if let (Some(one), Some(other)) = (given.next(), given.next()) {
        return Err(invalid(other, &format!("and {one} cannot both be given")));
    }
    if let Some(time) = params.time("as_of")? {
        return Ok(AsOf::Time(time));
    }
    if let Some(number) = params.parsed("at_version", "a version: a whole number from 1")? {
        let version = Version::new(number).ok_or_else(|| invalid("at_version", "must be at least 1"))?;
        return Ok(AsOf::Version(version));
    }
    Ok(params.position("at_position")?.map_or(AsOf::Now, AsOf::Position))
}

/// `GET /api/v1/entities/{id}/state`: the merged payloads, now or as of a time, version or position.
async fn state(
    State(app): State<Arc<App>>,
    PathName(id): PathName,
    caller: Caller,
    uri: Uri,
    headers: HeaderMap,
) -> Reply {
    state_of(&app, StateRequest::of(Some(&id), &caller, &uri, &STATE)?, headers).await
}

/// `GET /api/v1/entities/state?entity_id=…`.
async fn state_by_parameter(
    State(app): State<Arc<App>>,
    caller: Caller,
    uri: Uri,
    headers: HeaderMap,
) -> Reply {
    state_of(&app, StateRequest::of(None, &caller, &uri, &STATE)?, headers).await
}

async fn state_of(app: &App, asked: StateRequest, headers: HeaderMap) -> Reply {
    let mut charge = app.budget().charge();
    let is_with_history = asked.history.unwrap_or_else(|| app.has_state_history());
    let mut history = is_with_history.then(|| History::charged_to(app.budget().charge()));
    let store = app.store().clone();
    app.store()
        .look(move |look| {
            let mut take = history.as_mut().map(|history| |event: &EventRef| history.take(event));
            let visit = take.as_mut().map(|take| take as &mut dyn FnMut(&EventRef) -> bool);
            let folded = look.fold(&asked.entity, asked.as_of, &mut charge, visit)?;
            let state = folded.ok_or_else(|| asked.unknown())?;
            asked.check_reached(&state, store.watermark())?;
            let tag = reply::version_tag(state.version(), store.writer_of(state.position()));
            if reply::is_known(&headers, &tag) {
                return Ok(reply::not_modified(tag));
            }
            let (history, mut of_history) = history.map(|history| (history.events, history.charge)).unzip();
            let body = asked.reply(&state, history.as_ref()).to_json();
            if let (Some(charge), Some(history)) = (&mut of_history, history) {
                charge.shrink_to(history.bytes());
            }
            let mut response = charged_with(body, charge, of_history);
            response.headers_mut().insert(header::ETAG, tag);
            Ok::<_, Problem>(response)
        })
        .await
}

/// The events of a state, written as they are folded.
struct History {
    events: HistoryReply,
    charge: Charge,
}

impl History {
    fn charged_to(charge: Charge) -> Self {
        Self { events: HistoryReply::default(), charge }
    }

    /// Adds the next event; false if there is no room for more.
    fn take(&mut self, event: &EventRef) -> bool {
        // The buffer may double, and its text is copied into the answer.
        let most = 3 * (self.events.bytes() + 2 * event.record_bytes());
        if self.charge.grow_to(most).is_err() {
            return false;
        }
        self.events.add(event);
        self.events.count() < HISTORY_EVENTS && self.events.bytes() < HISTORY_BYTES
    }
}

/// `GET /api/v1/entities/{id}/snapshot`: the current state in the format of v0.6 servers.
async fn snapshot(State(app): State<Arc<App>>, PathName(id): PathName, caller: Caller, uri: Uri) -> Reply {
    snapshot_of(&app, StateRequest::of(Some(&id), &caller, &uri, &["tenant_id"])?).await
}

/// `GET /api/v1/entities/snapshot?entity_id=…`.
async fn snapshot_by_parameter(State(app): State<Arc<App>>, caller: Caller, uri: Uri) -> Reply {
    snapshot_of(&app, StateRequest::of(None, &caller, &uri, &["tenant_id"])?).await
}

async fn snapshot_of(app: &App, asked: StateRequest) -> Reply {
    let mut charge = app.budget().charge();
    app.store()
        .look(move |look| {
            let folded = look.fold(&asked.entity, asked.as_of, &mut charge, None)?;
            let state = folded.ok_or_else(|| asked.unknown())?;
            Ok::<_, Problem>(charged(asked.reply(&state, None).to_old_json(), charge))
        })
        .await
}
