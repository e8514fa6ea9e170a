//! Subscribers: waiting, waking and leaving.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Wake, Waker};
use std::time::Duration;

use super::{REMIND_AFTER, REMIND_MAX, Subscribers};
use crate::event::{EventRef, Filter, TenantId};
use crate::watermark::Watermark;

#[derive(Default)]
struct Count(AtomicU64);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn nowhere(_: u64) -> Option<EventRef> {
    None
}

fn filter(tenant: &str) -> Filter {
    Filter::tenant(TenantId::new(tenant).expect("a valid name"))
}

#[test]
fn nothing_is_left_of_subscribers_that_came_and_went() {
    let subscribers = Subscribers::new(Arc::new(Watermark::default()));
    let count = Arc::new(Count::default());
    for number in 0..60_000 {
        let (mut id, waker) = (None, Waker::from(Arc::clone(&count)));
        let filter = filter(&format!("t{}", number % 100));
        assert!(subscribers.wait(&mut id, &filter, (0, 0), &waker, Duration::ZERO));
        subscribers.leave(id.unwrap());
    }
    assert_eq!((subscribers.count(), Arc::strong_count(&count)), (0, 1));
    let registry = subscribers.registry.lock();
    assert!(registry.groups.is_empty() && registry.group_of.is_empty() && registry.waiting == 0);
    assert!(registry.due.len() + registry.settled.len() < 100, "the queue of reminders grows");
}

#[test]
fn an_event_that_left_memory_wakes_everyone_to_look_for_it() {
    let watermark = Arc::new(Watermark::default());
    let subscribers = Subscribers::new(Arc::clone(&watermark));
    let count = Arc::new(Count::default());
    let (mut id, waker) = (None, Waker::from(Arc::clone(&count)));
    assert!(subscribers.wait(&mut id, &filter("a"), (0, 0), &waker, Duration::ZERO));
    watermark.publish(7);
    assert_eq!(subscribers.advance(|| nowhere), 1);
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    assert_eq!(subscribers.resume(id.unwrap()), 0, "it looks at all 7 itself");
    assert!(
        !subscribers.wait(&mut id, &filter("a"), (0, 0), &waker, Duration::ZERO),
        "there is more already"
    );
}

#[test]
fn a_crowd_is_reminded_a_few_at_a_time_and_only_when_its_position_has_moved() {
    let watermark = Arc::new(Watermark::default());
    let subscribers = Subscribers::new(Arc::clone(&watermark));
    let count = Arc::new(Count::default());
    let mut ids = vec![None; 3 * REMIND_MAX];
    for id in &mut ids {
        let waker = Waker::from(Arc::clone(&count));
        assert!(subscribers.wait(id, &filter("a"), (0, 0), &waker, Duration::ZERO));
    }
    assert!(!subscribers.remind(REMIND_AFTER), "nothing has moved");
    assert_eq!(count.0.load(Ordering::Relaxed), 0);
    watermark.publish(1);
    {
        let mut registry = subscribers.registry.lock();
        registry.looked = 1;
        let settled = std::mem::take(&mut registry.settled);
        registry.due.extend(settled.into_iter().map(|id| (REMIND_AFTER, id)));
    }
    let mut rounds = 0;
    loop {
        rounds += 1;
        let is_more = subscribers.remind(REMIND_AFTER);
        assert_eq!(count.0.load(Ordering::Relaxed), rounds * REMIND_MAX as u64);
        if !is_more {
            break;
        }
    }
    assert_eq!(rounds, 3);
    assert!(ids.iter().flatten().all(|id| subscribers.resume(*id) == 1), "nothing up to 1 is for them");
}
