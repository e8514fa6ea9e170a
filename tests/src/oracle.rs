//! The oracle: a plain list of what was promised, and the check that a store keeps it.

use std::collections::{BTreeMap, HashSet, VecDeque};

use allsource_engine::event::{Entity, EventRef, Payload};
use allsource_engine::{Acknowledged, AppendError, Batch, Commit, Cursor, Engine, Query};

/// A broken promise, described.
pub type Broken = String;

/// An event of a batch, as sent. The number in its payload identifies it.
#[derive(Debug, Clone)]
pub struct Sent {
    /// Its entity.
    pub entity: Entity,
    /// Its number, unique in a run.
    pub number: u64,
}

/// A batch that was sent, with its outcome if known.
#[derive(Debug, Clone)]
struct Attempt {
    events: Vec<Sent>,
    outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq)]
enum Outcome {
    Waiting,
    /// Positions and versions as acknowledged.
    Acknowledged(Vec<(u64, u64)>),
    Refused,
    Unknown,
}

/// Everything the store has promised so far.
#[derive(Debug, Clone, Default)]
pub struct Oracle {
    attempts: Vec<Attempt>,
    /// Events that readers have seen, by position: they must never change or disappear.
    seen: BTreeMap<u64, u64>,
    /// Some acknowledgement promised less than a sync: events that were seen may be lost, but batches never torn.
    is_weak: bool,
    /// Versions that refusals have named.
    named_heads: BTreeMap<String, (Entity, u64)>,
    /// Readers' cursors, each with the numbers of the events seen, in order.
    cursors: VecDeque<(Cursor, Vec<u64>)>,
}

/// The newest cursors are kept.
const CURSORS_MAX: usize = 16;

impl Oracle {
    /// Records that a batch was sent; the result identifies it later.
    pub fn sent(&mut self, events: Vec<Sent>) -> usize {
        self.attempts.push(Attempt { events, outcome: Outcome::Waiting });
        self.attempts.len() - 1
    }

    /// Records the answer to a batch.
    pub fn answered(&mut self, attempt: usize, answer: &Result<Commit, AppendError>) -> Result<(), Broken> {
        let outcome = match answer {
            Ok(commit) if commit.acknowledged == Acknowledged::Written => {
                self.is_weak = true;
                Outcome::Unknown
            }
            Ok(commit) => Outcome::Acknowledged(
                commit.events.iter().map(|event| (event.position.value(), event.version.value())).collect(),
            ),
            Err(AppendError::Unknown(_)) => Outcome::Unknown,
            Err(AppendError::Conflict { entity, actual, .. }) => {
                let key = entity.to_string();
                let (_, named) = self.named_heads.entry(key).or_insert_with(|| (entity.clone(), 0));
                *named = (*named).max(actual.map_or(0, |version| version.value()));
                Outcome::Refused
            }
            Err(_) => Outcome::Refused,
        };
        let attempt = &mut self.attempts[attempt];
        if attempt.outcome != Outcome::Waiting {
            return Err(format!("answered twice: {attempt:?}"));
        }
        attempt.outcome = outcome;
        Ok(())
    }

    /// Records a power cut: answers not yet given are lost.
    pub fn forget_waiting(&mut self) {
        for attempt in &mut self.attempts {
            if attempt.outcome == Outcome::Waiting {
                attempt.outcome = Outcome::Unknown;
            }
        }
    }

    /// The number of acknowledged events.
    pub fn acknowledged(&self) -> usize {
        let counts = self.attempts.iter().map(|attempt| match &attempt.outcome {
            Outcome::Acknowledged(places) => places.len(),
            _ => 0,
        });
        counts.sum()
    }

    /// The store must accept a cursor exactly if it still shows what the reader saw. Then the reader takes a new one.
    fn check_cursors(&mut self, engine: &Engine, shown: &BTreeMap<u64, u64>) -> Result<(), Broken> {
        for (cursor, seen) in &self.cursors {
            let is_same = shown.values().take(seen.len()).eq(seen);
            let answer = engine.check_cursor(*cursor);
            // Under weak durability a crash may take back an event that its client then resends: the store shows the
            // same events again, but another incarnation wrote them.
            let is_strict = !is_same || !self.is_weak;
            if answer.is_ok() != is_same && is_strict {
                let same = if is_same { "what" } else { "other events than" };
                return Err(format!("the store shows {same} {cursor} has seen, but answers {answer:?}"));
            }
        }
        let cursor = engine.cursor(engine.watermark());
        let is_new = self.cursors.back().is_none_or(|(last, _)| *last != cursor);
        if is_new && cursor.position > 0 {
            self.cursors.push_back((cursor, shown.values().copied().collect()));
            self.cursors.drain(..self.cursors.len().saturating_sub(CURSORS_MAX));
        }
        Ok(())
    }

    /// Checks everything the store shows against everything promised, and remembers what it showed.
    pub fn check(&mut self, engine: &Engine) -> Result<(), Broken> {
        let events: Vec<EventRef> =
            engine.read(&Query::all()).and_then(Iterator::collect).map_err(|error| error.to_string())?;
        let watermark = engine.watermark().map_or(0, |position| position.value());
        if events.len() as u64 != watermark {
            return Err(format!("{} events are visible under the watermark {watermark}", events.len()));
        }
        let shown = check_numbering(&events)?;
        for (position, number) in self.seen.iter().filter(|_| !self.is_weak) {
            if shown.get(position) != Some(number) {
                return Err(format!(
                    "position {position} showed event {number} and now shows {:?}",
                    shown.get(position)
                ));
            }
        }
        self.check_attempts(&shown)?;
        self.check_cursors(engine, &shown)?;
        for (entity, named) in self.named_heads.values().filter(|_| !self.is_weak) {
            let head = engine.head(entity).map_err(|error| error.to_string())?.map_or(0, |v| v.value());
            if head < *named {
                return Err(format!("{entity} was reported at version {named} but is at {head}"));
            }
        }
        self.seen = shown;
        Ok(())
    }

    fn check_attempts(&self, shown: &BTreeMap<u64, u64>) -> Result<(), Broken> {
        let mut allowed: HashSet<u64> = HashSet::new();
        let present: HashSet<u64> = shown.values().copied().collect();
        for attempt in &self.attempts {
            let numbers = attempt.events.iter().map(|event| event.number);
            match &attempt.outcome {
                Outcome::Acknowledged(places) => {
                    for (event, (position, _)) in attempt.events.iter().zip(places) {
                        if shown.get(position) != Some(&event.number) {
                            return Err(format!("lost: event {} acknowledged at {position}", event.number));
                        }
                    }
                    allowed.extend(numbers);
                }
                Outcome::Refused => {}
                Outcome::Waiting | Outcome::Unknown => {
                    let there = numbers.clone().filter(|number| present.contains(number)).count();
                    if there != 0 && there != attempt.events.len() {
                        return Err(format!("part of a batch: {there} of {:?}", attempt.events));
                    }
                    allowed.extend(numbers);
                }
            }
        }
        match present.iter().find(|number| !allowed.contains(number)) {
            Some(phantom) => Err(format!("phantom: event {phantom} was refused or never sent")),
            None => Ok(()),
        }
    }
}

/// Checks that all numbers run from 1 without gaps and that every payload is whole; gives payload by position.
fn check_numbering(events: &[EventRef]) -> Result<BTreeMap<u64, u64>, Broken> {
    let mut heads: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut shown = BTreeMap::new();
    let mut numbers = HashSet::new();
    let mut last_time = i64::MIN;
    for (event, expected) in events.iter().zip(1..) {
        let position = event.position().value();
        if position != expected {
            return Err(format!("found position {position}, expected {expected}"));
        }
        let head = heads.entry((event.tenant().to_owned(), event.entity_id().to_owned())).or_default();
        *head += 1;
        if event.version().value() != *head {
            return Err(format!("{event:?} should have version {head}"));
        }
        if event.recorded_at().micros() <= last_time {
            return Err(format!("{event:?} was recorded no later than the previous event"));
        }
        last_time = event.recorded_at().micros();
        let Payload::Json(text) = event.payload() else { return Err(format!("{event:?} is not JSON")) };
        let number = text.parse().map_err(|_| format!("{event:?} carries {text:?}"))?;
        if !numbers.insert(number) {
            return Err(format!("event {number} is stored twice"));
        }
        shown.insert(position, number);
    }
    Ok(shown)
}

/// The events of a batch, for [`Oracle::sent`], and the batch itself.
pub fn batch_of(events: &[(Entity, allsource_engine::ExpectedVersion, u64, bool)]) -> (Vec<Sent>, Batch) {
    let mut batch: Option<Batch> = None;
    let mut sent = Vec::new();
    for (entity, expected, number, is_id_given) in events {
        let event_type = if number.is_multiple_of(3) { "order.placed" } else { "stock.moved" };
        let event = allsource_engine::event::NewEvent::json(event_type, number.to_string());
        let mut event = event.expect("a number is JSON");
        if *is_id_given {
            event = event.id(uuid::Uuid::from_u128(u128::from(*number) << 64 | 0xabc));
        }
        // Some carry a tag, and some carry it twice.
        for _ in 0..number % 4 / 2 + number % 2 * u64::from(number.is_multiple_of(3)) {
            event = event.tag("t").expect("a good tag");
        }
        let started = match batch {
            None => Batch::to(entity),
            Some(batch) => batch.and_to(entity),
        };
        batch = Some(started.expect(*expected).event(event));
        sent.push(Sent { entity: entity.clone(), number: *number });
    }
    (sent, batch.expect("a batch has events"))
}
