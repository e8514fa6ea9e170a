//! Simulated time and randomness.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use uuid::Uuid;

use super::fault::Seeded;
use crate::platform::clock::{Clock, Entropy};

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct SimClock {
    micros: AtomicI64,
}

impl SimClock {
    /// A clock that shows `micros` microseconds since 1970-01-01T00:00:00Z.
    pub fn at(micros: i64) -> Self {
        Self { micros: AtomicI64::new(micros) }
    }

    /// Moves it forwards, or backwards, as real clocks are.
    pub fn advance(&self, micros: i64) {
        self.micros.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Clock for SimClock {
    fn now_micros(&self) -> i64 {
        self.micros.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.now_micros().unsigned_abs())
    }
}

/// Randomness that repeats.
#[derive(Debug)]
pub struct SimEntropy {
    random: Mutex<Seeded>,
}

impl SimEntropy {
    /// The same seed gives the same sequence.
    pub fn seeded(seed: u64) -> Self {
        Self { random: Mutex::new(Seeded::new(seed)) }
    }
}

impl Entropy for SimEntropy {
    fn uuid(&self) -> Uuid {
        let mut random = self.random.lock();
        let (high, low) = (random.next(), random.next());
        uuid::Builder::from_random_bytes(((u128::from(high) << 64) | u128::from(low)).to_le_bytes())
            .into_uuid()
    }
}
