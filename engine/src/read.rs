//! Reading: a query becomes a plan, the plan a lazy walk through one layer after the other.

mod plan;
mod lane;
mod walk;
mod count;

use std::sync::Arc;

use crate::error::ReadError;
use crate::event::{EventRef, Filter};
use crate::query::{Order, Query};
use crate::view::View;

use plan::Plan;
use walk::{Layer, STRIDE, Walk};

pub(crate) use count::count;

/// The events a query asks for, found one by one as they are taken; dropping it ends the search.
pub struct Events {
    view: View,
    plan: Plan,
    query: Query,
    /// The conditions that are left to be looked at in each candidate.
    rest: Query,
    /// There are none: every candidate is an answer.
    is_plain: bool,
    bottom: u64,
    top: u64,
    walk: Option<Walk>,
    /// How many layers have been begun.
    begun: usize,
    left: usize,
}

impl Events {
    /// Plans a query over a view.
    pub(crate) fn plan(view: View, query: &Query) -> Self {
        let plan = Plan::choose(&query.filter);
        let rest = Query { filter: plan.rest(&query.filter), ..query.clone() };
        let bounds = (query.from_version, query.to_version, query.since, query.until);
        Self {
            is_plain: bounds == (None, None, None, None) && rest.filter == Filter::all(),
            top: query.to.map_or(u64::MAX, |to| to.value()).min(view.watermark),
            bottom: query.from.map_or(1, |from| from.value()),
            left: query.limit.unwrap_or(usize::MAX),
            query: query.clone(),
            view,
            plan,
            rest,
            walk: None,
            begun: 0,
        }
    }

    fn find_next(&mut self) -> Result<Option<EventRef>, ReadError> {
        loop {
            if self.walk.is_none() && !self.begin_layer()? {
                return Ok(None);
            }
            let hint = if self.is_plain { self.left.saturating_add(1) } else { STRIDE };
            let Some(walk) = &mut self.walk else { continue };
            match walk.next(hint)? {
                Some(event) if self.is_plain || self.rest.admits(&event) => return Ok(Some(event)),
                Some(_) => {}
                None => self.walk = None,
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
            self.walk = Some(Walk::over(layer, &self.plan, self.bottom..=self.top, &self.query)?);
            return Ok(true);
        }
        Ok(false)
    }

    /// Whether nothing that is asked for can lie in a generation.
    fn is_outside(&self, entry: &allsource_format::manifest::Generation) -> bool {
        entry.first_position > self.top
            || entry.last_position < self.bottom
            || self.query.since.is_some_and(|since| entry.max_timestamp < since.micros())
            || self.query.until.is_some_and(|until| entry.min_timestamp > until.micros())
    }
}

impl Iterator for Events {
    type Item = Result<EventRef, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let next = self.find_next();
        if next.is_err() {
            // What comes after damage would be an answer with a hole in it.
            self.left = 0;
        }
        next.transpose()
    }
}
