//! A store without threads: a simulation takes each step itself.

use super::{SequencerStep, Shared, Step};
use crate::committer::Committer;
use crate::sequencer::Round;
use crate::upkeep::Work;

/// A store that is stepped by hand.
pub(crate) struct ByHand {
    pub(crate) sequencer: SequencerStep,
    pub(crate) committer: Committer,
    /// The round that the committer has taken and not written yet.
    pub(crate) taken: Option<Round>,
}

impl ByHand {
    /// Takes one step. False: there was nothing to do.
    pub(crate) fn step(&mut self, shared: &Shared, step: Step) -> bool {
        if self.taken.is_none() && step != Step::Commit {
            self.taken = shared.handoff.try_take();
        }
        match step {
            Step::Sequence | Step::Mark if !shared.handoff.is_free() => false,
            Step::Sequence => {
                let round = self.sequencer.sequence(shared).unwrap_or(None);
                round.map(|round| shared.handoff.put(round)).is_some()
            }
            Step::Mark => self.sequencer.mark(shared).map(|round| shared.handoff.put(round)).is_some(),
            Step::Commit => {
                let round = self.taken.take().or_else(|| shared.handoff.try_take());
                let committed = round.map(|round| self.committer.commit(round)).is_some();
                shared.notify();
                committed
            }
            Step::Prepare => {
                shared.look_around();
                shared.spare.make(&*shared.disk, &shared.catalog).is_ok()
            }
            Step::Freeze => {
                shared.queue.ask_freeze();
                self.step(shared, Step::Sequence)
            }
            Step::Seal => shared.upkeep.seal(),
            Step::Merge => shared.upkeep.run(Work::Merge),
            Step::Index => shared.upkeep.run(Work::Index),
            Step::Check => shared.upkeep.run(Work::Check),
            Step::Scrub => shared.upkeep.run(Work::Scrub),
            Step::Snapshot => shared.upkeep.run(Work::Snapshots),
            Step::Reclaim => shared.upkeep.run(Work::Reclaim),
        }
    }

    /// Finishes the waiting appends, as closing does.
    pub(crate) fn finish(&mut self, shared: &Shared) {
        loop {
            self.step(shared, Step::Prepare);
            // Closing seals only what blocks an append.
            if shared.is_stalled() {
                self.step(shared, Step::Seal);
            }
            let is_busy = self.step(shared, Step::Commit) | self.step(shared, Step::Sequence);
            if !is_busy && shared.queue.is_empty() {
                break;
            }
        }
        self.sequencer.abandon();
        let _ = shared.snapshots.write(true);
        self.step(shared, Step::Mark);
        self.step(shared, Step::Commit);
    }
}
