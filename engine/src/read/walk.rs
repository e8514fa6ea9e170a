//! Walking over candidates in position order, up or down, a few at a time.

use std::collections::BinaryHeap;
use std::ops::Range;
use std::sync::Arc;

use super::plan::Source;
use crate::event::EventRef;
use crate::query::{Order, Query};
use crate::tail::Postings;
use crate::view::View;

/// How many ordinals are copied out of a list at a time.
const STRIDE: usize = 64;

/// A walk over the candidates of a source.
pub(super) struct Walk {
    view: View,
    lanes: Lanes,
}

enum Lanes {
    One(Option<EventRef>),
    Every(Range<u32>),
    List(Lane),
    /// The next ordinal of each lane, negated by the order of the walk, and the lane's number.
    Merged {
        heads: BinaryHeap<(i64, usize)>,
        lanes: Vec<Lane>,
    },
}

/// The part of a list that is still to be walked.
struct Lane {
    list: Arc<Postings>,
    left: Range<usize>,
    /// Ordinals copied out, the next one last.
    ready: Vec<u32>,
}

impl Walk {
    /// A walk over the candidates at positions `bottom..=top`.
    pub(super) fn over(view: View, source: Source, bottom: u64, top: u64, query: &Query) -> Self {
        let first = view.tail.ordinals_through(bottom.saturating_sub(1));
        let end = view.tail.ordinals_through(top).max(first);
        let lane = |list: Arc<Postings>| {
            let left = list.count_below(first)..list.count_below(end);
            Lane { list, left, ready: Vec::new() }
        };
        let lanes = match source {
            Source::Everything => Lanes::Every(first..end),
            Source::One(event) => {
                Lanes::One(event.filter(|event| (bottom..=top).contains(&event.position().value())))
            }
            Source::List(list) => Lanes::List(by_version(lane(list), &view, query)),
            Source::Lists(lists) => Self::merged(lists.into_iter().map(lane).collect(), query.order),
        };
        Self { view, lanes }
    }

    fn merged(mut lanes: Vec<Lane>, order: Order) -> Lanes {
        let mut heads = BinaryHeap::with_capacity(lanes.len());
        for (number, lane) in lanes.iter_mut().enumerate() {
            heads.extend(lane.next(order).map(|ordinal| (rank(ordinal, order), number)));
        }
        Lanes::Merged { heads, lanes }
    }

    /// The next event towards the newest.
    pub(super) fn next_up(&mut self) -> Option<EventRef> {
        self.next(Order::Ascending)
    }

    /// The next event towards the oldest.
    pub(super) fn next_down(&mut self) -> Option<EventRef> {
        self.next(Order::Descending)
    }

    fn next(&mut self, order: Order) -> Option<EventRef> {
        let ordinal = match &mut self.lanes {
            Lanes::One(event) => return event.take(),
            Lanes::Every(range) if order == Order::Ascending => range.next()?,
            Lanes::Every(range) => range.next_back()?,
            Lanes::List(lane) => lane.next(order)?,
            Lanes::Merged { heads, lanes } => {
                let (rank, number) = heads.pop()?;
                if let Some(following) = lanes.get_mut(number).and_then(|lane| lane.next(order)) {
                    heads.push((self::rank(following, order), number));
                }
                u32::try_from(rank.unsigned_abs()).unwrap_or(u32::MAX)
            }
        };
        self.view.tail.event(ordinal)
    }
}

/// The heap gives the greatest first.
fn rank(ordinal: u32, order: Order) -> i64 {
    match order {
        Order::Ascending => -i64::from(ordinal),
        Order::Descending => i64::from(ordinal),
    }
}

/// Versions of an entity have no gaps, so a bound on them is a bound on indexes of its list.
fn by_version(mut lane: Lane, view: &View, query: &Query) -> Lane {
    if query.filter.entity_id.is_none() || (query.from_version.is_none() && query.to_version.is_none()) {
        return lane;
    }
    let mut first = Vec::new();
    lane.list.copy(0..1, &mut first);
    let Some(event) = first.first().and_then(|ordinal| view.tail.event(*ordinal)) else { return lane };
    let index_of =
        |version: u64| usize::try_from(version.saturating_sub(event.version().value())).unwrap_or(usize::MAX);
    let least = query.from_version.map_or(0, |version| index_of(version.value()));
    let most = query.to_version.map_or(usize::MAX, |version| index_of(version.value().saturating_add(1)));
    lane.left = lane.left.start.max(least)..lane.left.end.min(most);
    lane
}

impl Lane {
    fn next(&mut self, order: Order) -> Option<u32> {
        if self.ready.is_empty() {
            self.refill(order);
        }
        self.ready.pop()
    }

    fn refill(&mut self, order: Order) {
        let count = self.left.len().min(STRIDE);
        let taken = match order {
            Order::Ascending => self.left.start..self.left.start + count,
            Order::Descending => self.left.end.saturating_sub(count)..self.left.end,
        };
        if count == 0 {
            return;
        }
        self.list.copy(taken.clone(), &mut self.ready);
        match order {
            Order::Ascending => {
                self.ready.reverse();
                self.left.start = taken.end;
            }
            Order::Descending => self.left.end = taken.start,
        }
    }
}
