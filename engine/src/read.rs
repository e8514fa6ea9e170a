//! Reading: a query becomes a plan, the plan a lazy walk in position order.

mod plan;
mod walk;

use std::sync::Arc;

use crate::error::ReadError;
use crate::event::EventRef;
use crate::query::{Order, Query};
use crate::view::View;

use plan::Source;
use walk::Walk;

/// The events a query asks for, found one by one as they are taken; dropping it ends the search.
pub struct Events {
    /// Without the conditions that whatever is walked over fulfils anyway.
    query: Query,
    walk: Walk,
    left: usize,
}

impl Events {
    /// Plans a query over a view.
    pub(crate) fn plan(view: View, query: &Query) -> Self {
        let source = Source::choose(&view, &query.filter);
        let top = query.to.map_or(u64::MAX, |to| to.value()).min(view.watermark);
        let bottom = query.from.map_or(1, |from| from.value());
        let rest = Query { filter: source.rest(&query.filter), ..query.clone() };
        let walk = Walk::over(view, source, bottom, top, query);
        Self { query: rest, walk, left: query.limit.unwrap_or(usize::MAX) }
    }
}

impl Iterator for Events {
    type Item = Result<EventRef, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        loop {
            let event = match self.query.order {
                Order::Ascending => self.walk.next_up()?,
                Order::Descending => self.walk.next_down()?,
            };
            if self.query.admits(&event) {
                return Some(Ok(event));
            }
        }
    }
}

/// How many events match, when an index knows it without reading them.
pub(crate) fn count(view: &View, query: &Query) -> Option<u64> {
    if !query.is_bounded_by_top_only() {
        return None;
    }
    let top = query.to.map_or(u64::MAX, |to| to.value());
    let view = View { watermark: view.watermark.min(top), tail: Arc::clone(&view.tail) };
    Source::choose(&view, &query.filter).count(&view, &query.filter)
}
