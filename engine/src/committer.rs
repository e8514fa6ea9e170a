//! The committer: the only path by which an event becomes true. Write, make durable, publish, answer.

mod handoff;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::append::{Answer, Reply};
use crate::batch::{Acknowledged, Commit};
use crate::error::AppendError;
use crate::journal::Spare;
use crate::manifest::Catalog;
use crate::options::Durability;
use crate::planted::{self, Bug};
use crate::platform::sync::{AtomicU64, Ordering};
use crate::platform::{Clock, Disk, DiskFile};
use crate::sequencer::Round;
use crate::signal::Signal;
use crate::tail::Tail;
use crate::view::Store;
use crate::watermark::Watermark;

pub(crate) use handoff::{Handoff, Taken};

/// What the committer shows to the rest of the engine.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Everything below this log offset is synced.
    pub(crate) synced_through: AtomicU64,
    /// Why nothing is written any more, once that is so.
    fenced: Mutex<Option<String>>,
    /// Rounds written, bytes written, microseconds spent in syncs.
    pub(crate) rounds: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) sync_micros: AtomicU64,
}

impl Progress {
    /// Nothing is written any more, for this reason or an earlier one.
    pub(crate) fn fence(&self, reason: String) {
        self.fenced.lock().get_or_insert(reason);
    }

    /// Why nothing is written any more, if that is so.
    pub(crate) fn fenced(&self) -> Option<String> {
        self.fenced.lock().clone()
    }
}

/// Writes rounds to the journal, one after the other.
pub(crate) struct Committer {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) spare: Arc<Spare>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) durability: Durability,
    /// A tail of this weight is frozen.
    pub(crate) seal_bytes: u64,
    pub(crate) store: Arc<Store>,
    /// The tail of the store that grows.
    pub(crate) tail: Arc<Tail>,
    /// Whoever seals frozen tails is told of each.
    pub(crate) frozen: Arc<Signal>,
    pub(crate) watermark: Arc<Watermark>,
    pub(crate) progress: Arc<Progress>,
    /// When unsynced bytes were first written, and the log offset they reach to.
    pub(crate) unsynced: Option<(Duration, u64)>,
}

impl Committer {
    /// Makes a round true and answers for it; or, when the disk fails, fences the store and says that the
    /// outcome is unknown.
    pub(crate) fn commit(&mut self, mut round: Round) {
        if planted::is(Bug::AckBeforeSync) {
            answer_all(std::mem::take(&mut round.answers), self.acknowledgement());
        }
        if planted::is(Bug::VisibleBeforeDurable) {
            self.publish(&round);
        }
        let outcome = match self.progress.fenced() {
            Some(reason) => Err(reason),
            None => self.write(&round).map_err(|error| self.fence(&error)),
        };
        match outcome {
            Ok(()) => {
                if !planted::is(Bug::VisibleBeforeDurable) {
                    self.publish(&round);
                }
                answer_all(round.answers, self.acknowledgement());
                if let Err(error) = self.freeze_if_due(round.is_freeze) {
                    self.fence(&error);
                }
            }
            Err(reason) => answer_unknown(round.answers, &reason),
        }
    }

    fn write(&mut self, round: &Round) -> io::Result<()> {
        if let Some(header) = &round.rotate_to {
            self.sync_file()?;
            let next = self.spare.adopt(&*self.disk, header)?;
            self.file = next.journal;
            self.catalog.note_journal(&*self.disk, header, &*next.manifest)?;
            self.spare.is_used();
        }
        let bytes = round.bytes.bytes();
        if bytes.is_empty() {
            return Ok(());
        }
        if round.is_mark {
            self.sync_file()?;
        }
        self.file.write_at(bytes, round.file_offset)?;
        self.progress.rounds.fetch_add(1, Ordering::Relaxed);
        self.progress.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let since = self.unsynced.map_or_else(|| self.clock.monotonic(), |(since, _)| since);
        self.unsynced = Some((since, round.log_end));
        match self.durability {
            Durability::Sync => self.sync_file(),
            Durability::Interval(_) if round.is_mark => self.sync_file(),
            Durability::Interval(interval) => self.sync_if_due(interval),
            Durability::None => Ok(()),
        }
    }

    /// Syncs what was written longer than the interval ago.
    pub(crate) fn sync_if_due(&mut self, interval: Duration) -> io::Result<()> {
        match self.unsynced {
            Some((since, _)) if self.clock.monotonic() >= since + interval => self.sync_file(),
            _ => Ok(()),
        }
    }

    fn sync_file(&mut self) -> io::Result<()> {
        let Some((_, log_end)) = self.unsynced else { return Ok(()) };
        let start = self.clock.monotonic();
        match self.file.sync() {
            Err(_) if planted::is(Bug::RetryFailedSync) => self.file.sync()?,
            result => result?,
        }
        let took = self.clock.monotonic().saturating_sub(start);
        self.progress.sync_micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(0), Ordering::Relaxed);
        self.progress.synced_through.store(log_end, Ordering::Release);
        self.unsynced = None;
        Ok(())
    }

    /// Syncs what an interval left behind; a failure fences.
    pub(crate) fn settle(&mut self, interval: Duration) {
        if self.progress.fenced().is_none()
            && let Err(error) = self.sync_if_due(interval)
        {
            self.fence(&error);
        }
    }

    /// For good: after a failed write or sync nobody knows what is on the disk.
    fn fence(&self, error: &io::Error) -> String {
        let reason = format!("writing the journal failed: {error}");
        self.progress.fence(reason.clone());
        reason
    }

    fn publish(&self, round: &Round) {
        if !round.records.is_empty() {
            self.tail.insert(&round.block_for_readers(), &round.records);
            self.watermark.publish(round.last_position);
        }
    }

    /// Freezes the tail when it has grown enough, or somebody wants it sealed: the next event goes into a new one.
    fn freeze_if_due(&mut self, is_asked: bool) -> io::Result<()> {
        let is_due = self.tail.weight() >= self.seal_bytes || is_asked && self.tail.weight() > 0;
        if !is_due || self.store.layers().is_full() {
            return Ok(());
        }
        // What is sealed must be in the journal for certain: its end may not come before the sealed position.
        if !planted::is(Bug::SealWithoutJournalSync) {
            self.sync_file()?;
        }
        let last = self.tail.last_position();
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

/// Whoever has stopped waiting does not hear the answer; that is no error.
fn answer_all(answers: Vec<(Reply, Answer)>, acknowledged: Acknowledged) {
    for (reply, answer) in answers {
        let _ = reply.send(answer.map(|commit| Commit { acknowledged, ..commit }));
    }
}

fn answer_unknown(answers: Vec<(Reply, Answer)>, reason: &str) {
    for (reply, _) in answers {
        let _ = reply.send(Err(AppendError::Unknown(reason.to_owned())));
    }
}
