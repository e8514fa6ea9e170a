//! The composition root: what every route may use.

use tokio::sync::watch;

use crate::admission::Admission;
use crate::budget::{BYTES_DEFAULT, Budget};
use crate::metrics::Metrics;
use crate::store::Store;

/// The server's parts, built once.
pub struct App {
    store: Store,
    admission: Admission,
    metrics: Metrics,
    budget: Budget,
    stopping: watch::Sender<bool>,
    has_state_history: bool,
}

impl App {
    /// Builds a server over an open store.
    pub fn new(store: Store) -> Self {
        Self {
            admission: Admission::to(store.clone()),
            store,
            metrics: Metrics::default(),
            budget: Budget::new(BYTES_DEFAULT),
            stopping: watch::Sender::new(false),
            has_state_history: false,
        }
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Sets whether a state includes its history by default.
    #[must_use]
    pub fn with_state_history(self, has_state_history: bool) -> Self {
        Self { has_state_history, ..self }
    }

    /// Whether a state includes its history by default.
    pub fn has_state_history(&self) -> bool {
        self.has_state_history
    }

    /// The service that appends.
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    /// Sets the memory budget, in bytes, of requests and answers.
    #[must_use]
    pub fn with_memory(self, bytes: u64) -> Self {
        Self { budget: Budget::new(bytes), ..self }
    }

    /// The memory budget of requests and answers.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The server's metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Turns true when the server stops. [`App::stopped`] waits until every receiver is dropped.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    /// Asks every long-lived task to end.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Waits until every long-lived task has ended.
    pub async fn stopped(&self) {
        self.stopping.closed().await;
    }
}

/// Waits until the server stops, and releases the receiver's lock before it returns.
pub async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the server has already stopped.
    let _ = stopping.wait_for(|is_stopping| *is_stopping).await;
}
