//! Long answers in constant memory: a piece is made when the one before it is on its way.

use allsource_engine::Events;
use allsource_engine::error::ReadError;
use allsource_engine::event::EventRef;
use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;

use crate::wire::write_event_line;

/// A piece is sent once it has so many bytes.
const PIECE_BYTES: usize = 128 << 10;

/// Decides whether an event is part of the answer.
pub(super) type Keep = Box<dyn FnMut(&EventRef) -> bool + Send>;

/// An answer of one event a line.
pub(super) struct Chunks {
    pub(super) events: Events,
    pub(super) keep: Keep,
    pub(super) partitions: u32,
    /// Most events.
    pub(super) left: usize,
}

impl Chunks {
    /// The body that sends it. Damage breaks the connection off: a shortened answer would look complete.
    pub(super) fn into_body(self) -> Body {
        Body::from_stream(stream::try_unfold(Some(self), |chunks| async {
            let Some(chunks) = chunks else { return Ok::<_, std::io::Error>(None) };
            let piece = tokio::task::spawn_blocking(move || chunks.piece());
            let (bytes, rest) = piece.await.map_err(std::io::Error::other)?.map_err(std::io::Error::other)?;
            Ok(Some((Bytes::from(bytes), rest)))
        }))
    }

    fn piece(mut self) -> Result<(Vec<u8>, Option<Self>), ReadError> {
        let mut out = Vec::new();
        while self.left > 0 {
            let Some(event) = self.events.next().transpose()? else { break };
            if !(self.keep)(&event) {
                continue;
            }
            write_event_line(&mut out, &event, self.partitions);
            out.push(b'\n');
            self.left -= 1;
            if out.len() >= PIECE_BYTES {
                return Ok((out, Some(self)));
            }
        }
        Ok((out, None))
    }
}
