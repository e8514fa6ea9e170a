//! The queue: when a round is due, and which appends fit into it.

use allsource_format::frame;

use super::*;
use crate::append::Accepts;
use crate::batch::Batch;
use crate::event::{Entity, NewEvent};
use crate::platform::sim::SimEntropy;

fn request(payload_bytes: usize) -> Request {
    let payload = format!("\"{}\"", "x".repeat(payload_bytes));
    let event = NewEvent::json("t", payload).unwrap();
    let batch = Batch::to(&Entity::new("a").unwrap()).event(event);
    let (reply, _) = oneshot::channel();
    let entropy = SimEntropy::seeded(1);
    Request::prepare(batch, Accepts { partitions: 1, bytes_max: 16 << 20, entropy: &entropy }, reply).unwrap()
}

/// Whether a round is due without waiting for one.
fn is_due(queue: &Queue) -> bool {
    queue.waiting.lock().is_round_due()
}

#[test]
fn a_small_append_waits_for_the_disk_and_a_large_one_does_not() {
    let queue = Queue::bounded(64 << 20);
    queue.push(request(10)).unwrap();
    assert!(!is_due(&queue), "what arrives until the disk is free can share its sync");
    queue.disk_is_idle();
    assert!(is_due(&queue));
    queue.disk_is_busy();
    queue.push(request(EARLY_ROUND_BYTES)).unwrap();
    assert!(is_due(&queue), "these are enough for a round of their own");
}

#[test]
fn a_full_queue_refuses_appends_but_an_empty_one_takes_any() {
    let queue = Queue::bounded(1000);
    queue.push(request(5000)).unwrap();
    assert_eq!(queue.push(request(10)), Err(AppendError::Overloaded));
    let mut taken = Vec::new();
    queue.drain(1 << 20, &mut taken);
    assert_eq!((taken.len(), queue.bytes()), (1, 0));
    queue.push(request(10)).unwrap();
}

#[test]
fn a_round_takes_whole_appends_in_their_order_and_at_least_one() {
    let queue = Queue::bounded(64 << 20);
    for bytes in [100, 3000, 200, 300] {
        queue.push(request(bytes)).unwrap();
    }
    let mut lengths = Vec::new();
    while !queue.is_empty() {
        let mut taken = Vec::new();
        let frames = queue.drain(2048, &mut taken);
        let sum: usize = taken.iter().map(|request| frame::length(request.bytes.len())).sum();
        assert_eq!(frames, sum);
        lengths.push(taken.len());
    }
    assert_eq!(lengths, [1, 1, 2], "3000 bytes are more than a round, and still one");
}

#[test]
fn a_closed_queue_refuses_appends_and_hands_out_those_it_holds() {
    let queue = Queue::bounded(1000);
    queue.push(request(10)).unwrap();
    queue.close();
    assert!(matches!(queue.push(request(10)), Err(AppendError::Fenced(_))));
    assert!(queue.wait(None), "one is left");
    queue.drain(1 << 20, &mut Vec::new());
    assert!(!queue.wait(None), "and nothing will come any more");
}
