//! Appends in steps, so that a caller that must not wait for the disk can leave reading to another thread.

use std::sync::atomic::Ordering;

use super::Engine;
use crate::append::{Accepts, Append, LookUp, Prepared, Ready, Request};
use crate::batch::Batch;
use crate::error::AppendError;

impl Engine {
    /// Appends a batch: all of its events, or none. Returns without waiting for the batch to be written; wait on the handle
    /// for that. It may read sealed files to look up the versions and ids that the batch is checked against.
    pub fn append(&self, batch: Batch) -> Append {
        let ready = self.prepare(batch).and_then(|prepared| self.look_up(prepared));
        match ready {
            Ok(ready) => self.enqueue(ready),
            Err(error) => Append::refused(error),
        }
    }

    /// Checks and encodes a batch. It reads no file.
    ///
    /// # Errors
    /// When the batch is empty or too large, or the store takes no appends.
    pub fn prepare(&self, batch: Batch) -> Result<Prepared, AppendError> {
        if let Some(reason) = self.shared.progress.fenced() {
            return Err(AppendError::Fenced(reason));
        }
        let (reply, receiver) = oneshot::channel();
        let (partitions, bytes_max) = (self.shared.partitions, self.body_bytes_max);
        let store = Accepts { partitions, bytes_max, entropy: &*self.entropy };
        let request = Request::prepare(batch, store, reply)?;
        Ok(Prepared::new(request, receiver))
    }

    /// Looks up the versions and ids that the batch is checked against, if memory holds them all.
    pub fn look_up_in_memory(&self, prepared: Prepared) -> LookUp {
        prepared.look_up_in_memory(&self.shared.store.layers())
    }

    /// Looks up the versions and ids that the batch is checked against. It may read sealed files.
    ///
    /// # Errors
    /// When the data needed is damaged or cannot be read now.
    pub fn look_up(&self, prepared: Prepared) -> Result<Ready, AppendError> {
        prepared.look_up(&self.shared.store.layers())
    }

    /// Enqueues a batch whose look-ups are done. It reads no file, and does not wait for the batch to be written.
    pub fn enqueue(&self, ready: Ready) -> Append {
        let (request, receiver) = ready.into_parts();
        match self.shared.queue.push(request) {
            Ok(()) => Append::waiting(receiver),
            Err(error) => {
                let is_overload = u64::from(error == AppendError::Overloaded);
                self.shared.tallies.overloads.fetch_add(is_overload, Ordering::Relaxed);
                Append::refused(error)
            }
        }
    }
}

#[cfg(test)]
mod tests;
