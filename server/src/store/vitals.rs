//! The store's own metrics. Only one request at a time counts its size; the others share the result.

use std::time::Duration;

use allsource_engine::{Counters, Health, Stats, TaskReport};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{Error, Store};

/// How old the size of the store may be in metrics.
const STATS_AGE_MAX: Duration = Duration::from_secs(1);

/// The store's own metrics.
#[derive(Debug, Clone)]
pub struct Vitals {
    /// What happened since the store was opened.
    pub counters: Counters,
    /// The size of the store; `None` if it could not be read.
    pub stats: Option<Stats>,
    /// The health of the store.
    pub health: Health,
    /// What became of each task of upkeep.
    pub upkeep: Vec<TaskReport>,
}

/// The size of the store at the last count, and when that count began. The request that counts holds the lock; the
/// others wait for the result and use it if it is recent enough.
#[derive(Debug, Default)]
pub(super) struct Shared {
    counted: Mutex<Option<(Instant, Stats)>>,
}

impl Shared {
    /// The size of the store, counted at `oldest` or later.
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
                tracing::debug!(%error, "the size of the store could not be counted");
                None
            }
        };
        let (health, upkeep) = (store.engine.health(), store.upkeep());
        Vitals { counters: store.engine.counters(), stats, health, upkeep }
    }
}
