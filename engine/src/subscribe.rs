//! Subscriptions: they catch up with the stored events, then follow new ones. A subscriber pulls at its own pace. There is no
//! queue that could overflow; its only state is one position.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::error::ReadError;
use crate::event::{EventRef, Filter};
use crate::lineage::{Cursor, CursorError, Lineage};
use crate::platform::Clock;
use crate::position::Position;
use crate::query::Query;
use crate::read::Events;
use crate::signal::Alarm;
use crate::subscribers::{Id, REMIND_AFTER, Subscribers};
use crate::view::{Resident, Store, View};

/// A fetch covers at most this many positions, so that a filter without matches still advances.
const STRETCH: u64 = 65_536;
/// A fetch ends after this many events, or once they have this many bytes.
const FETCH_EVENTS: usize = 256;
const FETCH_BYTES: usize = 64 << 10;
/// A subscriber whose filter matches nothing gets its position after this many positions.
const PROGRESS_DISTANCE: u64 = 10_000;

/// Where a subscription begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the first event of the store.
    Beginning,
    /// At this position, which is at most the one after the end of the log.
    At(Position),
    /// After this position, which must not be beyond the end of the log. Only a cursor can detect that the log holds a
    /// different event there from the one the subscriber has seen.
    After(Position),
    /// After this cursor, if its history is a prefix of this log.
    Cursor(Cursor),
    /// After what is durable now.
    Now,
}

/// A message of a subscription.
#[derive(Debug, Clone)]
pub enum Message {
    /// An event, in position order.
    Event(EventRef),
    /// Everything that was durable has been delivered, up to this position; what follows is live. Sent once.
    CaughtUp(Option<Position>),
    /// Nothing more matches up to this position: a cursor may move there. Sent about once a second, or every 10,000
    /// positions while catching up.
    Progress(Position),
}

/// What subscriptions read from.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) store: Arc<Store>,
    pub(crate) subscribers: Arc<Subscribers>,
    pub(crate) lineage: Arc<Lineage>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// A live, gapless sequence of events.
pub struct Subscription {
    source: Source,
    filter: Filter,
    /// Set once it has waited.
    id: Option<Id>,
    is_waiting: bool,
    /// Everything up to here has been searched.
    seen: u64,
    /// Everything up to here has been delivered.
    delivered: u64,
    ready: VecDeque<EventRef>,
    is_caught_up: bool,
    /// The position of the last message, and when it was sent.
    said: u64,
    said_at: Duration,
    /// The last fetch found no match.
    is_barren: bool,
}

impl Subscription {
    pub(crate) fn new(source: Source, start: Start, filter: Filter) -> Result<Self, CursorError> {
        let end = source.subscribers.watermark();
        let check =
            |cursor| source.lineage.check(cursor, end).map(|position| position.map_or(0, Position::value));
        let seen = match start {
            Start::Beginning => 0,
            Start::After(position) => check(Cursor { position: position.value(), incarnation: None })?,
            Start::At(position) => check(Cursor { position: position.value() - 1, incarnation: None })?,
            Start::Cursor(cursor) => check(cursor)?,
            Start::Now => end,
        };
        Ok(Self {
            said_at: source.clock.monotonic(),
            source,
            filter,
            id: None,
            is_waiting: false,
            seen,
            delivered: seen,
            ready: VecDeque::new(),
            is_caught_up: false,
            said: seen,
            is_barren: false,
        })
    }

    /// The position up to which everything has been delivered.
    pub fn position(&self) -> Option<Position> {
        Position::new(self.delivered)
    }

    /// The cursor of what was delivered. A subscription from [`Start::Cursor`] with it continues there, also after a
    /// restart; a store that holds another history refuses it.
    pub fn cursor(&self) -> Cursor {
        self.source.lineage.cursor(self.delivered)
    }

    /// Bytes of the events that were prefetched and not delivered yet.
    pub fn prefetched_bytes(&self) -> usize {
        self.ready.iter().map(EventRef::record_bytes).sum()
    }

    /// Drops the prefetched events: they are fetched again when they are needed.
    pub fn release(&mut self) {
        if let Some(next) = self.ready.front() {
            self.seen = next.position().value() - 1;
            self.ready = VecDeque::new();
        }
    }

    /// Takes back the event that was delivered last: it is fetched and delivered again.
    pub fn put_back(&mut self, event: EventRef) {
        assert_eq!(event.position().value(), self.delivered, "only the event delivered last can be put back");
        self.ready.push_front(event);
        self.release();
        self.delivered = self.seen;
    }

    /// The next message if there is one already.
    ///
    /// # Errors
    /// When the data is damaged or cannot be read now.
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
        self.resume();
        loop {
            if let Some(event) = self.ready.pop_front() {
                let position = event.position().value();
                assert!(self.delivered < position, "events come in the order of the log");
                self.delivered = position;
                self.say(self.delivered);
                return Resident::Known(Some(Ok(Message::Event(event))));
            }
            self.delivered = self.seen;
            let watermark = self.source.subscribers.watermark();
            if self.seen >= watermark {
                if !self.is_caught_up {
                    self.is_caught_up = true;
                    self.say(self.seen);
                    return Resident::Known(Some(Ok(Message::CaughtUp(self.position()))));
                }
                return Resident::Known(self.progress());
            }
            if std::mem::take(&mut self.is_barren)
                && let Some(progress) = self.progress()
            {
                return Resident::Known(Some(progress));
            }
            let layers = self.source.store.layers();
            if layers.sealed_position() > self.seen {
                return Resident::NeedsFiles;
            }
            if let Err(error) = self.fetch(View { layers, watermark }, &Arc::default()) {
                return Resident::Known(Some(Err(error)));
            }
        }
    }

    /// Fetches what comes next, from sealed files if it lies there.
    ///
    /// # Errors
    /// When the data is damaged.
    pub fn read_ahead(&mut self) -> Result<(), ReadError> {
        self.read_ahead_until(&Arc::default())
    }

    /// As [`Subscription::read_ahead`]. Once `stop` is true, the search ends, and what it found is dropped.
    ///
    /// # Errors
    /// When the data is damaged.
    pub fn read_ahead_until(&mut self, stop: &Arc<AtomicBool>) -> Result<(), ReadError> {
        self.resume();
        let watermark = self.source.subscribers.watermark();
        if !self.ready.is_empty() || self.seen >= watermark {
            return Ok(());
        }
        self.fetch(View { layers: self.source.store.layers(), watermark }, stop)
    }

    /// After a wait, resumes at the position up to which the notifier found no match.
    fn resume(&mut self) {
        if let Some(id) = self.id.filter(|_| std::mem::take(&mut self.is_waiting)) {
            assert!(self.ready.is_empty(), "a subscriber waits once it has delivered all it fetched");
            let through = self.source.subscribers.resume(id);
            assert!(through >= self.seen, "waiting does not take a subscriber back");
            self.seen = through;
        }
    }

    fn say(&mut self, position: u64) {
        self.said = position;
        self.said_at = self.source.clock.monotonic();
    }

    fn progress(&mut self) -> Option<Result<Message, ReadError>> {
        let distance = self.seen.saturating_sub(self.said);
        let is_due = distance >= PROGRESS_DISTANCE
            || distance > 0 && self.source.clock.monotonic().saturating_sub(self.said_at) >= REMIND_AFTER;
        if !is_due {
            return None;
        }
        self.say(self.seen);
        Position::new(self.seen).map(|position| Ok(Message::Progress(position)))
    }

    fn fetch(&mut self, view: View, stop: &Arc<AtomicBool>) -> Result<(), ReadError> {
        let is_more = self.seen < view.watermark;
        assert!(
            self.ready.is_empty() && is_more,
            "a fetch follows delivery of the one before, and has events to search"
        );
        let first = self.seen + 1;
        let top = view.watermark.min(self.seen.saturating_add(STRETCH));
        let query = Query {
            from: Position::new(first),
            to: Position::new(top),
            limit: Some(FETCH_EVENTS),
            ..Query::matching(self.filter.clone())
        };
        let mut bytes = 0;
        let mut looked = top;
        for event in Events::plan(view, &query).until(Arc::clone(stop)) {
            match event {
                Ok(event) => {
                    bytes += event.record_bytes();
                    let position = event.position().value();
                    self.ready.push_back(event.compact());
                    if bytes >= FETCH_BYTES || self.ready.len() == FETCH_EVENTS {
                        looked = position;
                        break;
                    }
                }
                // Events before the damage are delivered first; the next fetch meets the damage again.
                Err(error) => {
                    let Some(last) = self.ready.back() else { return Err(error) };
                    looked = last.position().value();
                    break;
                }
            }
        }
        if stop.load(Ordering::Relaxed) {
            self.ready.clear();
            return Ok(());
        }
        assert!(first <= looked && looked <= top, "a fetch moves on, and not past what it has searched");
        self.seen = looked;
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
            if self.wait(context.waker()) {
                return Poll::Pending;
            }
            if self.is_over() {
                return Poll::Ready(Resident::Known(None));
            }
        }
    }

    /// The next message, waiting at most `timeout`; `None` when there is none by then, or the store is closed.
    pub fn next_timeout(&mut self, timeout: Duration) -> Option<Result<Message, ReadError>> {
        let deadline = self.source.clock.monotonic() + timeout;
        let alarm = Arc::new(Alarm::default());
        loop {
            if let Some(message) = self.try_next() {
                return Some(message);
            }
            let left = deadline.saturating_sub(self.source.clock.monotonic());
            if self.wait(&Waker::from(Arc::clone(&alarm))) && !alarm.wait(left) {
                return self.try_next();
            }
            if self.is_over() {
                return None;
            }
        }
    }

    /// Registers the waker for the next event that matches. False: there may be one already.
    fn wait(&mut self, waker: &Waker) -> bool {
        let (positions, now) = ((self.seen, self.said), self.source.clock.monotonic());
        self.is_waiting = self.source.subscribers.wait(&mut self.id, &self.filter, positions, waker, now);
        self.is_waiting
    }

    fn is_over(&self) -> bool {
        self.source.subscribers.is_closed() && self.source.subscribers.watermark() <= self.seen
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.source.subscribers.leave(id);
        }
    }
}

#[cfg(test)]
mod tests;
