//! What a reader holds: everything up to one position, whatever is appended meanwhile.

use std::sync::Arc;

use crate::event::EventRef;
use crate::tail::{Postings, Tail};

/// The store as it was at one watermark.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) tail: Arc<Tail>,
    /// The highest visible position; 0: nothing is visible.
    pub(crate) watermark: u64,
}

impl View {
    /// An event, if it is visible.
    pub(crate) fn visible(&self, event: EventRef) -> Option<EventRef> {
        (event.position().value() <= self.watermark).then_some(event)
    }

    /// How many of these are visible.
    pub(crate) fn count(&self, postings: &Postings) -> usize {
        postings.count_below(self.tail.ordinals_through(self.watermark))
    }
}
