//! A clock that jumps ahead and is set back: commit times rise, and events happen when the clock says.

use std::sync::Arc;

use allsource_engine::event::{Entity, NewEvent, Timestamp};
use allsource_engine::platform::Clock;
use allsource_engine::platform::sim::{SimClock, SimDisk, SimEntropy};
use allsource_engine::{AsOf, Batch, Committed, Engine, Options, Query, Step};
use allsource_tests::fixture::settle;

const START: i64 = 1_700_000_000_000_000;
const YEAR: i64 = 31_536_000_000_000;

fn open(disk: &SimDisk, clock: &Arc<SimClock>) -> Engine {
    let options = Options { partitions: 2, journal_file_bytes: 64 << 10, ..Options::default() };
    let entropy = Arc::new(SimEntropy::seeded(1));
    Engine::open_by_hand(Arc::new(disk.clone()), clock.clone(), entropy, options).unwrap()
}

fn append(engine: &Engine) -> Committed {
    let event = NewEvent::json("t", "{}").unwrap();
    let append = engine.append(Batch::to(&Entity::new("a").unwrap()).event(event.clone()).event(event));
    settle(engine);
    let commit = append.wait().unwrap();
    assert!(commit.events[0].recorded_at < commit.events[1].recorded_at);
    assert_eq!(commit.events[0].timestamp, commit.events[1].timestamp);
    commit.events[1]
}

/// Otherwise every later event would lie in the future, even after a restart, and `as_of` would miss it.
#[test]
fn events_happen_by_the_clock_even_after_it_was_ahead() {
    let (disk, clock) = (SimDisk::new(1), Arc::new(SimClock::at(START)));
    let mut engine = open(&disk, &clock);
    assert_eq!(append(&engine).timestamp, Timestamp::from_micros(START));
    assert_eq!(engine.counters().clock_behind_micros, 1);
    clock.advance(5 * YEAR);
    let ahead = append(&engine);
    assert_eq!(ahead.timestamp, Timestamp::from_micros(START + 5 * YEAR));
    clock.advance(1_000_000 - 5 * YEAR);
    for life in 0..3 {
        let now = Timestamp::from_micros(clock.now_micros());
        let behind = engine.counters().clock_behind_micros;
        assert!(behind > 4 * YEAR.unsigned_abs(), "life {life}: {behind}");
        let committed = append(&engine);
        assert_eq!(committed.timestamp, now, "life {life}");
        assert!(committed.recorded_at > ahead.recorded_at);
        let state = engine.fold(&Entity::new("a").unwrap(), AsOf::Time(now)).unwrap().unwrap();
        // All but the two events appended while the clock was ahead.
        assert_eq!(state.event_count(), committed.version.value() - 2);
        engine.step(Step::Freeze);
        settle(&engine);
        engine.step(Step::Seal);
        engine.close();
        drop(engine);
        disk.kill();
        clock.advance(1_000_000);
        engine = open(&disk, &clock);
    }
    let recorded: Vec<Timestamp> =
        engine.read(&Query::all()).unwrap().map(|event| event.unwrap().recorded_at()).collect();
    assert!(recorded.is_sorted_by(|one, next| one < next), "{recorded:?}");
    clock.advance(6 * YEAR);
    assert_eq!(engine.counters().clock_behind_micros, 0);
}

/// A clock at the end of time must not leave a store that refuses every later event.
#[test]
fn a_clock_at_the_end_of_time_leaves_room_for_later_events() {
    let (disk, clock) = (SimDisk::new(1), Arc::new(SimClock::at(i64::MAX)));
    let engine = open(&disk, &clock);
    let last = append(&engine);
    assert!(last.recorded_at < Timestamp::MAX && last.timestamp < Timestamp::MAX);
    assert!(append(&engine).recorded_at > last.recorded_at);
}
