//! Appends that are decided by what is there already.

use std::sync::Arc;

use uuid::Uuid;

use crate::batch::{Batch, Committed};
use crate::drive::Step;
use crate::engine::Engine;
use crate::error::AppendError;
use crate::event::{Entity, InvalidEvent, NewEvent, Timestamp};
use crate::options::Options;
use crate::platform::sim::{SimClock, SimDisk, SimEntropy};

fn store() -> Engine {
    let options = Options { partitions: 2, journal_file_bytes: 64 << 10, ..Options::default() };
    let (clock, entropy) = (SimClock::at(1_700_000_000_000_000), SimEntropy::seeded(1));
    Engine::open_by_hand(Arc::new(SimDisk::new(1)), Arc::new(clock), Arc::new(entropy), options).unwrap()
}

fn settle(engine: &Engine) {
    while {
        engine.step(Step::Prepare);
        engine.step(Step::Sequence) | engine.step(Step::Commit)
    } {}
}

fn append(engine: &Engine, batch: Batch) -> crate::append::Answer {
    let append = engine.append(batch);
    settle(engine);
    append.wait()
}

/// A retry of what was stored under earlier rules is answered with its first result, wherever that lies.
#[test]
fn what_is_refused_now_is_answered_if_it_is_there_already() {
    let (engine, entity, id) = (store(), Entity::new("a").unwrap(), Uuid::from_u128(9));
    let event = || NewEvent::json("t", r#"{"\ud83d":1e400}"#).unwrap().id(id);
    let stored = || Batch::to(&entity).event(NewEvent { refusal: None, ..event() });
    let refused = append(&engine, Batch::to(&entity).event(event())).unwrap_err();
    let pointer = r"/payload/\ud83d".to_owned();
    let problem = "has a name with half of a surrogate pair";
    let problem = InvalidEvent::Unportable { field: "payload", pointer, problem };
    assert_eq!(refused, AppendError::Invalid { index: 0, problem });
    let first = append(&engine, stored()).unwrap().events[0];
    let retry = || append(&engine, Batch::to(&entity).event(event())).unwrap().events[0];
    assert_eq!((retry().position, retry().replayed), (first.position, true));
    engine.step(Step::Freeze);
    settle(&engine);
    while engine.step(Step::Seal) {}
    assert_eq!((retry().position, retry().replayed), (first.position, true));
    let both = Batch::to(&entity).event(event()).event(event().id(Uuid::from_u128(10)));
    assert!(matches!(append(&engine, both), Err(AppendError::Invalid { index: 1, .. })));
    let other = NewEvent::json("t", r#"{"\ud83d":1e401}"#).unwrap().id(id);
    assert!(matches!(append(&engine, Batch::to(&entity).event(other)), Err(AppendError::Duplicate { .. })));
    let state = engine.fold(&entity, crate::fold::AsOf::Now).unwrap().unwrap();
    assert_eq!(state.to_json(), r#"{"\ud83d":1e400}"#);
    assert_eq!(engine.stats(None).unwrap().events, 1);
}

/// The spellings of one event, and events that are others under its id.
fn spellings(id: Uuid) -> ([NewEvent; 3], [NewEvent; 3]) {
    let event = |payload: &str| NewEvent::json("t", payload).unwrap().id(id);
    let tagged = |event: NewEvent, tags: [&str; 2]| event.tag(tags[0]).unwrap().tag(tags[1]).unwrap();
    let same = [r#"{"a":1,"b":[10e-1]}"#, r#"{ "b": [1.0], "a": 1 }"#, "{\"\\u0061\":1.0,\n\"b\":[1]}"];
    let [one, two, three] = same.map(event);
    let same = [tagged(one, ["x", "y"]), tagged(two, ["y", "x"]), tagged(three, ["x", "y"])];
    let other_payload = tagged(event(r#"{"a":1,"b":[1.1]}"#), ["x", "y"]);
    let other_tags = tagged(event(r#"{"a":1,"b":[10e-1]}"#), ["x", "z"]);
    let other_time = tagged(event(r#"{"a":1,"b":[10e-1]}"#), ["x", "y"]).timestamp(Timestamp::MIN);
    (same, [other_payload, other_tags, other_time])
}

/// Checks that every spelling is answered with the first result, and every other event refused with where that is.
fn check_sameness(engine: &Engine, entity: &Entity, id: Uuid, first: Committed) {
    let (same, others) = spellings(id);
    for event in same {
        let again =
            append(engine, Batch::to(entity).event(event.timestamp(first.timestamp))).unwrap().events[0];
        assert_eq!(again, Committed { replayed: true, ..first });
    }
    for event in others {
        let refused = append(engine, Batch::to(entity).event(event)).unwrap_err();
        let (position, version) = (first.position, first.version);
        assert_eq!(refused, AppendError::Duplicate { id, position, entity: entity.clone(), version });
    }
}

#[test]
fn one_event_in_another_spelling_is_the_same_wherever_the_first_lies() {
    let (engine, entity) = (store(), Entity::new("a").unwrap());
    let batch = |event: NewEvent| Batch::to(&entity).event(event);
    // In one round, and then in flight.
    for (number, steps) in [(1, &[][..]), (2, &[Step::Sequence])] {
        let id = Uuid::from_u128(number);
        let ([one, two, three], [other, ..]) = spellings(id);
        let first = engine.append(batch(one));
        for step in steps {
            engine.step(*step);
        }
        let waiting = [two, three, other].map(|event| engine.append(batch(event)));
        settle(&engine);
        let first = first.wait().unwrap().events[0];
        let [two, three, other] = waiting.map(|append| append.wait());
        assert_eq!([two, three].map(|again| again.unwrap().events[0].position), [first.position; 2]);
        let (position, version) = (first.position, first.version);
        assert_eq!(
            other.unwrap_err(),
            AppendError::Duplicate { id, position, entity: entity.clone(), version }
        );
        // In the tail, and then sealed.
        check_sameness(&engine, &entity, id, first);
        engine.step(Step::Freeze);
        settle(&engine);
        while engine.step(Step::Seal) {}
        check_sameness(&engine, &entity, id, first);
    }
    assert_eq!(engine.stats(None).unwrap().events, 2);
}

/// A copy of an event that a clock dated must leave retries without a timestamp equal to it, wherever it lies.
#[test]
fn a_copy_with_the_time_of_a_clock_equals_the_original_and_its_retries() {
    let (engine, entity, id) = (store(), Entity::new("a").unwrap(), Uuid::from_u128(1));
    let event = || NewEvent::json("t", r#"{"a":1}"#).unwrap().id(id);
    let respelled = || NewEvent::json("t", r#"{"a":1.0}"#).unwrap().id(id);
    let time = Timestamp::from_micros(5);
    let (copy, later) = (event().clock_timestamp(time), Timestamp::from_micros(6));
    let first = append(&engine, Batch::to(&entity).event(copy.clone())).unwrap().events[0];
    assert_eq!(first.timestamp, time);
    for _ in 0..2 {
        for same in
            [event(), respelled(), copy.clone(), event().timestamp(time), respelled().clock_timestamp(time)]
        {
            let again = append(&engine, Batch::to(&entity).event(same)).unwrap().events[0];
            assert_eq!(again, Committed { replayed: true, ..first });
        }
        for other in [event().timestamp(later), event().clock_timestamp(later)] {
            let refused = append(&engine, Batch::to(&entity).event(other));
            assert!(matches!(refused, Err(AppendError::Duplicate { .. })), "{refused:?}");
        }
        engine.step(Step::Freeze);
        settle(&engine);
        while engine.step(Step::Seal) {}
    }
    let stored = engine.event(entity.tenant(), id).unwrap().unwrap();
    assert!(stored.has_clock_timestamp() && stored.timestamp() == time);
}

/// No payload is parsed by the sequencer: what it would have to parse goes back to the caller.
#[test]
fn an_event_that_is_stored_while_an_append_waits_sends_it_back_for_another_look() {
    let (engine, entity, id) = (store(), Entity::new("a").unwrap(), Uuid::from_u128(1));
    let ([one, two, _], _) = spellings(id);
    let waiting = |event: &NewEvent| {
        let prepared = engine.prepare(Batch::to(&entity).event(event.clone())).unwrap();
        engine.look_up(prepared).unwrap()
    };
    let (same_bytes, same_value) = (waiting(&one), waiting(&two));
    let first = append(&engine, Batch::to(&entity).event(one)).unwrap().events[0];
    let (same_bytes, same_value) = (engine.enqueue(same_bytes), engine.enqueue(same_value));
    settle(&engine);
    assert_eq!(same_bytes.wait().unwrap().events[0].position, first.position);
    assert_eq!(same_value.wait().unwrap_err(), AppendError::Overtaken { id });
    let again = append(&engine, Batch::to(&entity).event(two)).unwrap().events[0];
    assert_eq!(again.position, first.position);
}

#[test]
fn a_batch_that_belongs_together_is_there_as_a_whole_or_not_at_all() {
    let (engine, entity) = (store(), Entity::new("a").unwrap());
    let tenant = entity.tenant().clone();
    let event = |number: u128| NewEvent::json("t", "1").unwrap().id(Uuid::from_u128(number));
    let batch = |count: u128| {
        let batch = (1..=count).fold(Batch::to(&entity), |batch, number| batch.event(event(number)));
        batch.alone().expect_absent(&tenant, Uuid::from_u128(count + 1))
    };
    append(&engine, batch(2)).unwrap();
    for _ in 0..2 {
        assert!(append(&engine, batch(2)).unwrap().events.iter().all(|event| event.replayed));
        for count in [1, 3] {
            let refused = append(&engine, batch(count)).unwrap_err();
            assert!(matches!(refused, AppendError::OtherBatch { .. }), "{count}: {refused}");
        }
        engine.step(Step::Freeze);
        settle(&engine);
        while engine.step(Step::Seal) {}
    }
    assert_eq!(engine.stats(None).unwrap().events, 2);
    // Both wait at once: which came first decides.
    let other = |count: u128| {
        let batch = (0..count).fold(Batch::to(&entity), |batch, number| batch.event(event(100 + number)));
        batch.alone().expect_absent(&tenant, Uuid::from_u128(100 + count))
    };
    let [long, short] = [3, 2].map(|count| engine.append(other(count)));
    settle(&engine);
    assert_eq!(long.wait().unwrap().events.len(), 3);
    assert!(matches!(short.wait(), Err(AppendError::OtherBatch { .. })));
}
