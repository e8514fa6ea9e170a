//! Time and randomness.

use std::time::{Duration, Instant};

use uuid::Uuid;

/// Time as the engine sees it.
pub trait Clock: Send + Sync + 'static {
    /// Microseconds since 1970-01-01T00:00:00Z.
    fn now_micros(&self) -> i64;
    /// Time since some fixed moment; it never goes back.
    fn monotonic(&self) -> Duration;
}

/// Randomness as the engine sees it.
pub trait Entropy: Send + Sync + 'static {
    /// A random UUID (version 4).
    fn uuid(&self) -> Uuid;
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is where time enters")]
    fn default() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is where time enters")]
    fn now_micros(&self) -> i64 {
        chrono::Utc::now().timestamp_micros()
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

/// Processor time of all threads of this process so far.
pub fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    #[expect(clippy::expect_used, reason = "the system counts nanoseconds up to a second")]
    let nanos = u32::try_from(time.tv_nsec).expect("less than a second");
    Duration::new(time.tv_sec.unsigned_abs(), nanos)
}

/// The operating system's randomness.
#[derive(Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(clippy::disallowed_methods, reason = "this is where randomness enters")]
    fn uuid(&self) -> Uuid {
        Uuid::new_v4()
    }
}
