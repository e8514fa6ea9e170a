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
    /// Puts a server together over an open store.
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

    /// Whether a state comes with its history unless a request says otherwise.
    #[must_use]
    pub fn with_state_history(self, has_state_history: bool) -> Self {
        Self { has_state_history, ..self }
    }

    /// Whether a state comes with its history unless a request says otherwise.
    pub fn has_state_history(&self) -> bool {
        self.has_state_history
    }

    /// The service that appends.
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    /// The same, with a budget of this many bytes for all that requests and answers hold.
    #[must_use]
    pub fn with_memory(self, bytes: u64) -> Self {
        Self { budget: Budget::new(bytes), ..self }
    }

    /// The budget of bytes for all that requests and answers hold.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// What is counted.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Turns true when the server stops; whoever holds it is waited for.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    /// Asks everything long-lived to end.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Waits until everything long-lived has ended.
    pub async fn stopped(&self) {
        self.stopping.closed().await;
    }
}

/// Waits until the server stops. The receiver's lock is let go of before anything else is waited for.
pub async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the server is gone already.
    let _ = stopping.wait_for(|is_stopping| *is_stopping).await;
}
