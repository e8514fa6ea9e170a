//! The starts of the server: which release ran when, and whether it ended in order.

use std::sync::Arc;

use allsource_engine::event::Timestamp;
use allsource_engine::{ExpectedVersion, Incarnation};
use serde::{Deserialize, Serialize};

use super::registry::{Definition, Entry, Registry};
use crate::problem::Problem;

/// The number of starts to keep; older ones are removed.
const KEPT: usize = 1024;

/// A start of the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The release that ran.
    pub version: String,
    /// When it began to serve.
    pub started_at: String,
    /// When it had answered its last request; `None`: it is running, or did not end in order.
    pub stopped_at: Option<String>,
}

impl Definition for Started {
    const KIND: &'static str = "start";
}

/// The starts of the server, by the incarnation of the store that each wrote.
pub struct Starts {
    registry: Registry<Started>,
}

impl Starts {
    pub(super) fn over(registry: Registry<Started>) -> Self {
        Self { registry }
    }

    /// Every start that is kept, newest first.
    pub fn newest_first(&self) -> Vec<(String, Arc<Entry<Started>>)> {
        let mut starts = self.registry.list();
        starts.sort_by_key(|(_, entry)| std::cmp::Reverse(entry.since));
        starts
    }

    /// Records that this server begins to serve.
    ///
    /// # Errors
    /// When the system log cannot be written or read.
    pub async fn begin(&self, incarnation: Incarnation, now: Timestamp) -> Result<(), Problem> {
        let before = self.newest_first();
        if let Some((_, last)) = before.first()
            && last.value.stopped_at.is_none()
        {
            tracing::warn!(started_at = %last.value.started_at, "the last server did not end in order");
        }
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let started = Started { version, started_at: now.to_string(), stopped_at: None };
        self.registry.set(&incarnation.to_string(), &started, ExpectedVersion::Empty).await?;
        for (key, entry) in before.iter().skip(KEPT - 1) {
            self.registry.remove(key, ExpectedVersion::At(entry.version)).await?;
        }
        Ok(())
    }

    /// Records that this server has answered its last request.
    ///
    /// # Errors
    /// When its start was not recorded, or the system log cannot be written or read.
    pub async fn end(&self, incarnation: Incarnation, now: Timestamp) -> Result<(), Problem> {
        let key = incarnation.to_string();
        let Some(entry) = self.registry.get(&key) else { return Ok(()) };
        let started = Started { stopped_at: Some(now.to_string()), ..entry.value.clone() };
        self.registry.set(&key, &started, ExpectedVersion::At(entry.version)).await.map(drop)
    }
}
