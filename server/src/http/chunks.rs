//! Long answers in constant memory: a piece is made when the one before it is on its way. Nothing of the store is held
//! while a client does not read.

use allsource_engine::event::EventRef;
use allsource_engine::{Found, Order, Position, Query, Version};
use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;

use crate::store::{Error, Look, Store};
use crate::wire::write_event_line;

/// A piece is sent once it has so many bytes.
const PIECE_BYTES: usize = 128 << 10;
/// A worker looks at so many events before another gets its thread.
const LOOKED_AT_MAX: u64 = 100_000;

/// Decides whether an event is part of the answer.
pub(super) type Keep = Box<dyn FnMut(&EventRef) -> bool + Send>;

/// An answer of one event a line.
pub(super) struct Chunks {
    pub(super) store: Store,
    /// What is left to be asked.
    pub(super) query: Query,
    pub(super) keep: Keep,
    /// Most events.
    pub(super) left: usize,
}

/// What a worker made, and what is left to be done.
struct Piece {
    bytes: Vec<u8>,
    rest: Option<Chunks>,
}

impl Chunks {
    /// The body that sends it. An error breaks the connection off: a shortened answer would look complete.
    pub(super) fn into_body(self) -> Body {
        Body::from_stream(stream::try_unfold(Some(self), |mut chunks| async {
            while let Some(rest) = chunks {
                let store = rest.store.clone();
                let piece = store.look(move |look| rest.piece(look)).await.map_err(std::io::Error::other)?;
                if !piece.bytes.is_empty() {
                    return Ok::<_, std::io::Error>(Some((Bytes::from(piece.bytes), piece.rest)));
                }
                chunks = piece.rest;
            }
            Ok(None)
        }))
    }

    fn piece(mut self, look: &Look<'_>) -> Result<Piece, Error> {
        let (mut bytes, mut looks, partitions) = (Vec::new(), LOOKED_AT_MAX, self.store.partitions());
        let mut events = look.read(&self.query)?;
        loop {
            let event = match events.search(&mut looks)? {
                Found::Event(event) => event,
                Found::End => break,
                Found::Paused(position) => {
                    match self.query.order {
                        Order::Ascending => self.query.from = Some(position),
                        Order::Descending => self.query.to = Some(position),
                    }
                    return Ok(Piece { bytes, rest: Some(self) });
                }
            };
            if (self.keep)(&event) {
                write_event_line(&mut bytes, &event, partitions);
                bytes.push(b'\n');
                self.left -= 1;
            }
            if self.left == 0 {
                break;
            }
            if bytes.len() >= PIECE_BYTES {
                let rest = beyond(&self.query, &event).map(|query| Self { query, ..self });
                return Ok(Piece { bytes, rest });
            }
        }
        Ok(Piece { bytes, rest: None })
    }
}

/// The same question about what comes after an event; `None`: nothing does.
fn beyond(query: &Query, event: &EventRef) -> Option<Query> {
    let mut rest = query.clone();
    // Versions lead to the place in a long history at once, positions only to its files.
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
