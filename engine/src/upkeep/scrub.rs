//! Scrubbing: reading sealed files again, past the page cache and so many bytes a second, to find what the medium has
//! lost while the event can still be restored from elsewhere.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use allsource_format::sealed::BLOCK_BYTES;

use super::{Upkeep, UpkeepError, count};
use crate::error::ReadError;
use crate::generation::{Generation, Reread};

/// After a whole round it rests: a small store need not be read all the time.
const ROUND: Duration = Duration::from_secs(3600);

/// A file of a generation, open once its first block was looked at.
struct Work {
    generation: Weak<Generation>,
    path: String,
    open: Option<Box<dyn Reread>>,
}

/// How far the scrubber is.
#[derive(Default)]
pub(crate) struct Scrub {
    left: VecDeque<Work>,
    /// When this round began.
    began: Option<Duration>,
    /// Bytes that may be read, and when that was reckoned.
    allowed: u64,
    reckoned: Duration,
}

/// Reads some blocks, as the budget allows. False: there is nothing to read now.
pub(super) fn scrub(upkeep: &Upkeep) -> Result<bool, UpkeepError> {
    upkeep.read_again()
}

impl Upkeep {
    fn read_again(&self) -> Result<bool, UpkeepError> {
        let (mut scrub, now) = (self.scrubbing.lock(), self.clock.monotonic());
        let gone = now.saturating_sub(scrub.reckoned).min(Duration::from_secs(1));
        let earned = u128::from(self.scrub_bytes_per_second) * gone.as_micros() / 1_000_000;
        let most = self.scrub_bytes_per_second.max(BLOCK_BYTES as u64);
        scrub.allowed = scrub.allowed.saturating_add(u64::try_from(earned).unwrap_or(u64::MAX)).min(most);
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
            let work = scrub.left.front_mut();
            let looked = work.map_or(Ok(false), |work| self.look(work));
            // A file that cannot be read now is looked at again in the next round.
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

    /// Looks at the next block of a file. False: that was the last, or the file is damaged.
    fn look(&self, work: &mut Work) -> Result<bool, ReadError> {
        // One that was merged meanwhile is gone, or about to be.
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
