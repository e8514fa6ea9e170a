//! Reading: a query becomes a plan, the plan a lazy walk through one layer after the other.

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

/// The events a query asks for, found one by one as they are taken; dropping it ends the search.
pub struct Events {
    view: View,
    plan: Plan,
    query: Query,
    bottom: u64,
    top: u64,
    walk: Option<Walk>,
    /// Every candidate of the walk is an answer: nothing is left to be compared.
    is_plain: bool,
    /// How many layers have been begun.
    begun: usize,
    left: usize,
    /// Once this is true the search ends.
    stop: Option<Arc<AtomicBool>>,
}

/// What a bounded search comes to.
#[derive(Debug, Clone)]
pub enum Found {
    /// The next event.
    Event(EventRef),
    /// Nothing within the events that could be looked at; the search goes on at this position, in the order of the
    /// query.
    Paused(Position),
    /// There are no more events.
    End,
}

impl Events {
    /// Plans a query over a view.
    pub(crate) fn plan(view: View, query: &Query) -> Self {
        Self {
            plan: Plan::of(&query.filter),
            is_plain: false,
            top: query.to.map_or(u64::MAX, |to| to.value()).min(view.watermark),
            bottom: query.from.map_or(1, |from| from.value()),
            left: query.limit.unwrap_or(usize::MAX),
            query: query.clone(),
            view,
            walk: None,
            begun: 0,
            stop: None,
        }
    }

    /// Ends the search early once `stop` is true: what is found by then looks complete, so whoever sets it must not
    /// take it for an answer.
    #[must_use]
    pub fn until(self, stop: Arc<AtomicBool>) -> Self {
        Self { stop: Some(stop), ..self }
    }

    /// Searches for the next event, looking at no more candidates than `looks`, from which those looked at are taken
    /// off. What an index leaves out is not looked at. The search may go on after a pause.
    ///
    /// # Errors
    /// When the data is damaged or cannot be read now; then the search is over.
    pub fn search(&mut self, looks: &mut u64) -> Result<Found, ReadError> {
        if self.left == 0 {
            return Ok(Found::End);
        }
        let found = self.find_next(looks);
        match &found {
            Ok(Found::Event(_)) => self.left -= 1,
            // What comes after damage would be an answer with a hole in it.
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
                        return Ok(Found::Event(event));
                    }
                }
                Next::Paused(at) => return Ok(Found::Paused(position(at))),
                Next::Done => self.walk = None,
            }
        }
    }

    /// Begins the next layer that can hold something. False: there is none.
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
                None => match layers.tails.get(number - layers.generations.len()) {
                    Some(tail) if tail.base() >= self.top || tail.last_position() < self.bottom => continue,
                    Some(tail) => Layer::Tail(Arc::clone(tail)),
                    None => continue,
                },
            };
            let walk = Walk::over(layer, &self.plan, self.bottom..=self.top, &self.query, self.left)?;
            self.is_plain = self.plan.leaves_nothing(walk.rest());
            self.walk = Some(walk);
            return Ok(true);
        }
        Ok(false)
    }

    /// Whether nothing that is asked for can lie in a generation.
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
            Ok(Found::Paused(_)) => unreachable!("no store has so many events"),
            Err(error) => Some(Err(error)),
        }
    }
}

fn position(number: u64) -> Position {
    #[expect(clippy::expect_used, reason = "walks keep within positions, which count from 1")]
    Position::new(number).expect("a walk goes on at a position")
}
