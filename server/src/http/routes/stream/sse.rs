//! Server-sent events: `id` is a cursor, so `Last-Event-ID` resumes where a broken connection ended.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use allsource_engine::{Cursor, Message};
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use tokio::time::timeout;

use super::parameters::StreamRequest;
use super::{FRAME_BYTES, LARGE_BYTES, bytes_of};
use crate::app::App;
use crate::background::Member;
use crate::budget::Charge;
use crate::http::kept::kept;
use crate::http::reply::of_type;
use crate::http::socket::Client;
use crate::metrics::InFlight;
use crate::problem::Problem;
use crate::store::{Error, Following};
use crate::wire::{event_bytes_max, write_event_line};

/// A heartbeat. The system of a client that has gone answers it with a reset, which ends the stream; a client that has
/// only closed its half of the connection reads it.
const HEARTBEAT_TEXT: Bytes = Bytes::from_static(b": heartbeat\n\n");
/// The interval of heartbeats: proxies close connections that are silent for longer.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Ready messages are sent together: all prefetched ones, and more up to this many bytes.
const PIECE_BYTES: usize = 32 << 10;

struct Follower {
    app: Arc<App>,
    following: Following,
    member: Member,
    is_over: bool,
    /// The client, as long as it has not closed its half of the connection.
    client: Option<Client>,
    _open: InFlight,
}

pub(super) fn serve(
    app: Arc<App>,
    asked: StreamRequest,
    client: Option<Client>,
) -> Result<Response, Problem> {
    let follower = Follower {
        following: app.store().subscribe(asked.start, asked.filter)?,
        member: app.requests().join(),
        is_over: false,
        client,
        _open: app.metrics().stream("sse"),
        app,
    };
    let body = Body::from_stream(stream::unfold(follower, |mut follower| async {
        let piece = follower.piece().await?;
        Some((Ok::<_, Infallible>(piece), follower))
    }));
    let mut response = of_type("text/event-stream", body);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

impl Follower {
    /// The next piece to send; `None` at the end. It stays charged until the client has read it.
    async fn piece(&mut self) -> Option<Bytes> {
        if self.is_over {
            return None;
        }
        let mut charge = self.app.budget().charge_of_stream();
        loop {
            let first = tokio::select! {
                () = self.member.stopping() => return None,
                () = half_closed(self.client.as_ref()) => {
                    self.client = None;
                    return Some(HEARTBEAT_TEXT);
                }
                first = timeout(HEARTBEAT, self.following.next()) => first,
            };
            let message = match first {
                Err(_) => return Some(HEARTBEAT_TEXT),
                Ok(message) => message?,
            };
            let bytes = bytes_of(&message);
            // After waiting, the charge is as large as it can get, so the message is sent in any case.
            let is_room = charge.grow_to(bytes).is_ok() || charge.bytes() > 0;
            match message {
                Ok(Message::Event(event)) if !is_room => self.following.put_back(event),
                message => return self.piece_of(message, charge).await,
            }
            charge = tokio::select! {
                () = self.member.stopping() => return None,
                charge = self.app.budget().take(bytes) => charge,
            };
        }
    }

    /// A piece of this message and of as many further ones as are ready and have room.
    async fn piece_of(&mut self, first: Result<Message, Error>, mut charge: Charge) -> Option<Bytes> {
        let mut total = bytes_of(&first);
        let mut messages = vec![first];
        self.is_over = messages.iter().any(Result::is_err);
        while (total < PIECE_BYTES || self.following.prefetched_bytes() > 0) && !self.is_over {
            let Some(message) = self.following.try_next() else { break };
            let bytes = bytes_of(&message);
            match message {
                Ok(Message::Event(event)) if charge.grow_to(total + bytes).is_err() => {
                    self.following.put_back(event);
                    break;
                }
                message => {
                    self.is_over = message.is_err();
                    total += bytes;
                    messages.push(message);
                }
            }
        }
        self.following.release();
        let app = Arc::clone(&self.app);
        let write = move || {
            let piece = encoded(&app, messages);
            charge.shrink_to(piece.capacity());
            kept(piece, charge)
        };
        // At shutdown the rest of the stream is left to the client's next connection.
        if total < LARGE_BYTES { Some(write()) } else { self.app.store().encode(write).await.ok() }
    }
}

async fn half_closed(client: Option<&Client>) {
    match client {
        Some(client) => client.half_closed().await,
        None => std::future::pending().await,
    }
}

/// The text of the messages. Takes them, so that their memory is free once they are written.
fn encoded(app: &App, messages: Vec<Result<Message, Error>>) -> Vec<u8> {
    let text_bytes = |message: &Result<Message, Error>| match message {
        Ok(Message::Event(event)) => event_bytes_max(event) + FRAME_BYTES,
        _ => FRAME_BYTES,
    };
    let mut out = Vec::with_capacity(messages.iter().map(text_bytes).sum());
    for message in messages {
        write(&mut out, app, message);
    }
    out
}

fn write(out: &mut Vec<u8>, app: &App, message: Result<Message, Error>) {
    let store = app.store();
    match message {
        Ok(Message::Event(event)) => {
            let cursor = store.cursor(Some(event.position()));
            out.extend_from_slice(format!("id: {cursor}\ndata: ").as_bytes());
            write_event_line(out, &event, store.partitions());
            app.metrics().streamed(1);
        }
        Ok(Message::CaughtUp(position)) => write_mark(out, "caught_up", store.cursor(position)),
        Ok(Message::Progress(position)) => write_mark(out, "progress", store.cursor(Some(position))),
        Err(error) => {
            let problem = Problem::from(error).to_value();
            out.extend_from_slice(format!("event: error\ndata: {problem}").as_bytes());
        }
    }
    out.extend_from_slice(b"\n\n");
}

fn write_mark(out: &mut Vec<u8>, kind: &str, cursor: Cursor) {
    let position = cursor.position;
    let data = format!("{{\"position\":{position},\"cursor\":\"{cursor}\"}}");
    let text = format!("event: {kind}\nid: {cursor}\ndata: {data}");
    out.extend_from_slice(text.as_bytes());
}
