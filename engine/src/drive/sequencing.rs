//! Building rounds from the queue, in production and by hand alike.

use std::sync::atomic::Ordering;

use super::Shared;
use crate::append::Request;
use crate::error::AppendError;
use crate::journal::{Reserved, round_bytes, round_bytes_max};
use crate::options::Durability;
use crate::planted::{self, Bug};
use crate::sequencer::{Moment, Rotate, Round, Sequencer};

/// What must happen before a round can be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// The next journal file must be created.
    ForFile,
    /// A frozen tail must be sealed.
    ForSealing,
}

/// The sequencer, and the requests that were taken from the queue and are not decided yet.
pub(crate) struct SequencerStep {
    pub(crate) sequencer: Sequencer,
    pub(super) held: Vec<Request>,
    held_bytes: usize,
    /// Events were committed since the last mark.
    pub(super) is_mark_due: bool,
}

impl SequencerStep {
    pub(crate) fn new(sequencer: Sequencer) -> Self {
        Self { sequencer, held: Vec::new(), held_bytes: 0, is_mark_due: true }
    }

    /// If a round was refused after it had been built, rewinds to the end of the log.
    fn rewind_if_due(&mut self, shared: &Shared) {
        let attempt = self.sequencer.attempt();
        if let Some((attempt, checkpoint)) = shared.progress.refusals.checkpoint_since(attempt) {
            let last = checkpoint.cursor.next_position - 1;
            self.sequencer.rewind(attempt, checkpoint, shared.store.tail().sequences_through(last));
            self.is_mark_due = true;
        }
    }

    /// Builds a round from the waiting requests.
    pub(super) fn sequence(&mut self, shared: &Shared) -> Result<Option<Round>, Wait> {
        self.rewind_if_due(shared);
        if self.held.is_empty() {
            let room = round_bytes_max(shared.journal_file_bytes);
            self.held_bytes = shared.queue.drain(room, &mut self.held);
        }
        if self.held.is_empty() {
            return Ok(shared.queue.take_freeze().then(|| self.sequencer.freeze()));
        }
        if let Some(reason) = shared.progress.fenced() {
            refuse(&mut self.held, &AppendError::Fenced(reason));
            return Ok(None);
        }
        if shared.is_stalled() {
            match shared.upkeep.refusal() {
                Some(reason) => refuse(&mut self.held, &reason),
                None => return Err(Wait::ForSealing),
            }
            return Ok(None);
        }
        let is_fitting = round_bytes(self.held_bytes) as u64 <= self.sequencer.cursor().room();
        let rotate = match if is_fitting { Reserved::Yes } else { shared.spare.reserve() } {
            Reserved::Yes if is_fitting => Rotate::No,
            Reserved::Yes => Rotate::To { file_bytes: shared.journal_file_bytes },
            Reserved::NotYet => return Err(Wait::ForFile),
            Reserved::Refused(reason) => {
                refuse(&mut self.held, &reason);
                return Ok(None);
            }
        };
        let watermark = shared.watermark.position();
        let layers = shared.store.layers();
        let (now, synced_through) = (shared.clock.now_micros(), synced_through(shared));
        let moment = Moment { watermark, now, synced_through, layers: &layers };
        let requests = std::mem::take(&mut self.held);
        let mut round = self.sequencer.sequence(requests, self.held_bytes, rotate, &moment);
        shared.progress.last_recorded_at.store(self.sequencer.last_recorded_at(), Ordering::Relaxed);
        self.is_mark_due = true;
        round.is_freeze = shared.queue.take_freeze();
        if planted::is(Bug::RefuseEarly) {
            let (refused, rest) = round.answers.into_iter().partition(|(_, answer)| answer.is_err());
            round.answers = rest;
            let refused: Vec<_> = refused;
            refused.into_iter().for_each(|(reply, answer)| drop(reply.send(answer)));
        }
        Ok(Some(round))
    }

    /// Builds a mark, if events were committed since the last one.
    pub(super) fn mark(&mut self, shared: &Shared) -> Option<Round> {
        self.rewind_if_due(shared);
        // Building a mark takes a place in the log, so only a mark that will be written is built.
        std::mem::take(&mut self.is_mark_due).then(|| self.sequencer.mark()).flatten()
    }

    /// Refuses the remaining requests when the store stops.
    pub(super) fn abandon(&mut self) {
        refuse(&mut self.held, &AppendError::Fenced("the store was closed".to_owned()));
    }
}

fn refuse(requests: &mut Vec<Request>, error: &AppendError) {
    for request in requests.drain(..) {
        let _ = request.reply.send(Err(error.clone()));
    }
}

fn synced_through(shared: &Shared) -> Option<u64> {
    match shared.options.durability {
        Durability::Sync => None,
        Durability::Interval(_) | Durability::None => {
            Some(shared.progress.synced_through.load(Ordering::Acquire))
        }
    }
}
