//! Counts of outcomes since the store was opened.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::AppendError;
use crate::sequencer::Round;

/// Counts of outcomes since the store was opened.
#[derive(Debug, Default)]
pub(crate) struct Tallies {
    pub(crate) appends: AtomicU64,
    pub(crate) events: AtomicU64,
    pub(crate) conflicts: AtomicU64,
    pub(crate) replays: AtomicU64,
    pub(crate) overloads: AtomicU64,
    pub(crate) stalled_micros: AtomicU64,
}

impl Tallies {
    /// Counts the outcomes of a committed round.
    pub(super) fn count(&self, round: &Round) {
        for (_, answer) in &round.answers {
            match answer {
                Ok(commit) => {
                    let replays = commit.events.iter().filter(|event| event.replayed).count() as u64;
                    self.appends.fetch_add(1, Ordering::Relaxed);
                    self.replays.fetch_add(replays, Ordering::Relaxed);
                }
                Err(AppendError::Conflict { .. }) => {
                    self.conflicts.fetch_add(1, Ordering::Relaxed);
                }
                Err(_) => {}
            }
        }
        self.events.fetch_add(round.records.len() as u64, Ordering::Relaxed);
    }
}
