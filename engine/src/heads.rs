//! A bounded cache of the versions of recently used entities, so that repeated appends to one entity read no file.

use foldhash::fast::RandomState;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, UnitWeighter};

/// The number of entities kept, at about 100 bytes each.
const CAPACITY: usize = 1 << 18;

/// The version of an entity, as far as it is known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    /// The version of its last sealed event; `None`: it has none.
    pub(crate) version: Option<u64>,
    /// The version is correct as of this sealed position.
    pub(crate) through: u64,
}

type Entries = Cache<Box<[u8]>, Head, UnitWeighter, RandomState>;

/// The known versions of entities, by key.
pub(crate) struct Heads {
    entries: Entries,
}

impl Default for Heads {
    fn default() -> Self {
        let mut options = OptionsBuilder::new();
        // A small store must not pay for the capacity of a large one, so little is allocated at first.
        options.weight_capacity(CAPACITY as u64).estimated_items_capacity(CAPACITY / 64);
        #[expect(clippy::expect_used, reason = "both capacities are given")]
        let options = options.build().expect("the options are complete");
        let (hasher, lifecycle) = (RandomState::default(), DefaultLifecycle::default());
        Self { entries: Cache::with_options(options, UnitWeighter, hasher, lifecycle) }
    }
}

impl Heads {
    /// The known version of the entity with this key.
    pub(crate) fn find(&self, key: &[u8]) -> Option<Head> {
        self.entries.get(key)
    }

    /// Keeps the version of an entity.
    pub(crate) fn note(&self, key: &[u8], known: Head) {
        self.entries.insert(key.into(), known);
    }
}
