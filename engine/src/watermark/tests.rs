//! Every interleaving of a publisher and those who wait for it.

use std::time::Duration;

use loom::thread;

use super::Watermark;

/// Long: time does not pass in a model.
const TIMEOUT: Duration = Duration::from_secs(1);

#[test]
fn a_rise_wakes_a_waiter() {
    loom::model(|| {
        let watermark = loom::sync::Arc::new(Watermark::default());
        let publisher = loom::sync::Arc::clone(&watermark);
        let publishing = thread::spawn(move || publisher.publish(1));
        assert!(watermark.wait_above(0, TIMEOUT), "woken without a rise");
        publishing.join().expect("the publisher does not panic");
    });
}

#[test]
fn closing_wakes_a_waiter() {
    loom::model(|| {
        let watermark = loom::sync::Arc::new(Watermark::default());
        let closer = loom::sync::Arc::clone(&watermark);
        let closing = thread::spawn(move || closer.close());
        assert!(!watermark.wait_above(0, TIMEOUT));
        assert!(watermark.is_closed());
        closing.join().expect("the closer does not panic");
    });
}
