//! WebSocket: one text message for each message of the stream. A client that gives no parameters gets bare events, as
//! v0.6 servers sent them. A client can set a filter with a text message.

mod upgrade;
mod closing;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use allsource_engine::event::{EventRef, Filter};
use allsource_engine::{Message, Position, Start};
use axum::response::Response;
use bytes::Bytes;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::parameters::StreamRequest;
use super::{FRAME_BYTES, LARGE_BYTES, bytes_of};
use crate::app::App;
use crate::background::Member;
use crate::budget::Charge;
use crate::http::filter::{self, Conditions};
use crate::http::kept::kept;
use crate::problem::{Kind, Problem};
use crate::store::{Error, Following, Store};
use crate::wire::{event_bytes_max, parse_object, write_event};
use closing::End;
use upgrade::Socket;

pub(super) use upgrade::Upgrade;

/// The interval of pings to a silent client.
const HEARTBEAT: Duration = Duration::from_secs(20);

pub(super) fn serve(upgrade: Upgrade, app: Arc<App>, asked: StreamRequest) -> Result<Response, Problem> {
    let following = app.store().subscribe(asked.start, asked.filter.clone())?;
    let (response, socket) = upgrade.into_parts();
    let requests = app.requests().clone();
    requests.spawn("websocket", |member| async move {
        match socket.await {
            Ok(socket) => {
                let room = Room::None;
                let connection =
                    Connection { app, member, asked, following, socket, room, is_answering: true };
                connection.run().await;
            }
            Err(error) => tracing::debug!(%error, "a connection did not become a WebSocket"),
        }
    });
    Ok(response)
}

struct Connection {
    app: Arc<App>,
    member: Member,
    asked: StreamRequest,
    following: Following,
    socket: Socket,
    room: Room,
    /// Whether the client sent anything since the last ping.
    is_answering: bool,
}

/// Room in the budget for the next message.
enum Room {
    /// None was needed so far.
    None,
    /// The connection waits for this many bytes. It holds no charge meanwhile.
    Wanted(usize, Pin<Box<dyn Future<Output = Charge> + Send>>),
    /// The connection waited for this many bytes. The charge is as large as it can get.
    Granted(usize, Charge),
}

impl Room {
    /// Waits for the room that is wanted; for ever if none is.
    async fn granted(&mut self) -> (usize, Charge) {
        match self {
            Self::Wanted(bytes, charge) => (*bytes, charge.await),
            Self::None | Self::Granted(..) => std::future::pending().await,
        }
    }
}

impl Connection {
    async fn run(mut self) {
        let _open = self.app.metrics().stream("websocket");
        match self.follow().await {
            End::Gone => {}
            end => end.say(self.socket).await,
        }
    }

    async fn follow(&mut self) -> End {
        let mut heartbeat = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
        // A send may take longer than an interval; the client then gets a whole interval to answer.
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_waiting = matches!(self.room, Room::Wanted(..));
            let outcome = tokio::select! {
                () = self.member.stopping() => {
                    return End::Close(CloseCode::Away, "the server is stopping".to_owned());
                }
                frame = self.socket.receive() => match frame {
                    Some(Ok(frame)) => self.receive(frame).await,
                    Some(Err(error)) => return End::of(&error),
                    None => return End::Gone,
                },
                (bytes, charge) = self.room.granted() => {
                    self.room = Room::Granted(bytes, charge);
                    Ok(())
                }
                message = self.following.next(), if !is_waiting => match message {
                    Some(message) => self.send_in_budget(message).await,
                    None => return End::Close(CloseCode::Away, "the store is closed".to_owned()),
                },
                _ = heartbeat.tick() => self.ping().await,
            };
            if let Err(end) = outcome {
                return end;
            }
        }
    }

    async fn ping(&mut self) -> Result<(), End> {
        if !std::mem::take(&mut self.is_answering) {
            return Err(End::Gone);
        }
        Ok(self.socket.send(Frame::Ping(Bytes::new())).await?)
    }

    /// Sends a message if there is room for it. A message that has to wait for room is fetched again.
    async fn send_in_budget(&mut self, message: Result<Message, Error>) -> Result<(), End> {
        let bytes = bytes_of(&message);
        let (waited_for, mut charge) = match std::mem::replace(&mut self.room, Room::None) {
            Room::Granted(bytes, charge) => (bytes, charge),
            Room::None | Room::Wanted(..) => (0, self.app.budget().charge_of_stream()),
        };
        let is_room = charge.grow_to(bytes + self.following.prefetched_bytes()).is_ok();
        if !is_room {
            self.following.release();
        }
        match message {
            Ok(Message::Event(event)) if !is_room && charge.grow_to(bytes).is_err() && bytes > waited_for => {
                self.following.put_back(event);
                drop(charge);
                let budget = self.app.budget().clone();
                self.room = Room::Wanted(bytes, Box::pin(async move { budget.take(bytes).await }));
                Ok(())
            }
            message => self.send_message(message, charge).await,
        }
    }

    async fn send_message(&mut self, message: Result<Message, Error>, mut charge: Charge) -> Result<(), End> {
        let text = match message {
            Ok(Message::Event(event)) => {
                let (store, is_bare) = (self.app.store().clone(), self.asked.is_bare);
                let (most, prefetched) = (event_bytes_max(&event), self.following.prefetched_bytes());
                let write = move || {
                    let out = write_message(&store, &event, is_bare);
                    drop(event);
                    charge.shrink_to(out.capacity() + prefetched);
                    kept(out, charge)
                };
                self.app.metrics().streamed(1);
                if most < LARGE_BYTES { write() } else { self.encode(write).await? }
            }
            Ok(_) if self.asked.is_bare => return Ok(()),
            Ok(Message::CaughtUp(position)) => self.mark("caught_up", position),
            Ok(Message::Progress(position)) => self.mark("progress", Some(position)),
            Err(error) => {
                self.complain(error.into()).await?;
                return Err(End::Close(CloseCode::Error, "stored data is damaged".to_owned()));
            }
        };
        Ok(self.socket.send_text(text).await?)
    }

    async fn encode(&mut self, write: impl FnOnce() -> Bytes + Send + 'static) -> Result<Bytes, End> {
        let encoded = self.app.store().encode(write).await;
        encoded.map_err(|error| End::Close(CloseCode::Away, error.to_string()))
    }

    async fn receive(&mut self, frame: Frame) -> Result<(), End> {
        self.is_answering = true;
        match frame {
            Frame::Text(text) => match self.filter(&text) {
                Ok(filter) => {
                    let seen = Start::Cursor(self.app.store().cursor(self.following.position()));
                    match self.app.store().subscribe(seen, filter) {
                        Ok(following) => {
                            self.following = following;
                            self.room = Room::None;
                        }
                        Err(error) => return self.complain(error.into()).await,
                    }
                    Ok(())
                }
                Err(problem) => self.complain(problem).await,
            },
            Frame::Binary(_) => {
                let detail = "a filter is a text frame like {\"event_type\":\"order.placed\"}";
                self.complain(Problem::new(Kind::INVALID_BODY, detail)).await
            }
            Frame::Close(_) => Err(End::Closed),
            Frame::Ping(_) | Frame::Pong(_) | Frame::Frame(_) => Ok(()),
        }
    }

    fn filter(&self, text: &str) -> Result<Filter, Problem> {
        let conditions: Conditions = parse_object(text.as_bytes(), &filter::NAMES)?;
        conditions.filter(self.asked.tenant.clone())
    }

    fn mark(&self, kind: &str, position: Option<Position>) -> Bytes {
        let cursor = self.app.store().cursor(position);
        let (kind, position) = (format!("\"type\":\"{kind}\""), cursor.position);
        format!("{{{kind},\"position\":{position},\"cursor\":\"{cursor}\"}}").into()
    }

    async fn complain(&mut self, problem: Problem) -> Result<(), End> {
        let position = self.following.position().map_or(0, |position| position.value());
        let frame = serde_json::json!({"type": "error", "position": position, "problem": problem.to_value()});
        Ok(self.socket.send_text(frame.to_string().into()).await?)
    }
}

fn write_message(store: &Store, event: &EventRef, is_bare: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(event_bytes_max(event) + FRAME_BYTES);
    if !is_bare {
        let position = event.position();
        let cursor = store.cursor(Some(position));
        let head = format!("{{\"type\":\"event\",\"position\":{position},\"cursor\":\"{cursor}\",\"event\":");
        out.extend_from_slice(head.as_bytes());
    }
    write_event(&mut out, event, store.partitions());
    if !is_bare {
        out.push(b'}');
    }
    out
}
