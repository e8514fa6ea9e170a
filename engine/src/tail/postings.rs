//! Posting lists: ascending ordinals. They grow at the end while others read them.

use parking_lot::RwLock;

/// The ordinals of the events that share a key.
#[derive(Debug, Default)]
pub(crate) struct Postings {
    ordinals: RwLock<Vec<u32>>,
}

impl Postings {
    /// Adds an ordinal, higher than all before it.
    pub(crate) fn push(&self, ordinal: u32) {
        let mut ordinals = self.ordinals.write();
        assert!(ordinals.last().is_none_or(|last| *last < ordinal), "ordinals ascend");
        ordinals.push(ordinal);
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ordinals.read().len()
    }

    /// The highest.
    pub(crate) fn last(&self) -> Option<u32> {
        self.ordinals.read().last().copied()
    }

    /// How many ordinals are below `ordinal`: also the index of the first that is not below it.
    pub(crate) fn count_below(&self, ordinal: u32) -> usize {
        let ordinals = self.ordinals.read();
        match ordinals.last() {
            Some(last) if *last < ordinal => ordinals.len(),
            _ => ordinals.partition_point(|listed| *listed < ordinal),
        }
    }

    /// The ordinal at an index.
    pub(crate) fn at(&self, index: usize) -> u32 {
        #[expect(clippy::expect_used, reason = "callers take indexes from this list, which only grows")]
        *self.ordinals.read().get(index).expect("the list holds this index")
    }

    /// Copies the ordinals at these indexes of the list.
    pub(crate) fn copy(&self, indexes: std::ops::Range<usize>, into: &mut Vec<u32>) {
        let ordinals = self.ordinals.read();
        #[expect(clippy::expect_used, reason = "callers take indexes from this list, which only grows")]
        into.extend_from_slice(ordinals.get(indexes).expect("the list holds these indexes"));
    }

    /// A copy of all of them.
    pub(crate) fn to_vec(&self) -> Vec<u32> {
        self.ordinals.read().clone()
    }
}
