//! The composition root: what every route may use.

use crate::admission::Admission;
use crate::background::Tasks;
use crate::budget::{BYTES_DEFAULT, Budget};
use crate::metrics::Metrics;
use crate::store::Store;

/// The server's parts, built once.
pub struct App {
    store: Store,
    admission: Admission,
    metrics: Metrics,
    budget: Budget,
    requests: Tasks,
    background: Tasks,
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
            requests: Tasks::default(),
            background: Tasks::default(),
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

    /// Connections and streams: they end before anything else does.
    pub fn requests(&self) -> &Tasks {
        &self.requests
    }

    /// Work beside the requests: it ends after them.
    pub fn background(&self) -> &Tasks {
        &self.background
    }
}
