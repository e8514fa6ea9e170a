//! Every interleaving of the notifier, a subscriber that begins to wait or leaves, and the end.

use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration;

use loom::sync::Notify;
use loom::thread;

use super::Subscribers;
use crate::event::{EventRef, Filter};
use crate::watermark::Watermark;

struct Ring(Notify);

impl Wake for Ring {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

/// No event is in memory: every waiting subscriber is woken to fetch it.
fn nowhere(_: u64) -> Option<EventRef> {
    None
}

fn subscribers() -> (Arc<Watermark>, loom::sync::Arc<Subscribers>) {
    let watermark = Arc::new(Watermark::default());
    (Arc::clone(&watermark), loom::sync::Arc::new(Subscribers::new(watermark)))
}

#[test]
fn who_begins_to_wait_while_an_event_is_published_is_woken() {
    loom::model(|| {
        let (watermark, subscribers) = subscribers();
        let notifier = loom::sync::Arc::clone(&subscribers);
        let notifying = thread::spawn(move || {
            watermark.publish(1);
            notifier.advance(|| nowhere);
        });
        let ring = Arc::new(Ring(Notify::new()));
        let waker = Waker::from(Arc::clone(&ring));
        let mut id = None;
        // A model has one spurious wake; if the event wakes no subscriber, the model deadlocks and fails.
        while subscribers.wait(&mut id, &Filter::all(), (0, 0), &waker, Duration::ZERO) {
            ring.0.wait();
        }
        assert_eq!(subscribers.watermark(), 1);
        notifying.join().expect("the notifier does not panic");
    });
}

#[test]
fn who_resumes_while_it_is_woken_passes_over_nothing() {
    loom::model(|| {
        let (watermark, subscribers) = subscribers();
        let mut id = None;
        assert!(subscribers.wait(&mut id, &Filter::all(), (0, 0), Waker::noop(), Duration::ZERO));
        let notifier = loom::sync::Arc::clone(&subscribers);
        let notifying = thread::spawn(move || {
            watermark.publish(1);
            notifier.advance(|| nowhere);
        });
        let id = id.expect("who has waited is known");
        assert_eq!(subscribers.resume(id), 0, "the event at 1 was not compared and may match");
        subscribers.leave(id);
        notifying.join().expect("the notifier does not panic");
    });
}

#[test]
fn closing_wakes_a_waiter() {
    loom::model(|| {
        let (_, subscribers) = subscribers();
        let closer = loom::sync::Arc::clone(&subscribers);
        let closing = thread::spawn(move || closer.close());
        let ring = Arc::new(Ring(Notify::new()));
        let waker = Waker::from(Arc::clone(&ring));
        let mut id = None;
        while subscribers.wait(&mut id, &Filter::all(), (0, 0), &waker, Duration::ZERO) {
            ring.0.wait();
        }
        assert!(subscribers.is_closed());
        closing.join().expect("the closer does not panic");
    });
}

#[test]
fn a_notifier_without_waiters_is_woken_by_the_first_and_by_the_end() {
    loom::model(|| {
        let (_, subscribers) = subscribers();
        let notifier = loom::sync::Arc::clone(&subscribers);
        let notifying = thread::spawn(move || notifier.wait_joined());
        let mut id = None;
        assert!(subscribers.wait(&mut id, &Filter::all(), (0, 0), Waker::noop(), Duration::ZERO));
        notifying.join().expect("the notifier does not panic");
        subscribers.close();
        assert!(!subscribers.wait_joined());
    });
}
