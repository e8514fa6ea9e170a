//! Appending one event, and what appends of one and of many have in common.

use std::sync::Arc;

use allsource_engine::event::TenantId;
use allsource_engine::{Commit, ExpectedVersion, Version};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::Response;
use uuid::Uuid;

use crate::admission::{Admitted, append_one};
use crate::app::App;
use crate::http::params::Params;
use crate::http::reply::{Reply, json};
use crate::http::{body, tenant};
use crate::problem::{Kind, Problem};
use crate::store::Store;
use crate::wire::{EventBody, parse_event, write_commit};

/// Under which ids of keys are derived.
const KEY_NAMESPACE: Uuid = Uuid::from_u128(0x8a0e_73c6_54d1_4b7e_9d2b_1f6a_c3e0_5b94);
const KEY_BYTES_MAX: usize = 255;

/// Whether some events of a request may have been refused while others were appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MayLack {
    Some,
    None,
}

/// What a request says about all of its events.
pub(super) struct Terms {
    pub(super) tenant: Option<TenantId>,
    pub(super) key: Option<String>,
}

impl Terms {
    pub(super) fn of(uri: &Uri, headers: &HeaderMap) -> Result<Self, Problem> {
        let params = Params::of(uri, &["tenant_id"])?;
        Ok(Self { tenant: tenant::named(&params, headers)?, key: idempotency_key(headers)? })
    }

    /// Lets the event through that is the `index`th of its request.
    pub(super) fn admit(
        &self,
        body: &EventBody<'_>,
        index: u64,
        expected: ExpectedVersion,
    ) -> Result<Admitted, Problem> {
        let tenant = tenant::of_body(self.tenant.as_ref(), body.tenant_id.as_deref())?;
        let mut event = body.event()?;
        if let Some(key) = &self.key {
            if body.has_id() {
                let detail = "an event of a request with an Idempotency-Key cannot have an `id` of its own";
                return Err(Problem::new(Kind::INVALID_EVENT, detail).with("field", "id"));
            }
            event = event.id(derived_id(&tenant, key, index));
        }
        Admitted::new(body.entity(tenant)?, expected, event)
    }

    /// Refuses a key that was used before with another number of events. What `may_lack` some was not atomic: the
    /// events missing at its end may have been refused.
    pub(super) async fn check_end(
        &self,
        store: &Store,
        tenant: &TenantId,
        count: u64,
        may_lack: MayLack,
    ) -> Result<(), Problem> {
        let Some(key) = &self.key else { return Ok(()) };
        let mut indexes = vec![count];
        if may_lack == MayLack::None && count > 1 {
            indexes.extend([0, count - 1]);
        }
        let ids = indexes.into_iter().map(|index| derived_id(tenant, key, index)).collect();
        let has = store.has_events(tenant.clone(), ids).await?;
        match has.as_slice() {
            [true, ..] | [_, true, false] => Err(key_reused("another number of events")),
            _ => Ok(()),
        }
    }

    /// What a failed append is to the caller: with a key, a taken id means another body.
    pub(super) fn problem(&self, problem: Problem) -> Problem {
        if self.key.is_some() && problem.kind() == Kind::DUPLICATE_ID {
            key_reused("another event")
        } else {
            problem
        }
    }
}

fn key_reused(what: &str) -> Problem {
    Problem::new(Kind::KEY_REUSED, format!("this Idempotency-Key was used before with {what}"))
}

/// A key stands for ids: so it holds for as long as the events themselves, without a table of keys.
fn derived_id(tenant: &TenantId, key: &str, index: u64) -> Uuid {
    Uuid::new_v5(&KEY_NAMESPACE, format!("{tenant}\n{index}\n{key}").as_bytes())
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    match value.to_str() {
        Ok(key) if (1..=KEY_BYTES_MAX).contains(&key.len()) => Ok(Some(key.to_owned())),
        _ => Err(invalid_header("Idempotency-Key", "must be 1 to 255 visible ASCII characters")),
    }
}

pub(super) fn invalid_header(name: &str, problem: &str) -> Problem {
    Problem::new(Kind::INVALID_HEADER, format!("{name} {problem}")).with("header", name)
}

/// What the headers expect of the entity.
fn expected_by_headers(headers: &HeaderMap) -> Result<Option<ExpectedVersion>, Problem> {
    let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or("").trim());
    match (text(header::IF_MATCH), text(header::IF_NONE_MATCH)) {
        (None, None) => Ok(None),
        (Some("*"), None) => Ok(Some(ExpectedVersion::Exists)),
        (None, Some("*")) => Ok(Some(ExpectedVersion::Empty)),
        (Some(tag), None) => {
            let number = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).unwrap_or(tag);
            let version = number.parse().ok().and_then(Version::new);
            let problem = || invalid_header("If-Match", "must be `*` or one version in quotes, like \"3\"");
            version.map(|version| Some(ExpectedVersion::At(version))).ok_or_else(problem)
        }
        (None, Some(_)) => Err(invalid_header("If-None-Match", "can only be `*` on an append")),
        (Some(_), Some(_)) => Err(invalid_header("If-None-Match", "contradicts If-Match")),
    }
}

/// `POST /api/v1/events`.
pub(super) async fn append(
    State(app): State<Arc<App>>,
    uri: Uri,
    headers: HeaderMap,
    mut body: Body,
) -> Reply {
    let outcome = append_event(&app, &uri, &headers, &mut body).await;
    if outcome.is_err() {
        app.metrics().ingestion_error();
        body::discard(body).await;
    }
    outcome
}

async fn append_event(app: &App, uri: &Uri, headers: &HeaderMap, body: &mut Body) -> Reply {
    body::check_encoding(headers)?;
    if !body::is_json(body::media_type(headers)) {
        return Err(body::unsupported(headers, "application/json; many events go to /api/v1/events/batch"));
    }
    let terms = Terms::of(uri, headers)?;
    let by_headers = expected_by_headers(headers)?;
    let bytes = body::read(headers, body).await?;
    let parsed = parse_event(&bytes)?;
    if by_headers.is_some() && parsed.expected_version.is_some() {
        let name = if headers.contains_key(header::IF_MATCH) { "If-Match" } else { "If-None-Match" };
        return Err(invalid_header(name, "and the field expected_version cannot both be given"));
    }
    let admitted = terms.admit(&parsed, 0, by_headers.unwrap_or_else(|| parsed.expected()))?;
    let entity = admitted.entity().clone();
    terms.check_end(app.store(), entity.tenant(), 1, MayLack::None).await?;
    let commit = append_one(app.store(), admitted).await.map_err(|error| {
        let problem = terms.problem(error.into());
        let is_precondition = by_headers.is_some() && problem.kind() == Kind::VERSION_CONFLICT;
        if is_precondition { problem.status_of(412) } else { problem }
    })?;
    let mut out = Vec::with_capacity(192);
    for committed in &commit.events {
        write_commit(&mut out, &entity, committed, commit.acknowledged, app.store().partitions());
    }
    let mut response = json(out);
    mark_replayed(&terms, &commit, &mut response);
    Ok(response)
}

/// Says in a header that a key's request was answered before.
pub(super) fn mark_replayed(terms: &Terms, commit: &Commit, response: &mut Response) {
    if terms.key.is_some() && commit.events.iter().all(|committed| committed.replayed) {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
}
