//! Many visits at once, told in the order in which things happened.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use fastrand::Rng;
use serde::Serialize;
use serde_json::{Value, json};

use super::journey::{Happening, Journey, entity_id};

const PERIOD_MS: u64 = 90 * 24 * 60 * 60 * 1_000;

/// Events of a visit, on average; with it the visits of the period make about the number asked for.
const EVENTS_PER_VISIT: u64 = 11;

/// Visits of a new customer, in a hundred.
const NEW_CUSTOMERS: u64 = 35;

/// An event of the business, as a line to import.
#[derive(Debug, Serialize)]
pub(super) struct Event {
    event_type: &'static str,
    entity_id: String,
    timestamp: String,
    payload: Value,
    metadata: Value,
    tags: [&'static str; 1],
}

/// The events of the business, in order of time; the last one happens at the end of the period.
#[derive(Debug)]
pub(super) struct Business {
    course: Course,
    /// When the clock of the course showed zero.
    start: DateTime<Utc>,
    left: u64,
}

/// The business on a clock of its own, which begins at zero and counts milliseconds.
#[derive(Debug)]
struct Course {
    seed: u64,
    rng: Rng,
    between_visits_ms: u64,
    next_visit: u64,
    visits: u64,
    customers: u64,
    /// When each visit goes on; a number settles ties, so that equal times keep their order.
    agenda: BinaryHeap<Reverse<(u64, u64)>>,
    under_way: std::collections::HashMap<u64, Journey>,
}

pub(super) fn first_customer(seed: u64) -> String {
    entity_id("customer", seed, 1)
}

pub(super) fn first_order(seed: u64) -> String {
    let mut course = Course::new(seed, 1_000);
    let order = (0..10_000).map(|_| course.next().1).find(|happening| happening.kind == "order");
    entity_id("order", seed, order.map_or(1, |order| order.number))
}

impl Business {
    /// The business of `seed`, `events` events of it, the last at `ending`.
    pub(super) fn new(seed: u64, events: u64, ending: DateTime<Utc>) -> Self {
        // How long the business takes to make so many events is known once it has made them: it runs twice.
        let mut rehearsal = Course::new(seed, events);
        let duration = (0..events).map(|_| rehearsal.next().0).last().unwrap_or(0);
        Self { course: Course::new(seed, events), start: ending - delta(duration), left: events }
    }
}

fn delta(ms: u64) -> TimeDelta {
    i64::try_from(ms).ok().and_then(TimeDelta::try_milliseconds).unwrap_or_default()
}

impl Iterator for Business {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.left = self.left.checked_sub(1)?;
        let (time, happening, visit) = self.course.next();
        Some(Event {
            event_type: happening.event_type,
            entity_id: entity_id(happening.kind, self.course.seed, happening.number),
            timestamp: (self.start + delta(time)).to_rfc3339_opts(SecondsFormat::Millis, true),
            payload: happening.payload,
            metadata: json!({ "source": "demo", "correlation": entity_id("visit", self.course.seed, visit) }),
            tags: ["demo"],
        })
    }
}

impl Course {
    fn new(seed: u64, events: u64) -> Self {
        let visits = (events / EVENTS_PER_VISIT).max(1);
        Self {
            seed,
            rng: Rng::with_seed(seed),
            between_visits_ms: (PERIOD_MS / visits).max(1),
            next_visit: 0,
            visits: 0,
            customers: 0,
            agenda: BinaryHeap::new(),
            under_way: std::collections::HashMap::new(),
        }
    }

    /// What happens next, when, and on which visit.
    fn next(&mut self) -> (u64, Happening, u64) {
        loop {
            let is_visit_first = self.agenda.peek().is_none_or(|Reverse((time, _))| self.next_visit <= *time);
            if is_visit_first {
                self.visit();
            }
            let Some(Reverse((time, number))) = self.agenda.pop() else { continue };
            let Some(mut journey) = self.under_way.remove(&number) else { continue };
            let (happening, pause) = journey.advance(&mut self.rng);
            if let Some(pause) = pause {
                self.agenda.push(Reverse((time + pause, number)));
                self.under_way.insert(number, journey);
            }
            return (time, happening, number);
        }
    }

    /// Somebody comes in.
    fn visit(&mut self) {
        self.visits += 1;
        let is_new = self.customers == 0 || self.rng.u64(..100) < NEW_CUSTOMERS;
        self.customers += u64::from(is_new);
        let customer = if is_new { self.customers } else { self.rng.u64(1..=self.customers) };
        let journey = Journey::begin(&mut self.rng, self.seed, self.visits, customer, is_new);
        self.agenda.push(Reverse((self.next_visit, self.visits)));
        self.under_way.insert(self.visits, journey);
        self.next_visit += self.rng.u64(1..=2 * self.between_visits_ms);
    }
}
