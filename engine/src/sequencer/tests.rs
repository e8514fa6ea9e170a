//! The sequencer: its decisions, one round at a time, without a disk.

use std::sync::Arc;

use allsource_format::journal::Header;

use super::*;
use crate::append::Accepts;
use crate::batch::{Batch, Committed, ExpectedVersion};
use crate::error::AppendError;
use crate::event::{Entity, NewEvent};
use crate::platform::sim::SimEntropy;
use crate::position::Version;
use crate::tail::Tail;

/// A sequencer at the start of an empty log, and the layers it reads.
struct Desk {
    sequencer: Sequencer,
    layers: Layers,
}

impl Desk {
    fn new() -> Self {
        let header = Header::first([1; 16], 1 << 20);
        let cursor = Cursor::at_start_of(header, header.file_bytes);
        let tail = Arc::new(Tail::after(0, vec![0; 4]));
        Self {
            sequencer: Sequencer::new(cursor, 0, vec![0; 4]),
            layers: Layers { generations: Vec::new(), tails: vec![tail], heads: Arc::default() },
        }
    }

    /// Decides a round of these batches. Its events become visible with [`Desk::publish`].
    fn decide(&mut self, batches: Vec<Batch>, now: i64) -> Round {
        let entropy = SimEntropy::seeded(7);
        let request = |batch| {
            let (reply, _) = oneshot::channel();
            let store = Accepts { partitions: 4, bytes_max: 1 << 20, entropy: &entropy };
            Request::prepare(batch, store, reply).unwrap()
        };
        let requests: Vec<Request> = batches.into_iter().map(request).collect();
        let bytes = requests.iter().map(|request| allsource_format::frame::length(request.bytes.len())).sum();
        let watermark = self.layers.tails[0].last_position();
        let moment = Moment { now, synced_through: None, layers: &self.layers, watermark };
        self.sequencer.sequence(requests, bytes, Rotate::No, &moment)
    }

    fn publish(&self, round: &Round) {
        self.layers.tails[0].insert(&round.bytes, &round.records);
    }
}

fn entity(id: &str) -> Entity {
    Entity::new(id).unwrap()
}

fn event() -> NewEvent {
    NewEvent::json("t", "{}").unwrap()
}

fn to(id: &str, expected: ExpectedVersion) -> Batch {
    Batch::to(&entity(id)).expect(expected).event(event())
}

fn placed(round: &Round) -> Vec<Vec<Committed>> {
    round
        .answers
        .iter()
        .map(|(_, answer)| answer.as_ref().map_or_else(|_| Vec::new(), |commit| commit.events.clone()))
        .collect()
}

#[test]
fn events_get_their_position_version_and_time_in_the_order_of_appends() {
    let mut desk = Desk::new();
    let two = to("a", ExpectedVersion::Any).and_to(&entity("b")).event(event());
    let round = desk.decide(vec![two, to("a", ExpectedVersion::Any)], 1000);
    let numbers: Vec<(u64, u64, i64)> = placed(&round)
        .concat()
        .iter()
        .map(|event| (event.position.value(), event.version.value(), event.recorded_at.micros()))
        .collect();
    assert_eq!(numbers, [(1, 1, 1000), (2, 1, 1001), (3, 2, 1002)]);
    assert_eq!((round.last_position, round.records.len()), (3, 3));
}

#[test]
fn an_expectation_sees_what_is_in_flight_and_in_the_round() {
    let mut desk = Desk::new();
    let first = desk.decide(vec![to("a", ExpectedVersion::Empty)], 1);
    // Not published: it is on its way to the disk.
    let second = desk.decide(
        vec![
            to("a", ExpectedVersion::Empty),
            to("a", ExpectedVersion::At(Version::FIRST)),
            to("a", ExpectedVersion::At(Version::FIRST)),
        ],
        2,
    );
    let outcomes: Vec<bool> = second.answers.iter().map(|(_, answer)| answer.is_ok()).collect();
    assert_eq!((first.answers[0].1.is_ok(), &outcomes[..]), (true, &[false, true, false][..]));
    assert!(
        matches!(&second.answers[2].1, Err(AppendError::Conflict { actual: Some(version), .. }) if version.value() == 2)
    );
}

#[test]
fn a_batch_that_is_refused_half_way_leaves_no_trace() {
    let mut desk = Desk::new();
    let refused =
        to("a", ExpectedVersion::Any).and_to(&entity("b")).expect(ExpectedVersion::Exists).event(event());
    let round = desk.decide(vec![refused, to("a", ExpectedVersion::Empty)], 5);
    assert!(round.answers[0].1.is_err());
    let kept = placed(&round).concat();
    assert_eq!((kept.len(), kept[0].position.value(), kept[0].version.value()), (1, 1, 1));
    assert_eq!(kept[0].recorded_at.micros(), 5, "no time was used up");
}

#[test]
fn an_event_whose_id_is_known_keeps_its_place() {
    let mut desk = Desk::new();
    let id = uuid::Uuid::from_u128(9);
    let again = || Batch::to(&entity("a")).event(event().id(id));
    let first = desk.decide(vec![again(), to("a", ExpectedVersion::Any)], 1);
    desk.publish(&first);
    let second = desk.decide(vec![again()], 2);
    let replayed = &placed(&second)[0][0];
    assert_eq!((replayed.position.value(), replayed.version.value(), replayed.replayed), (1, 1, true));
    assert!(second.records.is_empty(), "nothing is written for it");
}

#[test]
fn commit_times_rise_when_the_clock_does_not() {
    let mut desk = Desk::new();
    let times: Vec<i64> = [100, 100, 50, 200]
        .into_iter()
        .map(|now| placed(&desk.decide(vec![to("a", ExpectedVersion::Any)], now))[0][0].recorded_at.micros())
        .collect();
    assert_eq!(times, [100, 101, 102, 200]);
}
