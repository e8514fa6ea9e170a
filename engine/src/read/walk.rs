//! Walks over the candidates of one layer in the order of positions, up or down, and fetches their events in batches.

use std::collections::{BinaryHeap, VecDeque};
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use super::lane::{Lane, Ordinals};
use super::plan::{InTail, Plan, Rest, Sealed};
use super::source::Effort;
use crate::error::ReadError;
use crate::event::EventRef;
use crate::generation::{Generation, Stretches};
use crate::holder::Ahead;
use crate::query::{Order, Query};
use crate::tail::{Postings, Tail};

/// The most events fetched at a time.
pub(super) const STRIDE: usize = 64;

/// The layer of a walk.
pub(super) enum Layer {
    Tail(Arc<Tail>),
    Sealed(Arc<Generation>),
}

/// A walk over the candidates of a layer.
pub(super) struct Walk {
    layer: Layer,
    lanes: Lanes,
    order: Order,
    positions: RangeInclusive<u64>,
    /// Bounds on timestamps, if the query has any.
    times: Option<RangeInclusive<i64>>,
    /// Fetched, the next one first.
    ready: VecDeque<EventRef>,
    /// The runs that were prefetched for a scan.
    ahead: Ahead,
    /// The next ordinals. Their events did not fit into the block that was fetched last.
    left: Vec<u32>,
    /// Which conditions remain to be checked on each candidate.
    rest: Rest,
    /// The position of the last candidate that was skipped because of its timestamp.
    passed: Option<u64>,
    /// Position of the event returned last.
    last: Option<u64>,
}

/// The next result of a walk.
pub(super) enum Next {
    /// A candidate.
    Event(EventRef),
    /// The budget of candidates is used up; the walk resumes at this position.
    Paused(u64),
    /// There are no more.
    Done,
}

enum Lanes {
    /// Everything left is in `ready`.
    Done,
    Every(Range<u32>),
    List(Lane),
    /// The next ordinal of each lane as a [`rank`], and the lane's number.
    Merged {
        heads: BinaryHeap<(i64, usize)>,
        lanes: Vec<Lane>,
    },
    Stretches(Stretches),
}

impl Walk {
    /// A walk over the candidates at these positions. The caller wants at most `wanted` matches.
    pub(super) fn over(
        layer: Layer,
        plan: &Plan,
        positions: RangeInclusive<u64>,
        query: &Query,
        wanted: usize,
    ) -> Result<Self, ReadError> {
        let times = query.filter.times();
        let (lanes, ready) = (Lanes::Done, VecDeque::new());
        let (base, last) = match &layer {
            Layer::Tail(tail) => (tail.base(), tail.last_position()),
            Layer::Sealed(generation) => (generation.base(), generation.entry().last_position),
        };
        assert!(
            base < *positions.end() && *positions.start() <= last,
            "a layer outside the bounds is not walked"
        );
        let positions = base.max(*positions.start() - 1) + 1..=last.min(*positions.end());
        assert!(!positions.is_empty(), "a query whose bounds exclude each other is not walked");
        let window = positions.end() - positions.start() + 1;
        let effort = Effort { events: last - base, window, wanted: wanted as u64 };
        let (ahead, rest, passed, order, left) =
            (Ahead::default(), Rest::Whole, None, query.order, Vec::new());
        let last = None;
        let mut walk = Self { layer, lanes, order, positions, times, ready, ahead, left, rest, passed, last };
        (walk.lanes, walk.rest) = match &walk.layer {
            Layer::Tail(tail) => {
                let tail = Arc::clone(tail);
                let (found, rest) = plan.in_tail(&tail, effort);
                (walk.lanes_in_tail(found, &tail, query)?, rest)
            }
            Layer::Sealed(generation) => {
                let generation = Arc::clone(generation);
                let (found, rest) = plan.in_generation(&generation, effort)?;
                (walk.lanes_in_generation(found, &generation)?, rest)
            }
        };
        Ok(walk)
    }

    /// Which conditions remain to be checked on each candidate.
    pub(super) fn rest(&self) -> Rest {
        self.rest
    }

    fn lanes_in_tail(&mut self, source: InTail, tail: &Arc<Tail>, query: &Query) -> Result<Lanes, ReadError> {
        let ordinals = self.ordinals(tail.base());
        let lane = |list: Arc<Postings>| Lane::of(Ordinals::Tail(list), ordinals.clone());
        match source {
            InTail::Everything => Ok(Lanes::Every(ordinals)),
            InTail::One(event) => Ok(self.one(event)),
            InTail::Lists(lists) => {
                let narrowed = |list| by_version(lane(list)?, tail, query);
                self.merged(lists.into_iter().map(narrowed).collect::<Result<_, _>>()?)
            }
        }
    }

    fn lanes_in_generation(
        &mut self,
        source: Sealed,
        generation: &Arc<Generation>,
    ) -> Result<Lanes, ReadError> {
        let ordinals = self.ordinals(generation.base());
        match source {
            Sealed::Everything => Ok(Lanes::Every(ordinals)),
            Sealed::One(event) => Ok(self.one(event)),
            Sealed::Stretches(stretches) => Ok(Lanes::Stretches(stretches)),
            Sealed::Lists(lists) => {
                let lanes = lists.into_iter();
                let lane = |list| Lane::of(Ordinals::Sealed(Arc::clone(generation), list), ordinals.clone());
                self.merged(lanes.map(lane).collect::<Result<_, _>>()?)
            }
        }
    }

    /// The ordinals after a base that lie within the positions.
    fn ordinals(&self, base: u64) -> Range<u32> {
        #[expect(clippy::expect_used, reason = "a layer has fewer than 2^32 events")]
        let ordinal = |position: u64| u32::try_from(position - base).expect("ordinals are 32 bits");
        ordinal(self.positions.start() - 1)..ordinal(*self.positions.end())
    }

    fn one(&mut self, event: Option<EventRef>) -> Lanes {
        self.ready.extend(event.filter(|event| self.positions.contains(&event.position().value())));
        Lanes::Done
    }

    fn merged(&self, mut lanes: Vec<Lane>) -> Result<Lanes, ReadError> {
        if lanes.len() == 1 {
            #[expect(clippy::expect_used, reason = "its length was compared on the line above")]
            return Ok(Lanes::List(lanes.pop().expect("there is one lane")));
        }
        let mut heads = BinaryHeap::with_capacity(lanes.len());
        for (number, lane) in lanes.iter_mut().enumerate() {
            heads.extend(lane.next(self.order)?.map(|ordinal| (rank(ordinal, self.order), number)));
        }
        Ok(Lanes::Merged { heads, lanes })
    }

    /// The next candidate in the order of the walk. `hint` says about how many more are wanted. `looks` is the number that
    /// may be examined; it falls by the number that were.
    pub(super) fn next(&mut self, hint: usize, looks: &mut u64) -> Result<Next, ReadError> {
        loop {
            if let Some(event) = self.ready.front() {
                let Some(left) = looks.checked_sub(1) else {
                    return Ok(Next::Paused(event.position().value()));
                };
                *looks = left;
            }
            if let Some(event) = self.ready.pop_front() {
                self.check_order(&event)?;
                return Ok(Next::Event(event));
            }
            if let Some(position) = self.passed.take().and_then(|passed| self.after(passed))
                && *looks == 0
            {
                return Ok(Next::Paused(position));
            }
            if !self.refill(hint.clamp(1, STRIDE), looks)? {
                return Ok(Next::Done);
            }
        }
    }

    /// Checks that an event lies within the bounds and follows the one before it. If not, the index of a generation is
    /// damaged; a tail cannot be.
    fn check_order(&mut self, event: &EventRef) -> Result<(), ReadError> {
        let position = event.position().value();
        let follows = self.last.is_none_or(|last| match self.order {
            Order::Ascending => last < position,
            Order::Descending => position < last,
        });
        let is_next = follows && self.positions.contains(&position);
        self.last = Some(position);
        match &self.layer {
            Layer::Sealed(generation) if !is_next => {
                Err(generation.contradiction("the index lists events out of order"))
            }
            _ => {
                assert!(is_next, "a walk over a tail hands out events in order");
                Ok(())
            }
        }
    }

    /// The position after one, if it lies within the bounds of the walk.
    fn after(&self, position: u64) -> Option<u64> {
        let following = match self.order {
            Order::Ascending => position + 1,
            Order::Descending => position.checked_sub(1)?,
        };
        Some(following).filter(|following| self.positions.contains(following))
    }

    /// Fetches more. False: there is no more.
    fn refill(&mut self, count: usize, looks: &mut u64) -> Result<bool, ReadError> {
        if let (Lanes::Stretches(stretches), Layer::Sealed(generation)) = (&mut self.lanes, &self.layer) {
            let is_more = stretches.next(generation, self.order, &mut self.ready)?;
            let is_past = self.ready.front().is_some_and(|event| match self.order {
                Order::Ascending => event.position().value() > *self.positions.end(),
                Order::Descending => event.position().value() < *self.positions.start(),
            });
            self.ready.retain(|event| self.positions.contains(&event.position().value()));
            return Ok(is_more && !is_past);
        }
        let mut ordinals = std::mem::take(&mut self.left);
        let is_fresh = ordinals.is_empty();
        while is_fresh
            && ordinals.len() < count
            && let Some(ordinal) = self.next_ordinal()?
        {
            ordinals.push(ordinal);
        }
        let is_more = !ordinals.is_empty();
        match &self.layer {
            Layer::Tail(tail) => {
                self.ready.extend(ordinals.iter().map(|ordinal| tail.event(*ordinal)));
            }
            Layer::Sealed(generation) => {
                if is_fresh && let (Some(times), Some(last)) = (&self.times, ordinals.last().copied()) {
                    let found = ordinals.len();
                    generation.retain_times(&mut ordinals, &|time| times.contains(&time))?;
                    if ordinals.is_empty() {
                        *looks = looks.saturating_sub(found as u64);
                        self.passed = Some(generation.base() + 1 + u64::from(last));
                    }
                }
                let is_scan = matches!(self.lanes, Lanes::Every(_)) && count == STRIDE;
                if !ordinals.is_empty() {
                    let ahead = is_scan.then_some(&mut self.ahead);
                    let fetched = generation.fetch(&ordinals, ahead, &mut self.ready)?;
                    assert!(0 < fetched && fetched <= ordinals.len(), "a fetch returns at least one event");
                    self.left = ordinals.split_off(fetched);
                    assert!(!self.ready.is_empty(), "what was fetched is ready");
                }
            }
        }
        Ok(is_more)
    }

    fn next_ordinal(&mut self) -> Result<Option<u32>, ReadError> {
        match &mut self.lanes {
            Lanes::Done | Lanes::Stretches(_) => Ok(None),
            Lanes::Every(range) if self.order == Order::Ascending => Ok(range.next()),
            Lanes::Every(range) => Ok(range.next_back()),
            Lanes::List(lane) => lane.next(self.order),
            Lanes::Merged { heads, lanes } => {
                let Some((rank, number)) = heads.pop() else { return Ok(None) };
                #[expect(clippy::expect_used, reason = "heads were numbered over these lanes, which stay")]
                let lane = lanes.get_mut(number).expect("a head belongs to a lane");
                if let Some(following) = lane.next(self.order)? {
                    heads.push((self::rank(following, self.order), number));
                }
                #[expect(clippy::expect_used, reason = "`rank` only changes the sign of an ordinal")]
                Ok(Some(u32::try_from(rank.unsigned_abs()).expect("a rank is an ordinal")))
            }
        }
    }
}

/// Orders the heap, which yields its greatest element first.
fn rank(ordinal: u32, order: Order) -> i64 {
    match order {
        Order::Ascending => -i64::from(ordinal),
        Order::Descending => i64::from(ordinal),
    }
}

/// Versions have no gaps, so bounds on the versions of an entity are bounds on indexes of its list.
fn by_version(mut lane: Lane, tail: &Tail, query: &Query) -> Result<Lane, ReadError> {
    if query.filter.entity_id.is_none() || query.filter.has_no_version_bounds() {
        return Ok(lane);
    }
    let Some(first) = lane.first()? else { return Ok(lane) };
    let first = tail.with_record(first, |record| record.version());
    // Versions below the first one in the tail are in earlier layers.
    let index_of = |version: u64| version.saturating_sub(first);
    let least = query.filter.from_version.map_or(0, |version| index_of(version.value()));
    let most =
        query.filter.to_version.map_or(u64::MAX, |version| index_of(version.value().saturating_add(1)));
    lane.narrow(least..most);
    Ok(lane)
}
