//! Long answers in constant memory: each piece is built once the one before it is being sent. A client that does not
//! read holds nothing of the store.

use allsource_engine::event::EventRef;
use allsource_engine::{Found, Order, Position, Query, Version};
use axum::body::Body;
use futures_util::stream;

use super::kept::kept;
use crate::budget::{Budget, Buffer, Charge};
use crate::store::{Error, Look, Store};
use crate::wire::{event_bytes_max, write_event_line};

/// A piece is sent once it has this many bytes.
const PIECE_BYTES: usize = 128 << 10;
/// A worker examines at most this many events before it yields its thread.
const LOOKED_AT_MAX: u64 = 100_000;

/// The charge of an ordinary piece. A larger event waits again, for a charge of its own size.
const ROOM_BYTES: usize = 2 * PIECE_BYTES;

/// Decides whether an event is part of the answer.
pub(super) type Keep = Box<dyn FnMut(&EventRef) -> bool + Send>;

/// An answer with one event per line.
pub(super) struct Chunks {
    pub(super) store: Store,
    pub(super) budget: Budget,
    /// The rest of the query.
    pub(super) query: Query,
    pub(super) keep: Keep,
    /// Most events still to send.
    pub(super) left: usize,
    /// The room that the next piece needs.
    pub(super) room: Room,
}

/// The room that a piece needs in the budget.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Room {
    /// For ordinary events.
    #[default]
    Usual,
    /// For one large event of this many bytes.
    ForOne(usize),
}

impl Room {
    fn bytes(self) -> usize {
        match self {
            Self::Usual => ROOM_BYTES,
            Self::ForOne(bytes) => bytes,
        }
    }
}

/// One piece, and the rest of the answer.
struct Piece {
    bytes: Buffer,
    rest: Option<Chunks>,
}

impl Chunks {
    /// The body of the answer. An error breaks the connection: a shortened answer would look complete.
    pub(super) fn into_body(self) -> Body {
        Body::from_stream(stream::try_unfold(Some(self), |mut chunks| async {
            while let Some(rest) = chunks {
                let store = rest.store.clone();
                let charge = rest.budget.take(rest.room.bytes()).await;
                let made = store.look(move |look| rest.piece(look, charge)).await;
                let piece = made.map_err(std::io::Error::other)?;
                if !piece.bytes.is_empty() {
                    let (bytes, charge) = piece.bytes.into_parts();
                    let bytes = kept(bytes, charge);
                    return Ok::<_, std::io::Error>(Some((bytes, piece.rest)));
                }
                chunks = piece.rest;
            }
            Ok(None)
        }))
    }

    fn piece(mut self, look: &Look<'_>, charge: Charge) -> Result<Piece, Error> {
        let (mut bytes, mut looks, partitions) =
            (Buffer::new(charge), LOOKED_AT_MAX, self.store.partitions());
        let mut events = look.read(&self.query)?;
        let mut last = None;
        loop {
            let event = match events.search(&mut looks)? {
                Found::Event(event) => event,
                Found::End => break,
                Found::Paused(position) => {
                    match self.query.order {
                        Order::Ascending => self.query.from = Some(position),
                        Order::Descending => self.query.to = Some(position),
                    }
                    let rest = Some(Self { room: Room::Usual, ..self });
                    return Ok(Piece { bytes, rest });
                }
            };
            let need = event_bytes_max(&event) + 1;
            // After waiting, the charge is as large as it can get, so the event is sent in any case.
            let is_waited_for = bytes.is_empty() && self.room.bytes() >= need;
            if bytes.reserve(need).is_err() && !is_waited_for {
                let query = match &last {
                    Some(last) => beyond(&self.query, last),
                    None => Some(self.query.clone()),
                };
                let room = if bytes.is_empty() { Room::ForOne(need) } else { Room::Usual };
                return Ok(Piece { bytes, rest: query.map(|query| Self { query, room, ..self }) });
            }
            if (self.keep)(&event) {
                bytes.write_waited_for(|out| {
                    write_event_line(out, &event, partitions);
                    out.push(b'\n');
                });
                self.left -= 1;
            }
            if self.left == 0 {
                break;
            }
            if bytes.len() >= PIECE_BYTES {
                let room = Room::Usual;
                let rest = beyond(&self.query, &event).map(|query| Self { query, room, ..self });
                return Ok(Piece { bytes, rest });
            }
            last = Some(event);
        }
        Ok(Piece { bytes, rest: None })
    }
}

/// The query for the events after this one; `None` if there can be none.
fn beyond(query: &Query, event: &EventRef) -> Option<Query> {
    let mut rest = query.clone();
    // A version leads straight to the place in a long history; a position only to its files.
    let is_history = query.filter.tenant.is_some() && query.filter.entity_id.is_some();
    let version = event.version().value();
    match query.order {
        Order::Ascending => {
            rest.from = Position::new(event.position().value() + 1);
            if is_history {
                rest.filter.from_version = Version::new(version + 1);
            }
        }
        Order::Descending => {
            rest.to = Some(Position::new(event.position().value() - 1)?);
            if is_history {
                rest.filter.to_version = Some(Version::new(version - 1)?);
            }
        }
    }
    Some(rest)
}
