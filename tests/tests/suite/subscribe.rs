//! Subscribers wake only for events that match their filters, and what they hold is counted in bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use allsource_engine::event::{Entity, EventType, Filter, NewEvent, TenantId};
use allsource_engine::{Batch, Engine, Message, Options, Start, Subscription};

#[derive(Default)]
struct Count(AtomicU64);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Count {
    fn reached(&self, count: u64) -> bool {
        for _ in 0..500 {
            if self.0.load(Ordering::SeqCst) >= count {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }
}

fn store() -> (tempfile::TempDir, Engine) {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::open_with(folder.path(), Options::default()).unwrap();
    (folder, engine)
}

fn append(engine: &Engine, id: &str, event_type: &str, payload: &str) {
    let entity = Entity::new(id).unwrap();
    engine.append(Batch::to(&entity).event(NewEvent::json(event_type, payload).unwrap())).wait().unwrap();
}

fn poll(live: &mut Subscription, count: &Arc<Count>) -> Poll<Option<Message>> {
    let waker = Waker::from(Arc::clone(count));
    let polled = live.poll_next(&mut Context::from_waker(&waker));
    polled.map(|message| message.map(Result::unwrap))
}

/// Subscribes to a filter and polls until it waits.
fn waiting(engine: &Engine, filter: Filter, count: &Arc<Count>) -> Subscription {
    let mut live = engine.subscribe(Start::Now, filter).unwrap();
    assert!(matches!(poll(&mut live, count), Poll::Ready(Some(Message::CaughtUp(_)))));
    assert!(poll(&mut live, count).is_pending());
    live
}

#[test]
fn events_that_do_not_match_wake_no_subscriber_and_are_not_scanned_again() {
    let (_folder, engine) = store();
    let entity = |id: &str| Filter::entity(&Entity::new(id).unwrap());
    let tenant = || Filter::tenant(TenantId::default());
    let typed = |name: &str| entity("a").of_type(EventType::new(name).unwrap());
    let either = tenant().of_type(EventType::new("wanted").unwrap()).of_type(EventType::new("x").unwrap());
    let prefixed = tenant().of_type_prefix("order.").of_type_prefix("y");
    for (filter, id, event_type) in [
        (entity("mine"), "mine", "any"),
        (typed("wanted"), "a", "wanted"),
        (either, "a", "wanted"),
        (prefixed, "b", "order.placed"),
        (tenant().of_entity_prefix("mi"), "mine", "any"),
        (Filter::all(), "mine", "any"),
    ] {
        let count = Arc::new(Count::default());
        let mut live = waiting(&engine, filter.clone(), &count);
        let before = engine.watermark();
        if filter != Filter::all() {
            for n in 0..50 {
                append(&engine, "a", "other", &n.to_string());
            }
            // A spurious poll may come at any time; it learns up to where nothing matched.
            assert!(count.0.load(Ordering::SeqCst) <= 1, "{filter:?} was woken by events for others");
        }
        append(&engine, id, event_type, "1");
        assert!(count.reached(1), "{filter:?} was not woken");
        let Poll::Ready(Some(Message::Event(event))) = poll(&mut live, &count) else { panic!("no event") };
        assert_eq!(event.event_type(), event_type);
        assert!(Some(event.position()) > before);
    }
}

#[test]
fn a_waiting_subscriber_gets_its_position_from_time_to_time() {
    let (_folder, engine) = store();
    let count = Arc::new(Count::default());
    let mut live = waiting(&engine, Filter::entity(&Entity::new("mine").unwrap()), &count);
    for n in 0..20 {
        append(&engine, "other", "t", &n.to_string());
    }
    assert!(count.reached(1), "no progress was reported");
    let Poll::Ready(Some(Message::Progress(position))) = poll(&mut live, &count) else {
        panic!("no progress")
    };
    assert_eq!(Some(position), engine.watermark());
    assert_eq!(live.position(), engine.watermark());
    assert!(poll(&mut live, &count).is_pending(), "progress comes once a second, not once a round");
}

#[test]
fn a_dropped_subscriber_leaves_no_waker_behind() {
    let (_folder, engine) = store();
    let count = Arc::new(Count::default());
    let live: Vec<Subscription> = (0..100).map(|_| waiting(&engine, Filter::all(), &count)).collect();
    assert!(Arc::strong_count(&count) >= 100);
    drop(live);
    assert_eq!(Arc::strong_count(&count), 1);
}

#[test]
fn what_a_subscriber_holds_is_counted_in_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::open_with(folder.path(), Options { partitions: 4, ..Options::default() }).unwrap();
    let payload = format!("\"{}\"", "x".repeat(1 << 20));
    for _ in 0..20 {
        append(&engine, "large", "t", &payload);
    }
    for n in 0..2_000 {
        append(&engine, "small", "t", &n.to_string());
    }
    for is_sealed in [false, true] {
        if is_sealed {
            engine.seal().unwrap();
        }
        let mut live = engine.subscribe(Start::Beginning, Filter::all()).unwrap();
        let mut events = 0;
        while let Some(message) = live.try_next() {
            let Message::Event(event) = message.unwrap() else { break };
            events += 1;
            assert_eq!(event.position().value(), events);
            assert!(live.prefetched_bytes() <= (1 << 20) + (100 << 10), "{} bytes", live.prefetched_bytes());
            if events % 100 == 7 {
                live.release();
                assert_eq!(live.prefetched_bytes(), 0);
            }
        }
        assert_eq!(events, 2_020, "released events are fetched again");
    }
}

#[test]
fn a_fetch_that_nobody_waits_for_ends_and_loses_nothing() {
    let (_folder, engine) = store();
    for n in 0..50 {
        append(&engine, "a", "t", &n.to_string());
    }
    engine.seal().unwrap();
    let mut live = engine.subscribe(Start::Beginning, Filter::default()).unwrap();
    let stop = Arc::new(AtomicBool::new(true));
    live.read_ahead_until(&stop).unwrap();
    assert_eq!((live.prefetched_bytes(), live.position()), (0, None), "the search ended at once");
    stop.store(false, Ordering::SeqCst);
    live.read_ahead_until(&stop).unwrap();
    assert!(live.prefetched_bytes() > 0);
    let events = std::iter::from_fn(|| live.try_next()).map(|message| message.unwrap());
    let count = events.take_while(|message| matches!(message, Message::Event(_))).count();
    assert_eq!(count, 50);
}
