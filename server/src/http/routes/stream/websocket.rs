//! WebSocket: one text frame per message. A client that gives no parameters gets bare events, as v0.6 servers sent
//! them. A client can set a filter with a text frame.

mod closing;

use std::sync::Arc;
use std::time::Duration;

use allsource_engine::event::Filter;
use allsource_engine::{Message, Position, Start};
use axum::extract::ws::{Message as Frame, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::bytes_of;
use super::parameters::StreamRequest;
use crate::app::App;
use crate::background::Member;
use crate::budget::Charge;
use crate::http::filter::{self, Conditions};
use crate::problem::{Kind, Problem};
use crate::store::{Error, Following};
use crate::wire::{parse_object, write_event};
use closing::End;

/// The interval of pings to a silent client.
const HEARTBEAT: Duration = Duration::from_secs(20);
/// A client that reads nothing for this long is gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest frame of a client: clients send only filters.
const FRAME_BYTES_MAX: usize = 16 << 10;

pub(super) fn serve(
    upgrade: WebSocketUpgrade,
    app: Arc<App>,
    asked: StreamRequest,
) -> Result<Response, Problem> {
    let following = app.store().subscribe(asked.start, asked.filter.clone())?;
    let upgrade = upgrade.max_message_size(FRAME_BYTES_MAX).max_frame_size(FRAME_BYTES_MAX);
    let charge = app.budget().charge_of_stream();
    let member = app.requests().join();
    Ok(upgrade.on_upgrade(|socket| {
        Connection { app, member, asked, following, socket, charge, waited_for: 0, is_answering: true }.run()
    }))
}

struct Connection {
    app: Arc<App>,
    member: Member,
    asked: StreamRequest,
    following: Following,
    socket: WebSocket,
    /// The charge of the frame being sent and of the prefetched events.
    charge: Charge,
    /// The number of bytes that the connection waited for.
    waited_for: usize,
    /// Whether the client sent anything since the last ping.
    is_answering: bool,
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
            let outcome = tokio::select! {
                () = self.member.stopping() => {
                    return End::Close(close_code::AWAY, "the server is stopping".to_owned());
                }
                frame = self.socket.recv() => match frame {
                    Some(Ok(frame)) => self.receive(frame).await,
                    Some(Err(error)) => return End::of(error),
                    None => return End::Gone,
                },
                message = self.following.next() => match message {
                    Some(message) => self.send_in_budget(message).await,
                    None => return End::Close(close_code::AWAY, "the store is closed".to_owned()),
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
        self.send(Frame::Ping(Default::default())).await
    }

    /// Sends a message once there is room for it. A message that waits for room is fetched again.
    async fn send_in_budget(&mut self, message: Result<Message, Error>) -> Result<(), End> {
        let bytes = bytes_of(&message);
        if self.charge.grow_to(bytes + self.following.prefetched_bytes()).is_err() {
            self.following.release();
        }
        // After waiting, the charge is as large as it can get, so the message is sent in any case.
        let is_room = self.charge.grow_to(bytes).is_ok() || self.waited_for >= bytes;
        match message {
            Ok(message) if !is_room => {
                self.following.put_back(message);
                self.charge.shrink_to(0);
                let budget = self.app.budget().clone();
                self.charge = tokio::select! {
                    () = self.member.stopping() => return Ok(()),
                    charge = budget.take(bytes) => charge,
                };
                self.waited_for = bytes;
                Ok(())
            }
            message => {
                let outcome = self.send_message(message).await;
                self.waited_for = 0;
                self.charge.shrink_to(self.following.prefetched_bytes());
                outcome
            }
        }
    }

    async fn send_message(&mut self, message: Result<Message, Error>) -> Result<(), End> {
        match message {
            Ok(Message::Event(event)) => {
                let mut out = Vec::with_capacity(512);
                if !self.asked.is_bare {
                    let position = event.position();
                    let cursor = self.app.store().cursor(Some(position));
                    let head = format!(
                        "{{\"type\":\"event\",\"position\":{position},\"cursor\":\"{cursor}\",\"event\":"
                    );
                    out.extend_from_slice(head.as_bytes());
                }
                write_event(&mut out, &event, self.app.store().partitions());
                if !self.asked.is_bare {
                    out.push(b'}');
                }
                self.app.metrics().streamed(1);
                self.send_text(out).await
            }
            Ok(_) if self.asked.is_bare => Ok(()),
            Ok(Message::CaughtUp(position)) => self.mark("caught_up", position).await,
            Ok(Message::Progress(position)) => self.mark("progress", Some(position)).await,
            Err(error) => {
                self.complain(error.into()).await?;
                Err(End::Close(close_code::ERROR, "stored data is damaged".to_owned()))
            }
        }
    }

    async fn receive(&mut self, frame: Frame) -> Result<(), End> {
        self.is_answering = true;
        match frame {
            Frame::Text(text) => match self.filter(&text) {
                Ok(filter) => {
                    let seen = Start::Cursor(self.app.store().cursor(self.following.position()));
                    match self.app.store().subscribe(seen, filter) {
                        Ok(following) => self.following = following,
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
            Frame::Ping(_) | Frame::Pong(_) => Ok(()),
        }
    }

    fn filter(&self, text: &str) -> Result<Filter, Problem> {
        let conditions: Conditions = parse_object(text.as_bytes(), &filter::NAMES)?;
        conditions.filter(self.asked.tenant.clone())
    }

    async fn mark(&mut self, kind: &str, position: Option<Position>) -> Result<(), End> {
        let cursor = self.app.store().cursor(position);
        let (kind, position) = (format!("\"type\":\"{kind}\""), cursor.position);
        self.send_text(format!("{{{kind},\"position\":{position},\"cursor\":\"{cursor}\"}}").into_bytes())
            .await
    }

    async fn complain(&mut self, problem: Problem) -> Result<(), End> {
        let position = self.following.position().map_or(0, |position| position.value());
        let frame = serde_json::json!({"type": "error", "position": position, "problem": problem.to_value()});
        self.send_text(frame.to_string().into_bytes()).await
    }

    async fn send_text(&mut self, text: Vec<u8>) -> Result<(), End> {
        let text = Utf8Bytes::try_from(text)
            .map_err(|_| End::Close(close_code::ERROR, "an event is not text".to_owned()))?;
        self.send(Frame::Text(text)).await
    }

    async fn send(&mut self, frame: Frame) -> Result<(), End> {
        match timeout(SEND_TIMEOUT, self.socket.send(frame)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::Gone),
        }
    }
}
