//! What the server itself knows, as events in a store of its own, the *system log*: definitions are folded from it, so
//! that they survive a restart and have a history.

mod log;
mod registry;
mod starts;

use std::path::Path;
use std::sync::Arc;

use allsource_engine::{OpenError, Options};

use crate::background::{Follower, Tasks};
use crate::problem::Problem;
use crate::store::Store;
use log::Log;
use registry::Entries;

pub use registry::{Definition, Entry, Registry};
pub use starts::{Started, Starts};

/// The folder of the system log inside the store's folder.
pub const FOLDER: &str = "system";

/// The system log is small: few partitions, short files, little memory.
const PARTITIONS: u32 = 1;
const JOURNAL_FILE_BYTES: u64 = 4 << 20;
const SEAL_BYTES: u64 = 8 << 20;
const OPEN_FILES: usize = 16;

/// The system log and what is folded from it.
pub struct System {
    store: Store,
    log: Log,
    starts: Starts,
}

impl System {
    /// Opens the system log of the store in this folder, with the durability and the way of reading of that store.
    ///
    /// # Errors
    /// When the system log is in use, damaged, or the system refuses.
    pub fn open(data: &Path, options: &Options) -> Result<Store, OpenError> {
        let options = Options {
            durability: options.durability,
            read_mode: options.read_mode,
            scrub_bytes_per_second: options.scrub_bytes_per_second,
            partitions: PARTITIONS,
            journal_file_bytes: JOURNAL_FILE_BYTES,
            seal_bytes: SEAL_BYTES,
            open_files: OPEN_FILES,
            snapshot_events: 0,
            ..Options::default()
        };
        Store::open(&data.join(FOLDER), options)
    }

    /// Folds an open system log.
    pub fn over(store: Store, tasks: &Tasks) -> Self {
        let starts: Arc<Entries<Started>> = Arc::default();
        let log = Log::over(store.clone(), tasks, vec![Arc::clone(&starts) as _]);
        Self { store, starts: Starts::over(Registry::new(starts, log.clone())), log }
    }

    /// Waits until everything is folded that the log held when it was opened.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn folded(&self) -> Result<(), Problem> {
        self.log.folded().await
    }

    /// The worker that folds the log.
    pub fn folding(&self) -> &Follower {
        self.log.folding()
    }

    /// The store that holds the log.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The starts of the server.
    pub fn starts(&self) -> &Starts {
        &self.starts
    }
}

#[cfg(test)]
mod tests;
