//! The composition root: what every route may use.

use tokio::sync::watch;

use crate::admission::Admission;
use crate::metrics::Metrics;
use crate::store::Store;

/// The server's parts, built once.
pub struct App {
    store: Store,
    admission: Admission,
    metrics: Metrics,
    stopping: watch::Sender<bool>,
    has_state_history: bool,
}

impl App {
    /// Puts a server together over an open store.
    pub fn new(store: Store) -> Self {
        let (admission, stopping) = (Admission::to(store.clone()), watch::Sender::new(false));
        Self { store, admission, metrics: Metrics::default(), stopping, has_state_history: false }
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
