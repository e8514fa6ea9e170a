//! The composition root: what every route may use.

use crate::admission::Admission;
use crate::background::{Follower, Tasks};
use crate::budget::{BYTES_DEFAULT, Budget};
use crate::metrics::Metrics;
use crate::problem::{Kind, Problem};
use crate::store::Store;
use crate::system::System;

/// The server's parts, built once.
pub struct App {
    store: Store,
    admission: Admission,
    metrics: Metrics,
    budget: Budget,
    requests: Tasks,
    background: Tasks,
    has_state_history: bool,
    system: Result<System, String>,
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
            system: Err("this server keeps none".to_owned()),
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

    /// Sets the system log, or why it cannot be opened.
    #[must_use]
    pub fn with_system(self, system: Result<System, String>) -> Self {
        Self { system, ..self }
    }

    /// What the server itself knows.
    ///
    /// # Errors
    /// When the system log could not be opened.
    pub fn system(&self) -> Result<&System, Problem> {
        self.system
            .as_ref()
            .map_err(|problem| Problem::new(Kind::UNAVAILABLE, problem.clone()).within("the system log"))
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

    /// The workers that follow a log.
    pub fn followers(&self) -> Vec<Follower> {
        self.system.iter().map(|system| system.folding().clone()).collect()
    }

    /// Closes the store and the system log.
    pub fn close(&self) {
        self.store.close();
        if let Ok(system) = &self.system {
            system.store().close();
        }
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
