//! Subscriptions: catch up from what is stored, then follow what becomes durable. A subscriber pulls at its own
//! pace; there is no queue that could overflow, and one position is the whole cursor.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::error::ReadError;
use crate::event::{EventRef, Filter};
use crate::lineage::{Cursor, CursorError, Lineage};
use crate::position::Position;
use crate::query::Query;
use crate::read::Events;
use crate::view::{Resident, Store, View};
use crate::watermark::Watermark;

/// Events are read in stretches of so many positions, so that a filter that matches nothing still moves on.
const STRETCH: u64 = 65_536;
/// Events fetched at a time.
const FETCH: usize = 256;

/// Where a subscription begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the first event of the store.
    Beginning,
    /// After this position, which must not be beyond the end of the log. Whether the subscriber has seen the very
    /// event that the log holds there, only a cursor can tell.
    After(Position),
    /// After this cursor, if this log goes on where it stands.
    Cursor(Cursor),
    /// After what is durable now.
    Now,
}

/// What a subscription says.
#[derive(Debug, Clone)]
pub enum Message {
    /// An event, in position order.
    Event(EventRef),
    /// All that was durable has been delivered, up to this position; what follows is live. Said once.
    CaughtUp(Option<Position>),
    /// Nothing more matches up to this position: a cursor may move there.
    Progress(Position),
}

/// A live, gapless sequence of events.
pub struct Subscription {
    store: Arc<Store>,
    watermark: Arc<Watermark>,
    lineage: Arc<Lineage>,
    filter: Filter,
    /// Everything up to here has been looked at.
    seen: u64,
    /// Everything up to here has been handed out.
    delivered: u64,
    ready: VecDeque<EventRef>,
    is_caught_up: bool,
    /// The position of the last event or progress that was said.
    said: u64,
    /// The last stretch that was fetched holds nothing that matches.
    is_barren: bool,
}

impl Subscription {
    pub(crate) fn new(
        store: Arc<Store>,
        watermark: Arc<Watermark>,
        lineage: Arc<Lineage>,
        start: Start,
        filter: Filter,
    ) -> Result<Self, CursorError> {
        let end = watermark.position();
        let check = |cursor| lineage.check(cursor, end).map(|position| position.map_or(0, Position::value));
        let seen = match start {
            Start::Beginning => 0,
            Start::After(position) => check(Cursor { position: position.value(), incarnation: None })?,
            Start::Cursor(cursor) => check(cursor)?,
            Start::Now => end,
        };
        let ready = VecDeque::new();
        let (delivered, said, is_caught_up, is_barren) = (seen, seen, false, false);
        Ok(Self { store, watermark, lineage, filter, seen, delivered, ready, is_caught_up, said, is_barren })
    }

    /// Up to where everything has been delivered.
    pub fn position(&self) -> Option<Position> {
        Position::new(self.delivered)
    }

    /// Where it stands: a subscription from [`Start::Cursor`] with it goes on there, also after a restart, and is
    /// refused by a store that holds another history.
    pub fn cursor(&self) -> Cursor {
        self.lineage.cursor(self.delivered)
    }

    /// The next message if there is one already.
    ///
    /// # Errors
    /// When the data it would come from is damaged.
    pub fn try_next(&mut self) -> Option<Result<Message, ReadError>> {
        loop {
            if let Resident::Known(next) = self.try_next_in_memory() {
                return next;
            }
            if let Err(error) = self.read_ahead() {
                return Some(Err(error));
            }
        }
    }

    /// As [`Subscription::try_next`], without reading a file.
    pub fn try_next_in_memory(&mut self) -> Resident<Option<Result<Message, ReadError>>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.delivered = event.position().value();
                self.said = self.delivered;
                return Resident::Known(Some(Ok(Message::Event(event))));
            }
            self.delivered = self.seen;
            let watermark = self.watermark.position();
            if self.seen >= watermark {
                if !self.is_caught_up {
                    self.is_caught_up = true;
                    self.said = self.seen;
                    return Resident::Known(Some(Ok(Message::CaughtUp(self.position()))));
                }
                return Resident::Known(self.progress());
            }
            if std::mem::take(&mut self.is_barren)
                && let Some(progress) = self.progress()
            {
                return Resident::Known(Some(progress));
            }
            let layers = self.store.layers();
            if layers.sealed_position() > self.seen {
                return Resident::NeedsFiles;
            }
            if let Err(error) = self.fetch(View { layers, watermark }) {
                return Resident::Known(Some(Err(error)));
            }
        }
    }

    /// Fetches what comes next, from sealed files if it lies there.
    ///
    /// # Errors
    /// When the data is damaged.
    pub fn read_ahead(&mut self) -> Result<(), ReadError> {
        let watermark = self.watermark.position();
        if !self.ready.is_empty() || self.seen >= watermark {
            return Ok(());
        }
        self.fetch(View { layers: self.store.layers(), watermark })
    }

    fn progress(&mut self) -> Option<Result<Message, ReadError>> {
        if self.said >= self.seen {
            return None;
        }
        self.said = self.seen;
        Position::new(self.seen).map(|position| Ok(Message::Progress(position)))
    }

    fn fetch(&mut self, view: View) -> Result<(), ReadError> {
        assert!(self.ready.is_empty(), "what was fetched is handed out first");
        let top = view.watermark.min(self.seen.saturating_add(STRETCH));
        let query = Query {
            from: Position::new(self.seen.saturating_add(1)),
            to: Position::new(top),
            limit: Some(FETCH),
            ..Query::matching(self.filter.clone())
        };
        for event in Events::plan(view, &query) {
            match event {
                Ok(event) => self.ready.push_back(event),
                // What comes before damage is delivered first; the next fetch meets the damage again.
                Err(error) => {
                    let Some(last) = self.ready.back() else { return Err(error) };
                    self.seen = last.position().value();
                    return Ok(());
                }
            }
        }
        self.seen = match self.ready.back() {
            Some(last) if self.ready.len() == FETCH => last.position().value(),
            _ => top,
        };
        self.is_barren = self.ready.is_empty();
        Ok(())
    }

    /// The next message, waiting for it; `None` once the store is closed.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Message, ReadError>>> {
        loop {
            match self.poll_next_in_memory(context) {
                Poll::Ready(Resident::Known(next)) => return Poll::Ready(next),
                Poll::Ready(Resident::NeedsFiles) => {
                    if let Err(error) = self.read_ahead() {
                        return Poll::Ready(Some(Err(error)));
                    }
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// As [`Subscription::poll_next`], without reading a file: where one is needed, [`Subscription::read_ahead`] reads
    /// it, on any thread.
    pub fn poll_next_in_memory(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Resident<Option<Result<Message, ReadError>>>> {
        loop {
            match self.try_next_in_memory() {
                Resident::Known(None) => {}
                next => return Poll::Ready(next),
            }
            if !self.watermark.poll_above(self.seen, context.waker()) {
                return Poll::Pending;
            }
            if self.watermark.is_closed() && self.watermark.position() <= self.seen {
                return Poll::Ready(Resident::Known(None));
            }
        }
    }

    /// The next message, waiting at most `timeout`; `None` when there is none by then, or the store is closed.
    pub fn next_timeout(&mut self, timeout: Duration) -> Option<Result<Message, ReadError>> {
        self.try_next().or_else(|| {
            self.watermark.wait_above(self.seen, timeout);
            self.try_next()
        })
    }
}
