//! Many concurrent visits, merged in order of time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use fastrand::Rng;
use serde::Serialize;
use serde_json::{Value, json};

use super::journey::{Happening, Journey, entity_id};

const PERIOD_MS: u64 = 90 * 24 * 60 * 60 * 1_000;

/// Average events per visit: it sets the number of visits for a requested number of events.
const EVENTS_PER_VISIT: u64 = 11;

/// Percentage of visits by a new customer.
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
    /// The time at which the clock of the course is zero.
    start: DateTime<Utc>,
    left: u64,
}

/// The business on its own clock, which starts at zero and counts milliseconds.
#[derive(Debug)]
struct Course {
    seed: u64,
    rng: Rng,
    between_visits_ms: u64,
    next_visit: u64,
    visits: u64,
    customers: u64,
    /// The time of each visit's next step; the visit's number breaks ties.
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
    /// The first `events` events of the business of `seed`, the last of them at `ending`.
    pub(super) fn new(seed: u64, events: u64, ending: DateTime<Utc>) -> Self {
        // The duration is known only once every event is generated, so the business runs twice.
        let mut rehearsal = Course::new(seed, events);
        let duration = (0..events).map(|_| rehearsal.next().0).last().unwrap_or(0);
        Self { course: Course::new(seed, events), start: ending - delta(duration), left: events }
    }
}

fn delta(ms: u64) -> TimeDelta {
    #[expect(
        clippy::expect_used,
        reason = "the clock of a course starts at zero and stays far below 2^63 ms"
    )]
    i64::try_from(ms).ok().and_then(TimeDelta::try_milliseconds).expect("a duration of the course")
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

    /// The next event, its time and its visit.
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

    /// Starts a visit.
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
