//! One budget of bytes for everything that requests and answers hold in memory. Small requests have a share of their
//! own, so that large ones cannot starve them. No task waits for room while it holds a charge.

mod buffer;
mod pieces;

use std::sync::Arc;

use parking_lot::Mutex;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::{Kind, Problem};

pub use buffer::Buffer;
pub use pieces::Pieces;

/// A request is small while it holds fewer bytes than this.
pub const SMALL_BYTES: usize = 64 << 10;
/// The smallest budget, in bytes: one event, page or batch of the largest size always fits.
pub const BYTES_MIN: u64 = 144 << 20;
/// The default budget, in bytes.
pub const BYTES_DEFAULT: u64 = 256 << 20;
/// One in this many bytes of the budget is reserved for small requests.
const SMALL_PART: u64 = 8;

/// The budget has no room now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("other requests use the server's whole memory budget")]
pub struct Exhausted;

impl From<Exhausted> for Problem {
    fn from(exhausted: Exhausted) -> Self {
        Self::new(Kind::OVERLOADED, exhausted.to_string()).with("retry_after", 1)
    }
}

/// A limit on the bytes held at once. Clones share it.
#[derive(Debug, Clone)]
pub struct Budget {
    large: Arc<Semaphore>,
    small: Arc<Semaphore>,
    large_bytes: usize,
    small_bytes: usize,
}

impl Budget {
    /// A budget of this many bytes, but at least [`BYTES_MIN`].
    pub fn new(bytes: u64) -> Self {
        Self::sized(bytes.max(BYTES_MIN))
    }

    /// A budget of exactly this many bytes.
    pub(crate) fn sized(bytes: u64) -> Self {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let small_bytes = bytes / SMALL_PART as usize;
        let large_bytes = bytes - small_bytes;
        Self {
            large: Arc::new(Semaphore::new(large_bytes)),
            small: Arc::new(Semaphore::new(small_bytes)),
            large_bytes,
            small_bytes,
        }
    }

    /// An empty charge, which grows with what a request holds.
    pub fn charge(&self) -> Charge {
        Charge { budget: self.clone(), held: None, is_small: true }
    }

    /// An empty charge that never draws on the share of small requests.
    pub fn charge_of_stream(&self) -> Charge {
        Charge { budget: self.clone(), held: None, is_small: false }
    }

    /// Waits for room for this many bytes, or for the whole share of large requests if that is less.
    pub async fn take(&self, bytes: usize) -> Charge {
        let bytes = permits(bytes.min(self.large_bytes));
        #[expect(clippy::expect_used, reason = "nothing closes the semaphore")]
        let held =
            Arc::clone(&self.large).acquire_many_owned(bytes).await.expect("the budget is never closed");
        Charge { budget: self.clone(), held: Some(held), is_small: false }
    }

    /// Bytes charged now.
    pub fn charged(&self) -> usize {
        let free = self.large.available_permits() + self.small.available_permits();
        (self.large_bytes + self.small_bytes).saturating_sub(free)
    }
}

/// Bytes taken from a budget; dropping the charge returns them.
#[derive(Debug)]
#[must_use]
pub struct Charge {
    budget: Budget,
    held: Option<OwnedSemaphorePermit>,
    /// Whether the bytes come from the share of small requests.
    is_small: bool,
}

impl Charge {
    /// The number of bytes charged.
    pub fn bytes(&self) -> usize {
        self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }

    /// The most bytes that one charge can have.
    pub fn most(&self) -> usize {
        self.budget.large_bytes
    }

    /// Raises the charge to `bytes` in total, if it is lower.
    ///
    /// # Errors
    /// When there is no room; the charge does not change.
    pub fn grow_to(&mut self, bytes: usize) -> Result<(), Exhausted> {
        self.grow(bytes, bytes)
    }

    /// Raises the charge for a move from `old` bytes to `new` ones, both of which exist for a while. It stays in the
    /// share of small requests if `new` bytes do.
    ///
    /// # Errors
    /// When there is no room; the charge does not change.
    fn grow_for_copy(&mut self, old: usize, new: usize) -> Result<(), Exhausted> {
        self.grow(old.saturating_add(new), new)
    }

    /// Raises the charge by `more` bytes, for what is derived from the bytes charged so far. A small request stays small.
    ///
    /// # Errors
    /// When there is no room; the charge does not change.
    pub fn grow_by_derived(&mut self, more: usize) -> Result<(), Exhausted> {
        let bytes = self.bytes();
        self.grow(bytes.saturating_add(more), bytes)
    }

    /// Raises the charge to `bytes`. The request stays small if `size` is.
    fn grow(&mut self, bytes: usize, size: usize) -> Result<(), Exhausted> {
        let more = bytes.saturating_sub(self.bytes());
        if more == 0 {
            return Ok(());
        }
        if self.is_small && size >= SMALL_BYTES {
            let moved = Arc::clone(&self.budget.large).try_acquire_many_owned(permits(bytes));
            self.held = Some(moved.map_err(|_| Exhausted)?);
            self.is_small = false;
            return Ok(());
        }
        let pool = if self.is_small { &self.budget.small } else { &self.budget.large };
        let added = Arc::clone(pool).try_acquire_many_owned(permits(more)).map_err(|_| Exhausted)?;
        match &mut self.held {
            Some(held) => held.merge(added),
            none => *none = Some(added),
        }
        Ok(())
    }

    /// Lowers the charge to `bytes`, if it is higher.
    pub fn shrink_to(&mut self, bytes: usize) {
        let surplus = self.bytes().saturating_sub(bytes);
        if let Some(held) = &mut self.held {
            drop(held.split(surplus));
        }
    }
}

/// A charge that several threads hold: it is returned with the last handle, so that work goes on charged after its
/// caller has gone.
#[derive(Debug, Clone)]
#[must_use]
pub struct Hold(Arc<Mutex<Charge>>);

impl From<Charge> for Hold {
    fn from(charge: Charge) -> Self {
        Self(Arc::new(Mutex::new(charge)))
    }
}

impl Hold {
    /// As [`Charge::bytes`].
    pub fn bytes(&self) -> usize {
        self.0.lock().bytes()
    }

    /// As [`Charge::grow_to`].
    ///
    /// # Errors
    /// When there is no room; the charge does not change.
    pub fn grow_to(&self, bytes: usize) -> Result<(), Exhausted> {
        self.0.lock().grow_to(bytes)
    }

    /// As [`Charge::shrink_to`].
    pub fn shrink_to(&self, bytes: usize) {
        self.0.lock().shrink_to(bytes);
    }
}

/// Permits for a number of bytes. The semaphore counts in `u32`: one charge is 4 GiB at most.
fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget() -> Budget {
        Budget::sized(96 << 20)
    }

    #[test]
    fn large_requests_cannot_keep_small_ones_out() {
        let budget = budget();
        let mut large = budget.charge();
        large.grow_to(84 << 20).expect("the whole share of large requests");
        let mut other = budget.charge();
        assert_eq!(other.grow_to(SMALL_BYTES), Err(Exhausted));
        let mut small = budget.charge();
        small.grow_to(SMALL_BYTES - 1).expect("small requests have a share of their own");
        assert_eq!(small.grow_to(SMALL_BYTES), Err(Exhausted), "the request is no longer small");
        assert_eq!(small.bytes(), SMALL_BYTES - 1, "a refusal changes nothing");
        drop(large);
        small.grow_to(SMALL_BYTES).expect("there is room again");
        assert_eq!(budget.charged(), SMALL_BYTES);
        small.shrink_to(10);
        assert_eq!(budget.charged(), 10);
        drop((small, other));
        assert_eq!(budget.charged(), 0, "every byte is returned");
    }

    #[test]
    fn who_waits_holds_nothing_and_gets_the_room_that_others_give_back() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let budget = budget();
            let first = budget.take(usize::MAX).await;
            assert_eq!(first.bytes(), 84 << 20, "a charge that can never fit waits for the whole share");
            let waiting = tokio::spawn({
                let budget = budget.clone();
                async move { budget.take(1 << 20).await.bytes() }
            });
            tokio::task::yield_now().await;
            assert!(!waiting.is_finished());
            drop(first);
            assert_eq!(waiting.await.expect("the task does not panic"), 1 << 20);
        });
    }
}
