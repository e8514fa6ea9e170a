//! Finding events.

mod asked;
mod payload;

use std::sync::Arc;

use allsource_engine::Position;
use allsource_engine::error::ReadError;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::Response;

use super::page::Cursor;
use crate::app::App;
use crate::http::blocking::blocking;
use crate::http::chunks::Chunks;
use crate::http::reply::{self, Reply, json, of_type};
use crate::wire::write_event;
use asked::Asked;

/// A page ends at so many bytes: a few large events must not fill the memory.
const PAGE_BYTES: usize = 32 << 20;
/// A page ends after looking at so many events, whether they are part of the answer or not.
const LOOKED_AT_MAX: u64 = 100_000;

/// `GET /api/v1/events/query`: a page of JSON, or every event as NDJSON if that is what the caller accepts.
pub(super) async fn query(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap) -> Reply {
    let is_ndjson = reply::accepts(&headers, "application/x-ndjson");
    let asked = Asked::of(&uri, &headers, app.engine(), is_ndjson)?;
    app.metrics().query(asked.kind());
    let mut response = if is_ndjson {
        stream(&app, asked)?
    } else {
        let version = match asked.query.filter.entity_id {
            Some(_) => asked.entity_version(app.engine())?,
            None => None,
        };
        let tag = version.map(reply::version_tag);
        if let Some(tag) = tag.clone().filter(|tag| reply::is_known(&headers, tag)) {
            let mut response = reply::not_modified(tag);
            response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept, x-tenant-id"));
            return Ok(response);
        }
        let answering = Arc::clone(&app);
        let page =
            blocking(move || page(&answering, asked, version.map_or(0, |version| version.value()))).await?;
        app.metrics().results(page.count);
        let mut response = json(page.body);
        response.headers_mut().extend(tag.map(|tag| (header::ETAG, tag)));
        response
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept, x-tenant-id"));
    Ok(response)
}

fn stream(app: &App, mut asked: Asked) -> Result<Response, ReadError> {
    let payload = asked.payload.take();
    let mut skip = asked.skip;
    let keep = move |event: &_| {
        let is_match = payload.as_ref().is_none_or(|conditions| conditions.hold(event));
        let is_skipped = is_match && skip > 0;
        skip -= u64::from(is_skipped);
        is_match && !is_skipped
    };
    let chunks = Chunks {
        events: app.engine().read(&asked.query)?,
        keep: Box::new(keep),
        partitions: app.engine().partitions(),
        left: asked.limit,
    };
    Ok(of_type("application/x-ndjson", chunks.into_body()))
}

struct Page {
    body: Vec<u8>,
    count: u64,
}

fn page(app: &App, asked: Asked, entity_version: u64) -> Result<Page, ReadError> {
    let engine = app.engine();
    let mut body = b"{\"events\":[".to_vec();
    let (mut count, mut looked_at, mut skip, mut next) = (0, 0, asked.skip, None);
    for event in engine.read(&asked.query)? {
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
            write_event(&mut body, &event, engine.partitions());
            count += 1;
        }
    }
    let mut rest = format!("],\"count\":{count},\"has_more\":{}", next.is_some());
    rest.push_str(&match next {
        Some(cursor) => {
            let seen = engine.cursor(Position::new(cursor.top));
            format!(",\"next_cursor\":\"{}\"", cursor.to_text(seen, asked.question))
        }
        None => ",\"next_cursor\":null".to_owned(),
    });
    if let Some(total) = asked.total(engine)? {
        rest.push_str(&format!(",\"total_count\":{total}"));
    }
    if entity_version > 0 {
        rest.push_str(&format!(",\"entity_version\":{entity_version}"));
    }
    body.extend_from_slice(rest.as_bytes());
    body.push(b'}');
    Ok(Page { body, count: count as u64 })
}

/// The highest position a question can be about when it is first asked.
fn top(engine: &allsource_engine::Engine) -> u64 {
    engine.watermark().map_or(0, Position::value)
}
