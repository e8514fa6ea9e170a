//! Appends that are decided by what is there already.

use std::sync::Arc;

use uuid::Uuid;

use crate::batch::Batch;
use crate::drive::Step;
use crate::engine::Engine;
use crate::error::AppendError;
use crate::event::{Entity, InvalidEvent, NewEvent};
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
