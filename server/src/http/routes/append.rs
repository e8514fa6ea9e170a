//! Appends one event, and holds what it shares with batches.

use std::sync::Arc;

use allsource_engine::event::Entity;
use allsource_engine::{ExpectedVersion, Version};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::Response;

use crate::admission::{Caller, Events, KEY_RULE, Key, Terms};
use crate::app::App;
use crate::budget::Hold;
use crate::http::body;
use crate::http::headers::{invalid_header, only};
use crate::http::params::Params;
use crate::http::reply::{Reply, json};
use crate::http::resource::Routes;
use crate::problem::{Kind, Problem};
use crate::store::Store;
use crate::wire::{parse_event, working_bytes, write_commit};

/// The paths of this resource.
pub(super) fn routes() -> Routes {
    Routes::default().post("/api/v1/events", append)
}

/// The terms that a request sets for all of its events.
pub(super) fn terms(caller: Caller, uri: &Uri, headers: &HeaderMap) -> Result<Terms, Problem> {
    Params::of(uri, &["tenant_id"])?;
    Ok(Terms::of(caller, idempotency_key(headers)?))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<Key>, Problem> {
    const NAME: &str = "Idempotency-Key";
    let Some(text) = only(headers, NAME)? else { return Ok(None) };
    let key = Key::new(text).ok_or_else(|| invalid_header(NAME, &format!("must be {KEY_RULE}")))?;
    Ok(Some(key))
}

/// The version that the headers expect of the entity, and the incarnation that must have written it.
fn expected_by_headers(headers: &HeaderMap) -> Result<Option<(ExpectedVersion, Option<String>)>, Problem> {
    match (only(headers, "If-Match")?, only(headers, "If-None-Match")?) {
        (None, None) => Ok(None),
        (Some("*"), None) => Ok(Some((ExpectedVersion::Exists, None))),
        (None, Some("*")) => Ok(Some((ExpectedVersion::Empty, None))),
        (Some(tag), None) => {
            let tag = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).unwrap_or(tag);
            let (number, writer) = tag.split_once('-').map_or((tag, None), |(number, id)| (number, Some(id)));
            let problem = || {
                let forms = "must be `*`, one version in quotes, like \"3\", or the ETag of a response";
                invalid_header("If-Match", forms)
            };
            let version = number.parse().ok().and_then(Version::new).ok_or_else(problem)?;
            Ok(Some((ExpectedVersion::At(version), writer.map(str::to_owned))))
        }
        (None, Some(_)) => Err(invalid_header("If-None-Match", "can only be `*` on an append")),
        (Some(_), Some(_)) => Err(invalid_header("If-None-Match", "contradicts If-Match")),
    }
}

/// Refuses the ETag of a version that another history wrote. A version that the entity has not reached is left to the
/// append.
async fn check_writer(store: &Store, entity: &Entity, version: Version, writer: &str) -> Result<(), Problem> {
    let wrote = store.writer_of_version(entity, version).await?;
    if wrote.is_none_or(|wrote| wrote.to_string() == writer) {
        return Ok(());
    }
    let detail = format!("another history wrote the version {version} of this ETag; read the entity again");
    Err(Problem::new(Kind::PRECONDITION_FAILED, detail).with("expected_version", version.value()))
}

/// `POST /api/v1/events`.
async fn append(
    State(app): State<Arc<App>>,
    caller: Caller,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Reply {
    let outcome = append_event(&app, caller, &uri, &headers, body).await;
    if outcome.is_err() {
        app.metrics().ingestion_error();
    }
    outcome
}

async fn append_event(app: &App, caller: Caller, uri: &Uri, headers: &HeaderMap, body: Body) -> Reply {
    body::check_encoding(headers)?;
    if !body::is_json(body::media_type(headers)) {
        return Err(body::unsupported(headers, "application/json; send many events to /api/v1/events/batch"));
    }
    let terms = terms(caller, uri, headers)?;
    let (by_headers, writer) = expected_by_headers(headers)?.unzip();
    let (bytes, mut charge) = body::read(app.budget(), headers, body).await?.into_parts();
    charge.grow_by_derived(working_bytes(bytes.len()))?;
    let name = if headers.contains_key(header::IF_MATCH) { "If-Match" } else { "If-None-Match" };
    let (length, of_request, charge) = (bytes.len(), terms.clone(), Hold::from(charge));
    let of_worker = charge.clone();
    let admit = move || {
        let _charge = of_worker;
        let parsed = parse_event(&bytes)?;
        if by_headers.is_some() && parsed.expects() {
            return Err(invalid_header(name, "and the field expected_version cannot both be given"));
        }
        of_request.admit(&parsed, 0, by_headers.unwrap_or_else(|| parsed.expected()))
    };
    let admitted = app.store().compute(length, admit).await??;
    let entity = admitted.entity().clone();
    if let (Some(ExpectedVersion::At(version)), Some(writer)) = (by_headers, writer.flatten()) {
        check_writer(app.store(), &entity, version, &writer).await?;
    }
    let events = Events::from(vec![admitted]).charged_to(charge);
    let commit = app.admission().append(&terms, &events).await.map_err(|error| {
        let problem = terms.problem(error.into());
        let is_precondition = by_headers.is_some() && problem.kind() == Kind::VERSION_CONFLICT;
        if is_precondition { problem.of_kind(Kind::PRECONDITION_FAILED) } else { problem }
    })?;
    let mut out = Vec::with_capacity(192);
    for committed in &commit.events {
        write_commit(&mut out, &entity, committed, commit.acknowledged, app.store().partitions());
    }
    let mut response = json(out);
    mark_replayed(&terms, commit.events.iter().all(|committed| committed.replayed), &mut response);
    Ok(response)
}

/// Adds the header that marks a repeated request under a key.
pub(super) fn mark_replayed(terms: &Terms, is_replayed: bool, response: &mut Response) {
    if terms.key().is_some() && is_replayed {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
}
