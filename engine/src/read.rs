//! Reading: a query becomes a plan, and the plan becomes a lazy walk through the layers.

mod plan;
mod source;
mod lane;
mod walk;
mod count;
mod moment;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::ReadError;
use crate::event::EventRef;
use crate::position::Position;
use crate::query::{Order, Query};
use crate::view::View;

use plan::Plan;
use walk::{Layer, Next, STRIDE, Walk};

pub(crate) use count::count;
pub(crate) use moment::first_recorded_since;

/// The events that match a query, found one by one. Dropping it ends the search.
pub struct Events {
    view: View,
    plan: Plan,
    query: Query,
    bottom: u64,
    top: u64,
    walk: Option<Walk>,
    /// Every candidate of the walk matches; no condition remains to be checked.
    is_plain: bool,
    /// The number of layers that the search has reached.
    begun: usize,
    left: usize,
    /// Ends the search once it is true.
    stop: Option<Arc<AtomicBool>>,
}

/// The result of a bounded search.
#[derive(Debug, Clone)]
pub enum Found {
    /// The next event.
    Event(EventRef),
    /// The search used up its budget of candidates without a match. It resumes at this position, in the order of the
    /// query.
    Paused(Position),
    /// There are no more events.
    End,
}

impl Events {
    /// Plans a query over a view.
    pub(crate) fn plan(view: View, query: &Query) -> Self {
        let top = query.to.map_or(u64::MAX, |to| to.value()).min(view.watermark);
        let bottom = query.from.map_or(1, |from| from.value());
        Self {
            plan: Plan::of(&query.filter),
            is_plain: false,
            top,
            bottom,
            left: if bottom <= top { query.limit.unwrap_or(usize::MAX) } else { 0 },
            query: query.clone(),
            view,
            walk: None,
            begun: 0,
            stop: None,
        }
    }

    /// Ends the search once `stop` is true. The result then looks complete but is not: the caller that sets `stop` must discard it.
    #[must_use]
    pub fn until(self, stop: Arc<AtomicBool>) -> Self {
        Self { stop: Some(stop), ..self }
    }

    /// Searches for the next event, examining at most `looks` candidates and subtracting the number examined. Events
    /// that an index rules out are not candidates. The search may resume after a pause.
    ///
    /// # Errors
    /// When the data is damaged or cannot be read now; the search is then over.
    pub fn search(&mut self, looks: &mut u64) -> Result<Found, ReadError> {
        if self.left == 0 {
            return Ok(Found::End);
        }
        let found = self.find_next(looks);
        match &found {
            Ok(Found::Event(_)) => self.left -= 1,
            // A result that went on after damage would have a gap.
            Err(_) => self.left = 0,
            Ok(Found::Paused(_) | Found::End) => {}
        }
        found
    }

    fn find_next(&mut self, looks: &mut u64) -> Result<Found, ReadError> {
        loop {
            if self.stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed)) {
                return Ok(Found::End);
            }
            if self.walk.is_none() && !self.begin_layer()? {
                return Ok(Found::End);
            }
            let hint = if self.is_plain { self.left.saturating_add(1) } else { STRIDE };
            let Some(walk) = &mut self.walk else { continue };
            match walk.next(hint, looks)? {
                Next::Event(event) => {
                    if self.is_plain || self.plan.rest(walk.rest()).matches(&event) {
                        assert!(
                            (self.bottom..=self.top).contains(&event.position().value()),
                            "an event that is returned lies within the bounds"
                        );
                        return Ok(Found::Event(event));
                    }
                }
                Next::Paused(at) => return Ok(Found::Paused(position(at))),
                Next::Done => self.walk = None,
            }
        }
    }

    /// Starts the next layer that may hold a match. False: there is none.
    fn begin_layer(&mut self) -> Result<bool, ReadError> {
        let layers = Arc::clone(&self.view.layers);
        let count = layers.generations.len() + layers.tails.len();
        while self.begun < count {
            let number = match self.query.order {
                Order::Ascending => self.begun,
                Order::Descending => count - 1 - self.begun,
            };
            self.begun += 1;
            let layer = match layers.generations.get(number) {
                Some(generation) if self.is_outside(generation.entry()) => continue,
                Some(generation) => Layer::Sealed(Arc::clone(generation)),
                None => {
                    #[expect(clippy::expect_used, reason = "the number was counted over all layers")]
                    let tail = layers.tails.get(number - layers.generations.len()).expect("a layer");
                    if tail.base() >= self.top.min(tail.last_position()) || tail.last_position() < self.bottom
                    {
                        continue;
                    }
                    Layer::Tail(Arc::clone(tail))
                }
            };
            let walk = Walk::over(layer, &self.plan, self.bottom..=self.top, &self.query, self.left)?;
            self.is_plain = self.plan.leaves_nothing(walk.rest());
            self.walk = Some(walk);
            return Ok(true);
        }
        Ok(false)
    }

    /// Whether a generation cannot hold a match.
    fn is_outside(&self, entry: &allsource_format::manifest::Generation) -> bool {
        entry.first_position > self.top
            || entry.last_position < self.bottom
            || self.query.filter.times().is_some_and(|times| {
                entry.max_timestamp < *times.start() || entry.min_timestamp > *times.end()
            })
    }
}

impl Iterator for Events {
    type Item = Result<EventRef, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut looks = u64::MAX;
        match self.search(&mut looks) {
            Ok(Found::Event(event)) => Some(Ok(event)),
            Ok(Found::End) => None,
            Ok(Found::Paused(_)) => unreachable!("a budget of u64::MAX events does not run out"),
            Err(error) => Some(Err(error)),
        }
    }
}

fn position(number: u64) -> Position {
    #[expect(clippy::expect_used, reason = "callers pass a position plus one, or one from within a walk")]
    Position::new(number).expect("positions start at 1")
}
