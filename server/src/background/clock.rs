//! Logs when the clock falls behind the stored events.

use std::time::Duration;

/// A smaller lag is normal: commit times run ahead of the clock by a microsecond per event.
const BEHIND: Duration = Duration::from_secs(1);

/// How far the clock is behind the last event, if that is far.
pub(crate) fn if_far(behind: Duration) -> Option<Duration> {
    Some(behind).filter(|behind| *behind >= BEHIND)
}

/// Remembers what was logged about the clock.
#[derive(Debug, Default)]
pub(super) struct ClockWatch {
    is_behind: bool,
}

impl ClockWatch {
    /// Logs when the clock falls far behind, and when it has caught up.
    pub(super) fn look(&mut self, behind: Duration) {
        let behind = if_far(behind);
        match behind {
            Some(behind) if !self.is_behind => tracing::warn!(
                behind_seconds = behind.as_secs(),
                "the clock is behind the last stored event: it jumped ahead before, or was set back. Events get \
                timestamps from the clock, and commit times that keep rising from the last one"
            ),
            None if self.is_behind => tracing::info!("the clock has caught up with the stored events"),
            _ => {}
        }
        self.is_behind = behind.is_some();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_far_behind_from_one_second_on() {
        assert_eq!(if_far(Duration::from_micros(999_999)), None);
        assert_eq!(if_far(BEHIND), Some(BEHIND));
        let mut watch = ClockWatch::default();
        watch.look(5 * BEHIND);
        assert!(watch.is_behind);
        watch.look(Duration::ZERO);
        assert!(!watch.is_behind);
    }
}
