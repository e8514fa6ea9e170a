//! The subscription: what it delivers, when it waits, and what wakes it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Wake;

use super::*;
use crate::event::EventType;
use crate::platform::sim::SimClock;
use crate::subscribers::in_memory;
use crate::tail::Tail;
use crate::tail::tests::{Example, add};
use crate::watermark::Watermark;

/// A store in memory, with the notifier's work done by hand.
struct Desk {
    source: Source,
    watermark: Arc<Watermark>,
    /// How often the subscriber was woken.
    wakes: Arc<Wakes>,
}

#[derive(Default)]
struct Wakes(AtomicU64);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Desk {
    fn new() -> Self {
        let watermark = Arc::new(Watermark::default());
        let source = Source {
            store: Arc::new(Store::new(Vec::new(), Tail::after(0, vec![0]))),
            subscribers: Arc::new(Subscribers::new(Arc::clone(&watermark))),
            lineage: Arc::default(),
            clock: Arc::new(SimClock::at(0)),
        };
        Self { source, watermark, wakes: Arc::default() }
    }

    /// An event of this type becomes durable, and the notifier looks at it.
    fn publish(&self, event_type: &str) {
        let tail = self.source.store.tail();
        let version = tail.last_position() + 1;
        add(&tail, Example { entity_id: "a", event_type, version, payload: "{}", tags: &[] });
        self.watermark.publish(version);
        self.source.subscribers.advance(|| in_memory(self.source.store.layers()));
    }

    fn subscribe(&self, start: Start, types: &[&str]) -> Result<Subscription, CursorError> {
        let types = types.iter().map(|name| EventType::new(*name).unwrap()).collect();
        Subscription::new(self.source.clone(), start, Filter { types, ..Filter::all() })
    }

    /// The next message in short: the position of an event, or what else it says. `None`: it waits.
    fn next(&self, subscription: &mut Subscription) -> Option<String> {
        let waker = Waker::from(Arc::clone(&self.wakes));
        let position = |at: Option<Position>| at.map_or(0, Position::value);
        match subscription.poll_next(&mut Context::from_waker(&waker)) {
            Poll::Ready(message) => Some(match message?.unwrap() {
                Message::Event(event) => format!("event {}", event.position()),
                Message::CaughtUp(at) => format!("caught up at {}", position(at)),
                Message::Progress(at) => format!("progress to {at}"),
            }),
            Poll::Pending => None,
        }
    }

    fn wakes(&self) -> u64 {
        self.wakes.0.load(Ordering::Relaxed)
    }
}

#[test]
fn stored_events_come_first_then_caught_up_once_then_live_events() {
    let desk = Desk::new();
    desk.publish("order.placed");
    desk.publish("order.paid");
    let mut all = desk.subscribe(Start::Beginning, &[]).unwrap();
    let messages: Vec<_> = std::iter::from_fn(|| desk.next(&mut all)).collect();
    assert_eq!(messages, ["event 1", "event 2", "caught up at 2"]);
    desk.publish("order.placed");
    assert_eq!((desk.wakes(), desk.next(&mut all).as_deref()), (1, Some("event 3")));
    assert_eq!(desk.next(&mut all), None, "it waits again");
}

#[test]
fn only_a_matching_event_wakes_and_the_subscriber_resumes_behind_the_others() {
    let desk = Desk::new();
    let mut paid = desk.subscribe(Start::Now, &["order.paid"]).unwrap();
    assert_eq!(desk.next(&mut paid).as_deref(), Some("caught up at 0"));
    assert_eq!(desk.next(&mut paid), None);
    (0..5).for_each(|_| desk.publish("order.placed"));
    assert_eq!(desk.wakes(), 0);
    desk.publish("order.paid");
    assert_eq!((desk.wakes(), desk.next(&mut paid).as_deref()), (1, Some("event 6")));
    assert_eq!(paid.cursor().position, 6);
}

#[test]
fn a_subscription_starts_after_its_cursor_and_not_beyond_the_end() {
    let desk = Desk::new();
    desk.publish("order.placed");
    desk.publish("order.paid");
    let after = |position| Start::After(Position::new(position).unwrap());
    let mut rest = desk.subscribe(after(1), &[]).unwrap();
    assert_eq!(desk.next(&mut rest).as_deref(), Some("event 2"));
    let refused = desk.subscribe(after(3), &[]).map(drop);
    assert_eq!(refused, Err(CursorError::BeyondEnd { position: 3, end: 2 }));
}
