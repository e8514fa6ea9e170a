//! Subscribers that wait for events. One notifier matches each new event against each distinct filter and wakes only the
//! subscribers it matches; the others later resume behind the events that did not match.

mod interests;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::event::{EventRef, Filter};
use crate::platform::sync::{Condvar, Mutex};
use crate::view::Layers;
use crate::watermark::Watermark;
use interests::{Interests, Number};

/// A subscriber that waits is woken this long after it began to, if its position has moved.
pub(crate) const REMIND_AFTER: Duration = Duration::from_secs(1);
/// The notifier looks this often for subscribers to remind.
const TICK: Duration = Duration::from_millis(10);
/// At most this many subscribers are reminded in one tick, so that a crowd is not woken at once.
const REMIND_MAX: usize = 20;
/// The most events and comparisons while the lock is held: subscribers that begin to wait need it too.
const EVENTS_MAX: u64 = 256;
const COMPARISONS_MAX: usize = 4096;
/// After waking this many subscribers, the notifier leaves the processor to them and to appends.
const CROWD: usize = 64;
/// How long the notifier then rests: the most by which it delays a wake.
const REST: Duration = Duration::from_millis(5);

/// All subscribers of a store that have waited.
pub(crate) struct Subscribers {
    watermark: Arc<Watermark>,
    registry: Mutex<Registry>,
    /// Raised when the first subscriber begins to wait, and at the end.
    joined: Condvar,
}

/// Identifies a subscriber that has waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Id(u64);

#[derive(Debug, Default)]
struct Registry {
    is_closed: bool,
    /// Every event up to here was matched against the filters of the subscribers that waited for it.
    looked: u64,
    /// How many wait right now.
    waiting: usize,
    members: HashMap<Id, Member, RandomState>,
    groups: HashMap<Number, Group, RandomState>,
    group_of: HashMap<Filter, Number, RandomState>,
    interests: Interests,
    /// The subscribers to remind, each with its earliest time.
    due: VecDeque<(Duration, Id)>,
    /// Subscribers whose position had not moved when they were due.
    settled: Vec<Id>,
    last_number: u64,
}

#[derive(Debug)]
struct Member {
    group: Number,
    /// Nothing matches its filter between where it began to wait and here.
    through: u64,
    /// The position that its reader last received.
    said: u64,
    /// Present while it waits.
    waker: Option<Waker>,
    /// Whether it stands in `due` or `settled`.
    is_queued: bool,
}

/// Subscribers with the same filter.
#[derive(Debug)]
struct Group {
    filter: Filter,
    members: usize,
    waiting: BTreeSet<Id>,
}

impl Subscribers {
    pub(crate) fn new(watermark: Arc<Watermark>) -> Self {
        Self { watermark, registry: Mutex::default(), joined: Condvar::default() }
    }

    /// Begins to wait for a matching event above `seen`; `said` is the position its reader last received. False: the store
    /// holds more already, or is closed. True: `waker` will be woken.
    pub(crate) fn wait(
        &self,
        id: &mut Option<Id>,
        filter: &Filter,
        (seen, said): (u64, u64),
        waker: &Waker,
        now: Duration,
    ) -> bool {
        let mut registry = self.registry.lock();
        // Once, and under the lock: the notifier takes it to compare what is published after this.
        let watermark = self.watermark.position();
        if watermark > seen || registry.is_closed {
            return false;
        }
        let id = *id.get_or_insert_with(|| registry.join(filter));
        if registry.waiting == 0 {
            registry.looked = registry.looked.max(watermark);
        }
        registry.begin_to_wait(id, (seen, said), waker, now);
        if registry.waiting == 1 {
            drop(registry);
            self.joined.notify_one();
        }
        true
    }

    /// The highest durable position; 0: there is none.
    pub(crate) fn watermark(&self) -> u64 {
        self.watermark.position()
    }

    /// Whether nothing will be published any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.watermark.is_closed()
    }

    /// Ends a subscriber's wait. Nothing matches its filter between where it began to wait and the position returned.
    pub(crate) fn resume(&self, id: Id) -> u64 {
        let mut registry = self.registry.lock();
        // A subscriber that still has its waker was not woken: nothing up to here has matched.
        let looked = registry.looked;
        registry.end_waiting(id, looked);
        registry.through(id)
    }

    /// Forgets a subscriber.
    pub(crate) fn leave(&self, id: Id) {
        self.registry.lock().leave(id);
    }

    /// Matches newly published events against the filters of waiting subscribers, and wakes those that match. `source`
    /// captures the store: the result finds the event at a position, if it is in memory. Returns how many were woken.
    pub(crate) fn advance<F: Fn(u64) -> Option<EventRef>>(&self, source: impl Fn() -> F) -> usize {
        let mut woken = 0;
        loop {
            // Read the watermark first: layers read after it hold every event up to it.
            let end = self.watermark.position();
            let event_at = source();
            let mut registry = self.registry.lock();
            if registry.looked >= end {
                return woken;
            }
            let top = end.min(registry.looked.saturating_add(EVENTS_MAX));
            let wakers = registry.compare(top, end, &event_at);
            drop(registry);
            woken += wakers.len();
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    /// Wakes some subscribers that have waited for long and whose position has moved. True: there may be more.
    pub(crate) fn remind(&self, now: Duration) -> bool {
        let mut registry = self.registry.lock();
        let (wakers, is_more) = registry.remind(now);
        drop(registry);
        wakers.into_iter().for_each(Waker::wake);
        is_more
    }

    /// Ends all waiting for good: nothing will be published any more.
    pub(crate) fn close(&self) {
        self.watermark.close();
        let mut registry = self.registry.lock();
        registry.is_closed = true;
        let wakers = registry.wake_all();
        drop(registry);
        self.joined.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Blocks until a subscriber waits. False: the store is closed.
    fn wait_joined(&self) -> bool {
        let mut registry = self.registry.lock();
        while registry.waiting == 0 && !registry.is_closed {
            self.joined.wait(&mut registry);
        }
        !registry.is_closed
    }

    /// Notifies until the store is closed: the work of the notifier's thread. `now` tells the time.
    pub(crate) fn run(&self, layers: impl Fn() -> Arc<Layers>, now: impl Fn() -> Duration) {
        let mut is_reminding = true;
        while self.wait_joined() {
            let looked = self.registry.lock().looked;
            let timeout = if is_reminding { TICK } else { REMIND_AFTER };
            self.watermark.wait_above(looked, timeout);
            let woken = self.advance(|| in_memory(layers()));
            is_reminding = self.remind(now());
            if woken >= CROWD {
                std::thread::sleep(REST);
            }
        }
    }

    /// How many subscribers are known.
    #[cfg(all(test, not(interleave)))]
    pub(crate) fn count(&self) -> usize {
        self.registry.lock().members.len()
    }
}

/// Finds events by position in the tails of these layers.
pub(crate) fn in_memory(layers: Arc<Layers>) -> impl Fn(u64) -> Option<EventRef> {
    move |position| {
        let tail =
            layers.tails.iter().find(|tail| tail.base() < position && position <= tail.last_position())?;
        Some(tail.event(tail.ordinals_through(position).checked_sub(1)?))
    }
}

fn group_in(groups: &mut HashMap<Number, Group, RandomState>, number: Number) -> &mut Group {
    #[expect(clippy::expect_used, reason = "a group lives as long as it has members")]
    groups.get_mut(&number).expect("a member has a group")
}

impl Registry {
    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn join(&mut self, filter: &Filter) -> Id {
        let group = match self.group_of.get(filter) {
            Some(number) => *number,
            None => {
                let number = self.next_number();
                self.group_of.insert(filter.clone(), number);
                self.interests.add(number, filter);
                let group = Group { filter: filter.clone(), members: 0, waiting: BTreeSet::new() };
                self.groups.insert(number, group);
                number
            }
        };
        group_in(&mut self.groups, group).members += 1;
        let id = Id(self.next_number());
        self.members.insert(id, Member { group, through: 0, said: 0, waker: None, is_queued: false });
        id
    }

    fn leave(&mut self, id: Id) {
        self.end_waiting(id, 0);
        #[expect(clippy::expect_used, reason = "a subscription leaves when it is dropped, and only then")]
        let number = self.members.remove(&id).expect("a member leaves once").group;
        let group = group_in(&mut self.groups, number);
        assert!(group.members > 0, "a group counts its members");
        group.members -= 1;
        if group.members == 0 {
            assert!(group.waiting.is_empty(), "only members wait");
            self.group_of.remove(&group.filter);
            self.interests.remove(number, &group.filter);
            self.groups.remove(&number);
        }
        // Members that left stay in the queue of reminders until they are due, unless they are most of it.
        if self.due.len() + self.settled.len() > 64 + 2 * self.members.len() {
            let members = &self.members;
            self.due.retain(|(_, id)| members.contains_key(id));
            self.settled.retain(|id| members.contains_key(id));
        }
    }

    fn begin_to_wait(&mut self, id: Id, (seen, said): (u64, u64), waker: &Waker, now: Duration) {
        #[expect(clippy::expect_used, reason = "an id is given to its subscription when it joins")]
        let member = self.members.get_mut(&id).expect("a member until it leaves");
        (member.through, member.said) = (seen, said);
        match &mut member.waker {
            Some(known) => known.clone_from(waker),
            none => {
                *none = Some(waker.clone());
                self.waiting += 1;
                let is_new = group_in(&mut self.groups, member.group).waiting.insert(id);
                assert!(is_new, "a member that does not wait is not in the set of those that do");
            }
        }
        if !std::mem::replace(&mut member.is_queued, true) {
            self.due.push_back((now + REMIND_AFTER, id));
        }
    }

    /// Ends the waiting of a member for which nothing matches up to `through`. `None`: it does not wait.
    fn end_waiting(&mut self, id: Id, through: u64) -> Option<Waker> {
        let member = self.members.get_mut(&id)?;
        let waker = member.waker.take()?;
        member.through = member.through.max(through);
        assert!(self.waiting > 0, "waiting subscribers are counted");
        self.waiting -= 1;
        let was_waiting = group_in(&mut self.groups, member.group).waiting.remove(&id);
        assert!(was_waiting, "a member with a waker is in the set of those that wait");
        Some(waker)
    }

    fn through(&self, id: Id) -> u64 {
        #[expect(clippy::expect_used, reason = "an id is given to its subscription when it joins")]
        let member = self.members.get(&id).expect("a member until it leaves");
        member.through
    }

    fn wake_all(&mut self) -> Vec<Waker> {
        let mut waiting: Vec<Id> =
            self.groups.values().flat_map(|group| group.waiting.iter().copied()).collect();
        // Sorted, so that equal seeds wake in equal order.
        waiting.sort_unstable();
        let looked = self.looked;
        waiting.into_iter().filter_map(|id| self.end_waiting(id, looked)).collect()
    }

    /// Matches the events after `looked` up to `top` against the filters of waiting subscribers. If an event is not in
    /// memory, wakes them all to fetch it themselves; later waits begin after `end`.
    fn compare(&mut self, top: u64, end: u64, event_at: &impl Fn(u64) -> Option<EventRef>) -> Vec<Waker> {
        assert!(self.looked < top && top <= end, "visible events are matched once");
        let (mut wakers, mut candidates, mut comparisons) = (Vec::new(), Vec::new(), 0);
        let mut looked = top;
        for position in self.looked + 1..=top {
            if self.waiting == 0 {
                looked = end;
                break;
            }
            if comparisons > COMPARISONS_MAX {
                looked = position - 1;
                break;
            }
            let Some(event) = event_at(position) else {
                self.looked = position - 1;
                wakers.append(&mut self.wake_all());
                looked = end;
                break;
            };
            candidates.clear();
            self.interests.candidates(&event, &mut candidates);
            comparisons += candidates.len();
            for number in &candidates {
                let Some(group) = self.groups.get(number) else { continue };
                if group.waiting.is_empty() || !group.filter.matches(&event) {
                    continue;
                }
                let waiting: Vec<Id> = group.waiting.iter().copied().collect();
                wakers.extend(waiting.into_iter().filter_map(|id| self.end_waiting(id, position - 1)));
            }
        }
        assert!(self.looked <= looked && looked <= end, "the notifier only moves forwards");
        self.looked = looked;
        // The position of settled subscribers may have moved now.
        let settled = std::mem::take(&mut self.settled);
        self.due.extend(settled.into_iter().map(|id| (Duration::ZERO, id)));
        wakers
    }

    fn remind(&mut self, now: Duration) -> (Vec<Waker>, bool) {
        let mut wakers = Vec::new();
        while wakers.len() < REMIND_MAX
            && let Some((_, id)) = self.due.pop_front_if(|(due, _)| *due <= now)
        {
            let Some(member) = self.members.get_mut(&id) else { continue };
            member.is_queued = false;
            if member.waker.is_none() {
                continue;
            }
            if self.looked.max(member.through) > member.said {
                let looked = self.looked;
                wakers.extend(self.end_waiting(id, looked));
            } else {
                member.is_queued = true;
                self.settled.push(id);
            }
        }
        (wakers, !self.due.is_empty())
    }
}

#[cfg(all(test, interleave))]
mod interleavings;
#[cfg(all(test, not(interleave)))]
mod tests;
