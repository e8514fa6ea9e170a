//! What the store says about itself. Its size is counted by one request at a time, however many ask.

use std::time::Duration;

use allsource_engine::{Counters, Health, Stats, TaskReport};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{Error, Store};

/// For metrics the size of the store may be this old.
const STATS_AGE_MAX: Duration = Duration::from_secs(1);

/// What the store says about itself.
#[derive(Debug, Clone)]
pub struct Vitals {
    /// What happened since the store was opened.
    pub counters: Counters,
    /// How much the store holds; `None`: that could not be read.
    pub stats: Option<Stats>,
    /// Whether the store does its work.
    pub health: Health,
    /// What became of each task of upkeep.
    pub upkeep: Vec<TaskReport>,
}

/// The size of the store as it was last counted, and when the count began. Whoever counts holds the lock; the others
/// wait for the result and take it if it is new enough.
#[derive(Debug, Default)]
pub(super) struct Shared {
    counted: Mutex<Option<(Instant, Stats)>>,
}

impl Shared {
    /// The size of the store at `oldest` or later.
    pub(super) async fn stats(&self, store: &Store, oldest: Instant) -> Result<Stats, Error> {
        let mut counted = self.counted.lock().await;
        if let Some((began, stats)) = &*counted
            && *began >= oldest
        {
            return Ok(*stats);
        }
        let began = Instant::now();
        let stats = store.look(|look| look.stats(None)).await?;
        *counted = Some((began, stats));
        Ok(stats)
    }

    pub(super) async fn vitals(&self, store: &Store) -> Vitals {
        let now = Instant::now();
        let oldest = now.checked_sub(STATS_AGE_MAX).unwrap_or(now);
        let stats = match self.stats(store, oldest).await {
            Ok(stats) => Some(stats),
            Err(error) => {
                tracing::debug!(%error, "the size of the store is not known");
                None
            }
        };
        let (health, upkeep) = (store.engine.health(), store.upkeep());
        Vitals { counters: store.engine.counters(), stats, health, upkeep }
    }
}
