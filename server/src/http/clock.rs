//! Saying in the log when the clock falls behind what is stored.

use std::time::Duration;

/// A clock that is behind by less is not worth a word: commit times run ahead of it by a microsecond an event.
const BEHIND: Duration = Duration::from_secs(1);

/// By how much the clock is behind the last event, if that is far.
pub(super) fn if_far(behind: Duration) -> Option<Duration> {
    Some(behind).filter(|behind| *behind >= BEHIND)
}

/// Remembers what the log says of the clock.
#[derive(Debug, Default)]
pub(super) struct ClockWatch {
    is_behind: bool,
}

impl ClockWatch {
    /// Says so when the clock falls far behind, and when it has caught up.
    pub(super) fn look(&mut self, behind: Duration) {
        let behind = if_far(behind);
        match behind {
            Some(behind) if !self.is_behind => tracing::warn!(
                behind_seconds = behind.as_secs(),
                "the clock is behind the last stored event: it jumped ahead before, or was put back. Events get \
                 timestamps by the clock, and commit times that rise from the last one"
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
