//! Scrubbing: reading sealed files again, past the page cache and so many bytes a second, to find what the medium has
//! lost while the event can still be restored from elsewhere.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use allsource_format::sealed::{BLOCK_BYTES, Kind};

use super::{Upkeep, count};
use crate::generation::Generation;
use crate::sealed::SealedFile;

/// After a whole round it rests: a small store need not be read all the time.
const ROUND: Duration = Duration::from_secs(3600);

/// A file of a generation, and what of it was looked at.
struct Work {
    generation: Weak<Generation>,
    path: String,
    kind: Kind,
    /// Open, with the next block to be looked at.
    open: Option<(SealedFile, usize)>,
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

impl Upkeep {
    /// Reads some blocks, as the budget allows. False: there is nothing to read now.
    pub(crate) fn scrub(&self) -> bool {
        if self.scrub_bytes_per_second == 0 {
            return false;
        }
        let (mut scrub, now) = (self.scrubbing.lock(), self.clock.monotonic());
        let gone = now.saturating_sub(scrub.reckoned).min(Duration::from_secs(1));
        let earned = u128::from(self.scrub_bytes_per_second) * gone.as_micros() / 1_000_000;
        let most = self.scrub_bytes_per_second.max(BLOCK_BYTES as u64);
        scrub.allowed = scrub.allowed.saturating_add(u64::try_from(earned).unwrap_or(u64::MAX)).min(most);
        scrub.reckoned = now;
        if scrub.left.is_empty() {
            if scrub.began.is_some_and(|began| now < began + ROUND) {
                return false;
            }
            scrub.began = Some(now);
            scrub.left = self.files();
        }
        let mut is_any = false;
        while scrub.allowed >= BLOCK_BYTES as u64
            && let Some(work) = scrub.left.front_mut()
        {
            is_any = true;
            if !self.look(work) {
                scrub.left.pop_front();
            }
            scrub.allowed -= BLOCK_BYTES as u64;
            count(&self.done.scrubbed_bytes, BLOCK_BYTES as u64);
        }
        is_any
    }

    fn files(&self) -> VecDeque<Work> {
        let layers = self.store.layers();
        let files = layers.generations.iter().flat_map(|generation| {
            let files = generation.files().into_iter();
            files.map(|(path, kind)| Work { generation: Arc::downgrade(generation), path, kind, open: None })
        });
        files.collect()
    }

    /// Looks at the next block of a file. False: that was the last, or the file is damaged.
    fn look(&self, work: &mut Work) -> bool {
        // One that was merged meanwhile is gone, or about to be.
        let Some(generation) = work.generation.upgrade() else { return false };
        let disk = &*self.access.disk;
        let looked = match &mut work.open {
            Some((file, next)) => {
                *next += 1;
                file.check_again(*next - 1)
            }
            None => SealedFile::open_past_cache(disk, &work.path, work.kind).map(|file| {
                work.open = Some((file, 0));
                true
            }),
        };
        looked.unwrap_or_else(|error| {
            self.access.damages.note(&error);
            let is_to_rebuild = work.kind == Kind::Index && error.damage().is_some();
            if is_to_rebuild && let Err(error) = generation.condemn_index() {
                self.access.damages.note(&error);
            }
            false
        })
    }
}
