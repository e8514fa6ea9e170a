//! Threads that may wait for the disk, so that the threads that answer do not. A limited number runs at once; further
//! work queues in order of arrival and costs no thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::Error;

/// Tells a piece of work that its caller has gone.
#[derive(Debug, Clone, Default)]
pub(super) struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Whether the caller has gone.
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// The flag itself, for the engine to check.
    pub(super) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}

/// Sets the flag when the waiting caller drops it.
struct Waiting(Cancel);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// A bounded number of worker threads.
#[derive(Debug, Clone)]
pub(super) struct Workers {
    permits: Arc<Semaphore>,
}

impl Workers {
    pub(super) fn at_most(count: usize) -> Self {
        assert!(count > 0, "work needs a thread");
        Self { permits: Arc::new(Semaphore::new(count)) }
    }

    /// Whether work would start at once.
    #[cfg(test)]
    pub(super) fn is_free(&self) -> bool {
        self.permits.available_permits() > 0
    }

    /// Runs work on a thread that may wait. Dropping the future cancels work that has not started; work that has
    /// started sees the flag and ends.
    ///
    /// # Errors
    /// When the server is stopping; the work did not start.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Cancel) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| Error::Stopping)?;
        let waiting = Waiting(Cancel::default());
        let cancel = waiting.0.clone();
        let working = spawn_blocking(move || {
            let done = (!cancel.is_set()).then(|| work(&cancel));
            drop(permit);
            done
        });
        match working.await {
            Ok(done) => done.ok_or(Error::Cancelled),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(Error::Stopping),
        }
    }
}
