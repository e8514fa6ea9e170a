//! The progress of an upload, shown on a terminal.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::{machine, terminal};

/// The size of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Total {
    /// Bytes of a file.
    Bytes(u64),
    /// Events.
    Events(u64),
    /// Not known.
    Unknown,
}

/// A bar on standard error, with events a second and the time left.
pub(in crate::cli) struct Progress {
    bar: ProgressBar,
    started: Instant,
}

impl Progress {
    pub(in crate::cli) fn start(total: Total) -> Self {
        let (length, template) = match total {
            Total::Bytes(bytes) => (Some(bytes), "{bar:32} {percent:>3}%  {msg}  {eta} left"),
            Total::Events(events) => (Some(events), "{bar:32} {percent:>3}%  {msg}  {eta} left"),
            Total::Unknown => (None, "{spinner} {msg}  {elapsed}"),
        };
        let target =
            if terminal::is_watched() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(length, target);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, started: machine::now() }
    }

    /// Shows that `done` of the source is handled, with `events` events.
    pub(super) fn advance(&self, done: u64, events: u64) {
        self.bar.set_position(done);
        let rate = per_second(events, self.started.elapsed());
        self.bar.set_message(format!(
            "{}  {}/s",
            terminal::counted(events, "event"),
            terminal::grouped(rate)
        ));
    }

    /// Hides the bar while something is printed.
    pub(super) fn around(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }

    pub(in crate::cli) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Events a second, as a whole number.
pub(super) fn per_second(events: u64, elapsed: Duration) -> u64 {
    let rate = u128::from(events) * 1_000_000 / elapsed.as_micros().max(1);
    // The number of events comes from the server, so the rate may be absurd.
    u64::try_from(rate).unwrap_or(u64::MAX)
}
