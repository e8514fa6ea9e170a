//! Fills a page piece by piece. Between two pieces other work gets the thread, and a client that has gone ends the
//! search.

use std::time::Duration;

use allsource_engine::event::{EventRef, Filter, TenantId};
use allsource_engine::{Found, Order, Position, Query, Version};
use axum::response::Response;
use tokio::time::Instant;

use super::parameters::EventQuery;
use crate::budget::{Buffer, Charge, Exhausted};
use crate::http::reply::charged;
use crate::store::{Error, Look, Store};
use crate::wire::{EVENTS_HEAD, PageCursor, PageEnd, end_events, event_bytes_max, write_event};

/// A page ends at this many bytes, so that a few large events do not fill the memory.
const PAGE_BYTES: usize = 8 << 20;
/// The beginning of a page, and the most bytes of its end.
const REST_BYTES: usize = 512;
/// A page with at least one event ends after examining this many events.
const LOOKS_MAX: u64 = 100_000;
/// A page ends after this much time.
const WORK_MAX: Duration = Duration::from_secs(2);
/// A piece yields its worker thread after this much time.
const PIECE: Duration = Duration::from_millis(100);
/// Events examined between two checks of the time.
const STEP: u64 = 1_000;

/// A page in progress.
pub(super) struct Page {
    asked: EventQuery,
    store: Store,
    /// The version of the requested entity, if one is requested.
    version: Option<Option<Version>>,
    body: Buffer,
    count: usize,
    /// Matching events still to skip.
    skip: u64,
    looked_at: u64,
    worked: Duration,
    end: End,
}

/// The result of one piece of work.
pub(super) enum Step {
    /// A page whose search continues.
    Open(Box<Page>),
    /// The answer, and its number of events.
    Done(Response, u64),
}

/// Whether and why a page has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The search continues.
    Open,
    /// Nothing more matches.
    Complete,
    /// The page is full; the next one begins at this position.
    Full(u64),
    /// The search ran out of time; the next page continues at this position.
    Partial(u64),
}

impl Page {
    pub(super) fn of(
        asked: EventQuery,
        store: Store,
        version: Option<Option<Version>>,
        charge: Charge,
    ) -> Self {
        let (body, skip) = (Buffer::new(charge), asked.skip);
        let (count, looked_at, worked, end) = (0, 0, Duration::ZERO, End::Open);
        Self { asked, store, version, body, count, skip, looked_at, worked, end }
    }

    /// Does one piece of work.
    pub(super) fn step(mut self, look: &Look<'_>) -> Result<Step, Error> {
        assert!(self.end == End::Open, "a page that has ended is not searched");
        self.search(look)?;
        if self.end == End::Open {
            return Ok(Step::Open(Box::new(self)));
        }
        let count = self.count as u64;
        let (body, charge) = self.finish(look)?.into_parts();
        Ok(Step::Done(charged(body, charge), count))
    }

    /// Searches for a while.
    fn search(&mut self, look: &Look<'_>) -> Result<(), Error> {
        let (started, worked) = (Instant::now(), self.worked);
        let mut events = look.read(&self.with_version_bound(look)?)?;
        let mut looks = STEP;
        while self.end == End::Open {
            let before = looks;
            let found = events.search(&mut looks)?;
            self.looked_at += before - looks;
            match found {
                Found::End => self.end = End::Complete,
                Found::Event(event) => self.take(&event)?,
                Found::Paused(position) => {
                    looks = STEP;
                    let piece = started.elapsed();
                    self.worked = worked + piece;
                    if self.worked >= WORK_MAX || (self.looked_at >= LOOKS_MAX && self.count > 0) {
                        self.end = self.stopped_at(position.value());
                    } else if piece >= PIECE {
                        self.go_on_at(position);
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// The rest of the query. In the history of an entity, a version leads straight to the next event; a position leads
    /// only to a generation, whose part of the history each page would read from its beginning.
    fn with_version_bound(&self, look: &Look<'_>) -> Result<Query, Error> {
        let mut query = self.asked.query.clone();
        let at = match query.order {
            Order::Ascending => query.from,
            Order::Descending => query.to.filter(|to| to.value() != self.asked.top),
        };
        let filter = &query.filter;
        let (Some(at), Some(entity)) = (at, filter.entity_id.as_ref()) else { return Ok(query) };
        // A version ties the search to the entity's list; that of a requested type or tag may be shorter.
        let plain =
            Filter { types: Vec::new(), type_prefixes: Vec::new(), tags: Vec::new(), ..filter.clone() };
        if plain != *filter {
            return Ok(query);
        }
        let one = Query { from: Some(at), to: Some(at), ..Query::all() };
        let Some(event) = look.read(&one)?.next().transpose()? else { return Ok(query) };
        let tenant = filter.tenant.as_ref().map(TenantId::as_str);
        if (tenant, event.entity_id()) != (Some(event.tenant()), entity.as_str()) {
            return Ok(query);
        }
        let version = Some(event.version());
        match query.order {
            Order::Ascending => query.filter.from_version = version.max(query.filter.from_version),
            Order::Descending => {
                query.filter.to_version = version.min(query.filter.to_version.or(version));
            }
        }
        Ok(query)
    }

    /// Adds the next event that the engine found. Where the budget has no room for it, the page ends before it.
    fn take(&mut self, event: &EventRef) -> Result<(), Exhausted> {
        if !self.asked.keeps(event) {
            return Ok(());
        }
        if self.skip > 0 {
            self.skip -= 1;
            return Ok(());
        }
        if self.count == self.asked.limit || self.body.len() >= PAGE_BYTES {
            self.end = End::Full(event.position().value());
            return Ok(());
        }
        let (partitions, is_first) = (self.store.partitions(), self.count == 0);
        let written = self.body.write(event_bytes_max(event) + REST_BYTES, |out| {
            out.extend_from_slice(if is_first { EVENTS_HEAD } else { b"," });
            write_event(out, event, partitions);
        });
        match written {
            Ok(()) => self.count += 1,
            Err(Exhausted) if is_first => return Err(Exhausted),
            Err(Exhausted) => self.end = End::Full(event.position().value()),
        }
        Ok(())
    }

    /// Marks a page with as many events as it may hold as full, wherever the search for the next event has stopped.
    fn stopped_at(&self, position: u64) -> End {
        if self.count == self.asked.limit { End::Full(position) } else { End::Partial(position) }
    }

    fn go_on_at(&mut self, position: Position) {
        let query = &mut self.asked.query;
        match query.order {
            Order::Ascending => query.from = Some(position),
            Order::Descending => query.to = Some(position),
        }
    }

    /// The whole answer.
    fn finish(mut self, look: &Look<'_>) -> Result<Buffer, Error> {
        assert!(self.end != End::Open, "a page is answered once it has ended");
        let next = match self.end {
            End::Full(next) | End::Partial(next) => {
                Some(PageCursor { top: self.asked.top, next, skip: self.skip })
            }
            End::Complete | End::Open => None,
        };
        let text = |cursor: PageCursor| {
            cursor.to_text(self.store.cursor(Position::new(cursor.top)), self.asked.question)
        };
        let end = end_events(&PageEnd {
            count: self.count,
            has_more: next.is_some(),
            partial: matches!(self.end, End::Partial(_)).then_some(true),
            next_cursor: next.map(text),
            total_count: self.asked.total(look)?,
            entity_version: self.version.map(|version| version.map_or(0, Version::value)),
        });
        if self.count == 0 {
            self.body.extend(EVENTS_HEAD)?;
        }
        self.body.extend(&end)?;
        Ok(self.body)
    }
}
