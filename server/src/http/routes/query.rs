//! Queries for events.

mod parameters;
mod payload;
mod search;

use std::sync::Arc;

use allsource_engine::event::EventRef;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::Response;

use crate::admission::Caller;
use crate::app::App;
use crate::http::chunks::{Chunks, Room};
use crate::http::reply::{self, Reply, of_type};
use crate::http::resource::Routes;
use crate::store::{Error, Look};
use parameters::EventQuery;
use search::{Page, Step};

/// The paths of this resource.
pub(super) fn routes() -> Routes {
    Routes::default().get("/api/v1/events", query).get("/api/v1/events/query", query)
}

/// `GET /api/v1/events` and `GET /api/v1/events/query`: a page of JSON, or every event as NDJSON if the caller
/// prefers that.
async fn query(State(app): State<Arc<App>>, caller: Caller, uri: Uri, headers: HeaderMap) -> Reply {
    let is_ndjson = reply::prefers(&headers, "application/x-ndjson", "application/json");
    let asked = EventQuery::of(&uri, &caller, app.store(), is_ndjson).await?;
    app.metrics().query(asked.kind());
    let mut response = if is_ndjson { stream(&app, asked) } else { one_page(&app, asked, headers).await? };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept, x-tenant-id"));
    Ok(response)
}

fn stream(app: &App, mut asked: EventQuery) -> Response {
    let payload = asked.payload.take();
    let mut skip = asked.skip;
    let keep = move |event: &_| {
        let is_match = payload.as_ref().is_none_or(|conditions| conditions.hold(event));
        let is_skipped = is_match && skip > 0;
        skip -= u64::from(is_skipped);
        is_match && !is_skipped
    };
    let store = app.store().clone();
    let chunks = Chunks {
        store,
        budget: app.budget().clone(),
        query: asked.query,
        keep: Box::new(keep),
        left: asked.limit,
        room: Room::default(),
    };
    of_type("application/x-ndjson", chunks.into_body())
}

async fn one_page(app: &App, asked: EventQuery, headers: HeaderMap) -> Reply {
    let (store, charge) = (app.store().clone(), app.budget().charge());
    let begin = move |look: &Look<'_>| {
        let newest = asked.entity_newest(look)?;
        let tag_of =
            |event: &EventRef| reply::version_tag(event.version(), store.writer_of(event.position()));
        let tag = newest.as_ref().and_then(Option::as_ref).map(tag_of);
        let version = newest.map(|newest| newest.map(|event| event.version()));
        if let Some(tag) = tag.clone().filter(|tag| reply::is_known(&headers, tag)) {
            return Ok::<_, Error>((Step::Done(reply::not_modified(tag), 0), None));
        }
        Ok((Page::of(asked, store, version, charge).step(look)?, tag))
    };
    let (mut step, tag) = app.store().look(begin).await?;
    loop {
        match step {
            Step::Open(page) => step = app.store().look(move |look| page.step(look)).await?,
            Step::Done(mut response, count) => {
                app.metrics().results(count);
                response.headers_mut().extend(tag.map(|tag| (header::ETAG, tag)));
                return Ok(response);
            }
        }
    }
}
