//! The committer, the only path into the log: it writes a round, makes it durable, publishes it and answers.

mod failure;
mod handoff;
mod tallies;
mod write;

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::append::{Answer, Reply};
use crate::batch::{Acknowledged, Commit};
use crate::error::AppendError;
use crate::journal::{Current, Spare, refusal};
use crate::manifest::Catalog;
use crate::options::Durability;
use crate::planted::{self, Bug};
use crate::platform::sync::{AtomicI64, AtomicU64};
use crate::platform::{Clock, Disk, DiskFile};
use crate::sequencer::{Checkpoint, Round};
use crate::signal::Signal;
use crate::tail::Tail;
use crate::view::Store;
use crate::watermark::Watermark;

use failure::{Failure, Refusals};

pub(crate) use handoff::{Handoff, Taken};
pub(crate) use tallies::Tallies;
pub(crate) use write::Unrecorded;

/// A tail is sealed early once it is spread over more journal files than this, as after many crashes: every opening reads
/// all of them.
const JOURNAL_FILES_MAX: usize = 256;

/// The committer's state as the rest of the engine sees it.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Everything below this log offset is synced.
    pub(crate) synced_through: AtomicU64,
    /// Why the store is fenced, once it is.
    fenced: Mutex<Option<String>>,
    /// Rounds that were refused after they had been built.
    pub(crate) refusals: Refusals,
    /// Rounds written, bytes written, microseconds spent in syncs.
    pub(crate) rounds: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) sync_micros: AtomicU64,
    /// Commit time of the last event that was decided, in microseconds since 1970-01-01T00:00:00Z.
    pub(crate) last_recorded_at: AtomicI64,
}

impl Progress {
    /// The progress of a store whose last event was committed at this time.
    pub(crate) fn after(last_recorded_at: i64) -> Self {
        Self { last_recorded_at: AtomicI64::new(last_recorded_at), ..Self::default() }
    }

    /// Fences the store: nothing is written any more. The first reason is kept.
    pub(crate) fn fence(&self, reason: String) {
        self.fenced.lock().get_or_insert(reason);
    }

    /// Why the store is fenced, if it is.
    pub(crate) fn fenced(&self) -> Option<String> {
        self.fenced.lock().clone()
    }
}

/// Writes rounds to the journal, one after the other.
pub(crate) struct Committer {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) file: Arc<dyn DiskFile>,
    /// The same file, for checks whether its name still leads to it.
    pub(crate) current: Arc<Current>,
    pub(crate) spare: Arc<Spare>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) durability: Durability,
    /// The weight at which the tail is frozen.
    pub(crate) seal_bytes: u64,
    pub(crate) store: Arc<Store>,
    /// The store's growing tail.
    pub(crate) tail: Arc<Tail>,
    /// Raised for the sealer when a tail is frozen.
    pub(crate) frozen: Arc<Signal>,
    pub(crate) watermark: Arc<Watermark>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) tallies: Arc<Tallies>,
    /// Where the log ends: after the last committed round.
    pub(crate) committed: Checkpoint,
    /// Where in the file a refused round may have left bytes.
    pub(crate) unclean: Option<Range<u64>>,
    /// The current file, while no manifest records it.
    pub(crate) unrecorded: Option<Unrecorded>,
    /// When unsynced bytes were first written, and the log offset they reach to.
    pub(crate) unsynced: Option<(Duration, u64)>,
}

impl Committer {
    /// Commits a round and answers its appends. If the disk fails, fences the store and answers that the outcome is
    /// unknown.
    pub(crate) fn commit(&mut self, mut round: Round) {
        if planted::is(Bug::AckBeforeSync) {
            answer_all(std::mem::take(&mut round.answers), self.acknowledgement());
        }
        if planted::is(Bug::VisibleBeforeDurable) {
            self.publish(&round);
        }
        let outcome = match self.progress.fenced() {
            Some(reason) => Err(AppendError::Unknown(reason)),
            None => self.attempt(&round),
        };
        match outcome {
            Ok(()) => {
                if !planted::is(Bug::VisibleBeforeDurable) {
                    self.publish(&round);
                }
                self.tallies.count(&round);
                answer_all(round.answers, self.acknowledgement());
                if let Err(error) = self.freeze_if_due(round.is_freeze) {
                    self.fence(&error);
                }
            }
            Err(error) => answer_alike(round.answers, &error),
        }
    }

    /// Writes a round, unless it was built on one that was refused. On failure, all its appends get the same answer.
    fn attempt(&mut self, round: &Round) -> Result<(), AppendError> {
        let outcome = match self.progress.refusals.since(round.attempt) {
            Some(reason) => Err(Failure::Refused(reason)),
            None => self.write(round),
        };
        match outcome {
            Ok(()) => {
                let (before, after) = (&self.committed.cursor, &round.after.cursor);
                assert!(before.log_offset <= after.log_offset, "the log only grows");
                assert!(before.next_position <= after.next_position, "positions only rise");
                assert!(self.unclean.is_none(), "what a refused round left is cleared before the next");
                self.committed = round.after.clone();
                self.progress.refusals.accept();
                Ok(())
            }
            Err(Failure::Refused(reason)) => {
                self.refuse(round, reason.clone());
                Err(reason)
            }
            Err(Failure::Unclean(error)) => {
                self.refuse(round, refusal(&error));
                Err(AppendError::Unknown(format!(
                    "a part of it stays in the journal file until it can be cleared: {error}"
                )))
            }
            Err(Failure::Fatal(error)) => Err(AppendError::Unknown(self.fence(&error))),
        }
    }

    /// Continues the log after the last committed round. Rounds that were built on this one are refused as they come.
    fn refuse(&mut self, round: &Round, reason: AppendError) {
        // Before the sequencer learns of the refusal: it may then reserve the spare file for another round.
        if round.rotate_to.is_some() && self.unrecorded.is_none() {
            self.spare.release();
        }
        if self.progress.refusals.since(round.attempt).is_none() {
            self.progress.refusals.refuse(reason, self.committed.clone());
        }
    }

    /// Syncs what was written more than an interval ago. A failure fences the store.
    pub(crate) fn settle(&mut self, interval: Duration) {
        if self.progress.fenced().is_none()
            && let Err(error) = self.sync_if_due(interval)
        {
            self.fence(&error);
        }
    }

    /// Fences the store until it is reopened: after a failed write or sync, what is on the disk is unknown.
    fn fence(&self, error: &io::Error) -> String {
        let reason = format!("writing the journal failed: {error}");
        self.progress.fence(reason.clone());
        reason
    }

    fn publish(&self, round: &Round) {
        if !round.records.is_empty() {
            self.tail.insert(&round.block_for_readers(), &round.records);
            let last = self.tail.last_position();
            assert_eq!(last, round.last_position, "the tail holds every event that becomes visible");
            self.watermark.publish(round.last_position);
        }
    }

    /// Freezes the tail once it has grown enough, or on request: the next event goes into a new one.
    fn freeze_if_due(&mut self, is_asked: bool) -> io::Result<()> {
        let is_spread =
            self.catalog.journal_count() > JOURNAL_FILES_MAX && self.store.layers().tails.len() == 1;
        let is_due =
            self.tail.weight() >= self.seal_bytes || self.tail.weight() > 0 && (is_asked || is_spread);
        if !is_due || self.store.layers().is_full() {
            return Ok(());
        }
        // Sealed events must be durable in the journal: recovery requires it to reach the sealed position.
        if !planted::is(Bug::SealWithoutJournalSync) {
            self.sync_file()?;
        }
        let last = self.tail.last_position();
        assert_eq!(last, self.watermark.position(), "a tail is frozen between rounds");
        let next = Arc::new(Tail::after(last, self.tail.sequences_through(last)));
        self.store.change(|layers| layers.tails.push(Arc::clone(&next)));
        self.tail = next;
        self.frozen.raise();
        Ok(())
    }

    fn acknowledgement(&self) -> Acknowledged {
        if self.durability == Durability::Sync { Acknowledged::Synced } else { Acknowledged::Written }
    }
}

/// A caller that has stopped waiting does not get the answer; that is not an error.
fn answer_all(answers: Vec<(Reply, Answer)>, acknowledged: Acknowledged) {
    for (reply, answer) in answers {
        let _ = reply.send(answer.map(|commit| Commit { acknowledged, ..commit }));
    }
}

fn answer_alike(answers: Vec<(Reply, Answer)>, error: &AppendError) {
    for (reply, _) in answers {
        let _ = reply.send(Err(error.clone()));
    }
}
