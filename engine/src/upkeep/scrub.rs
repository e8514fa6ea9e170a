//! Scrubbing: reading sealed files again, past the page cache and at a limited rate, to find damage of the medium while
//! the events can still be restored from a copy.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use allsource_format::sealed::BLOCK_BYTES;

use super::{Upkeep, UpkeepError, count};
use crate::error::ReadError;
use crate::generation::Generation;
use crate::holder::Reread;

/// The least time between the starts of two rounds: a small store need not be read continuously.
const ROUND: Duration = Duration::from_secs(3600);

/// A file of a generation, opened by its first step.
struct Work {
    generation: Weak<Generation>,
    path: String,
    open: Option<Box<dyn Reread>>,
}

/// The progress of the scrubber.
#[derive(Default)]
pub(crate) struct Scrub {
    left: VecDeque<Work>,
    /// When this round began.
    began: Option<Duration>,
    /// Bytes that may be read now, and when that was computed.
    allowed: u64,
    reckoned: Duration,
}

/// Reads as many blocks as the budget allows. False: there is nothing to read now.
pub(super) fn scrub(upkeep: &Upkeep) -> Result<bool, UpkeepError> {
    upkeep.read_again()
}

impl Upkeep {
    fn read_again(&self) -> Result<bool, UpkeepError> {
        let (mut scrub, now) = (self.scrubbing.lock(), self.clock.monotonic());
        let gone = now.saturating_sub(scrub.reckoned).min(Duration::from_secs(1));
        let earned = u128::from(self.scrub_bytes_per_second) * gone.as_micros() / 1_000_000;
        let most = self.scrub_bytes_per_second.max(BLOCK_BYTES as u64);
        #[expect(clippy::expect_used, reason = "at most the budget of one second is earned")]
        let earned = u64::try_from(earned).expect("the budget of a second has 64 bits");
        scrub.allowed = scrub.allowed.saturating_add(earned).min(most);
        scrub.reckoned = now;
        if scrub.left.is_empty() {
            if scrub.began.is_some_and(|began| now < began + ROUND) {
                return Ok(false);
            }
            scrub.began = Some(now);
            scrub.left = self.files();
        }
        let mut is_any = false;
        while scrub.allowed >= BLOCK_BYTES as u64 && !scrub.left.is_empty() {
            is_any = true;
            scrub.allowed -= BLOCK_BYTES as u64;
            count(&self.done.scrubbed_bytes, BLOCK_BYTES as u64);
            #[expect(clippy::expect_used, reason = "the loop ends when no file is left")]
            let looked = self.look(scrub.left.front_mut().expect("a file is left"));
            // A file that cannot be read now is tried again in the next round.
            if !matches!(looked, Ok(true)) {
                scrub.left.pop_front();
            }
            looked?;
        }
        Ok(is_any)
    }

    fn files(&self) -> VecDeque<Work> {
        let layers = self.store.layers();
        let files = layers.generations.iter().flat_map(|generation| {
            let files = generation.files().into_iter();
            files.map(|path| Work { generation: Arc::downgrade(generation), path, open: None })
        });
        files.collect()
    }

    /// Checks the next block of a file. False: that was the last one, or the file is damaged.
    fn look(&self, work: &mut Work) -> Result<bool, ReadError> {
        // The files of a merged generation are removed soon, or already.
        let Some(generation) = work.generation.upgrade() else { return Ok(false) };
        let looked = match &mut work.open {
            Some(open) => open.check_next().map(|checked| checked.is_some()),
            None => generation.reread(&work.path).map(|open| {
                work.open = Some(open);
                true
            }),
        };
        match looked {
            Err(error @ ReadError::Damaged(_)) => {
                self.access.damages.note(&error);
                if generation.is_index(&work.path) {
                    generation.condemn_index()?;
                }
                Ok(false)
            }
            looked => looked,
        }
    }
}
