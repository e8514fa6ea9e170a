//! Finding events.

mod asked;
mod payload;

use std::sync::Arc;

use allsource_engine::{Position, Version};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::Response;

use super::page::Cursor;
use crate::admission::Caller;
use crate::app::App;
use crate::http::chunks::Chunks;
use crate::http::reply::{self, Reply, json, of_type};
use crate::store::{Error, Look, Store};
use crate::wire::write_event;
use asked::Asked;

/// A page ends at so many bytes: a few large events must not fill the memory.
const PAGE_BYTES: usize = 32 << 20;
/// A page ends after looking at so many events, whether they are part of the answer or not.
const LOOKED_AT_MAX: u64 = 100_000;

/// `GET /api/v1/events/query`: a page of JSON, or every event as NDJSON if that is what the caller accepts.
pub(super) async fn query(
    State(app): State<Arc<App>>,
    caller: Caller,
    uri: Uri,
    headers: HeaderMap,
) -> Reply {
    let is_ndjson = reply::accepts(&headers, "application/x-ndjson");
    let asked = Asked::of(&uri, &caller, app.store(), is_ndjson)?;
    app.metrics().query(asked.kind());
    let mut response = if is_ndjson { stream(&app, asked) } else { one_page(&app, asked, headers).await? };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept, x-tenant-id"));
    Ok(response)
}

fn stream(app: &App, mut asked: Asked) -> Response {
    let payload = asked.payload.take();
    let mut skip = asked.skip;
    let keep = move |event: &_| {
        let is_match = payload.as_ref().is_none_or(|conditions| conditions.hold(event));
        let is_skipped = is_match && skip > 0;
        skip -= u64::from(is_skipped);
        is_match && !is_skipped
    };
    let store = app.store().clone();
    let chunks = Chunks { store, query: asked.query, keep: Box::new(keep), left: asked.limit };
    of_type("application/x-ndjson", chunks.into_body())
}

async fn one_page(app: &App, asked: Asked, headers: HeaderMap) -> Reply {
    let store = app.store().clone();
    let answer = move |look: &Look<'_>| {
        let version = asked.entity_version(look)?;
        let tag = version.flatten().map(reply::version_tag);
        if let Some(tag) = tag.clone().filter(|tag| reply::is_known(&headers, tag)) {
            return Ok::<_, Error>((reply::not_modified(tag), 0));
        }
        let page = page(look, &store, asked, version)?;
        let mut response = json(page.body);
        response.headers_mut().extend(tag.map(|tag| (header::ETAG, tag)));
        Ok((response, page.count))
    };
    let (response, count) = app.store().look(answer).await?;
    app.metrics().results(count);
    Ok(response)
}

struct Page {
    body: Vec<u8>,
    count: u64,
}

/// `version`: that of the entity asked about, if one is.
fn page(
    look: &Look<'_>,
    store: &Store,
    asked: Asked,
    version: Option<Option<Version>>,
) -> Result<Page, Error> {
    let mut body = b"{\"events\":[".to_vec();
    let (mut count, mut looked_at, mut skip, mut next) = (0, 0, asked.skip, None);
    for event in look.read(&asked.query)? {
        let event = event?;
        let is_match = asked.keeps(&event);
        let is_over = looked_at == LOOKED_AT_MAX || body.len() >= PAGE_BYTES;
        if is_over || (is_match && skip == 0 && count == asked.limit) {
            next = Some(Cursor { top: asked.top, next: event.position().value(), skip });
            break;
        }
        looked_at += 1;
        if is_match && skip > 0 {
            skip -= 1;
        } else if is_match {
            if count > 0 {
                body.push(b',');
            }
            write_event(&mut body, &event, store.partitions());
            count += 1;
        }
    }
    let mut rest = format!("],\"count\":{count},\"has_more\":{}", next.is_some());
    rest.push_str(&match next {
        Some(cursor) => {
            let seen = store.cursor(Position::new(cursor.top));
            format!(",\"next_cursor\":\"{}\"", cursor.to_text(seen, asked.question))
        }
        None => ",\"next_cursor\":null".to_owned(),
    });
    if let Some(total) = asked.total(look)? {
        rest.push_str(&format!(",\"total_count\":{total}"));
    }
    if let Some(version) = version {
        rest.push_str(&format!(",\"entity_version\":{}", version.map_or(0, Version::value)));
    }
    body.extend_from_slice(rest.as_bytes());
    body.push(b'}');
    Ok(Page { body, count: count as u64 })
}
