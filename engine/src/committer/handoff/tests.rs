//! Every interleaving of the thread that hands over and the one that takes.

use loom::sync::Arc;
use loom::thread;

use super::{Handoff, Taken};

#[test]
fn every_value_arrives_once_in_order_and_then_the_end() {
    loom::model(|| {
        let handoff = Arc::new(Handoff::default());
        let giver = Arc::clone(&handoff);
        let giving = thread::spawn(move || {
            for value in 1..=2 {
                giver.put(value);
            }
            giver.close();
        });
        let mut taken = Vec::new();
        while let Taken::Value(value) = handoff.take(None) {
            taken.push(value);
        }
        assert_eq!(taken, [1, 2]);
        assert_eq!(handoff.take(None), Taken::Closed);
        giving.join().expect("the giver does not panic");
    });
}

#[test]
fn a_giver_waits_until_the_place_is_free() {
    loom::model(|| {
        let handoff = Arc::new(Handoff::default());
        handoff.put(1);
        let giver = Arc::clone(&handoff);
        let giving = thread::spawn(move || giver.put(2));
        assert_eq!(handoff.take(None), Taken::Value(1));
        assert_eq!(handoff.take(None), Taken::Value(2));
        assert!(handoff.is_free() && handoff.try_take().is_none());
        giving.join().expect("the giver does not panic");
    });
}
