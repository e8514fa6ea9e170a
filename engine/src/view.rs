//! Views: the store up to one position, as a reader sees it. Later appends, seals and merges do not change a view.
//!
//! The events of a store lie in layers, oldest first: sealed generations, then tails, of which only the last still
//! grows. Layers are replaced as a whole; a reader keeps the ones it started with.

use std::collections::BTreeSet;
use std::sync::Arc;

use allsource_format::partition;
use parking_lot::RwLock;

use crate::error::ReadError;
use crate::event::{EventRef, TenantId, split_key};
use crate::generation::Generation;
use crate::heads::{Head, Heads};
use crate::planted::{self, Bug};
use crate::tail::{Tail, Tally};

/// How many frozen tails may wait to be sealed.
const FROZEN_MAX: usize = 2;

/// The result of a look-up in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resident<T> {
    /// Memory holds the answer.
    Known(T),
    /// The answer lies in sealed files.
    NeedsFiles,
}

/// Where the events of a store lie.
#[derive(Clone)]
pub(crate) struct Layers {
    /// Oldest first.
    pub(crate) generations: Vec<Arc<Generation>>,
    /// Oldest first; all but the last are frozen: they wait to be sealed.
    pub(crate) tails: Vec<Arc<Tail>>,
    /// A cache of the versions of sealed entities.
    pub(crate) heads: Arc<Heads>,
}

impl Layers {
    /// Checks that the layers follow each other without a gap or an overlap. The last tail may grow meanwhile.
    fn check(&self) {
        let positions = |of: &Arc<Generation>| (of.entry().first_position, of.entry().last_position);
        let follows = |pair: &[Arc<Generation>]| match pair {
            [one, next] => positions(one).1 + 1 == positions(next).0,
            _ => false,
        };
        assert!(self.generations.windows(2).all(follows), "generations ascend without a gap");
        let first = self.tails.first().map(|tail| tail.base());
        assert_eq!(first, Some(self.sealed_position()), "the first tail follows the sealed events");
        let follows = |pair: &[Arc<Tail>]| match pair {
            [frozen, next] => frozen.last_position() == next.base(),
            _ => false,
        };
        assert!(self.tails.windows(2).all(follows), "each tail follows the frozen one before it");
        let fits = |tail: &Arc<Tail>| tail.is_counted() && tail.partitions() == self.partitions();
        assert!(self.tails.iter().all(fits), "the sequences before a tail come to its base");
    }

    /// The tail that grows.
    fn growing(&self) -> &Arc<Tail> {
        #[expect(
            clippy::expect_used,
            reason = "a store starts with a tail, and only frozen tails are removed"
        )]
        self.tails.last().expect("a store has a tail")
    }

    /// Whether the limit of frozen tails is reached, so that no further tail may be frozen.
    pub(crate) fn is_full(&self) -> bool {
        self.tails.len() > FROZEN_MAX
    }

    /// Every event up to this position is sealed.
    pub(crate) fn sealed_position(&self) -> u64 {
        self.generations.last().map_or(0, |generation| generation.entry().last_position)
    }

    /// The generations that hold events above a position, newest first.
    fn sealed_after(&self, position: u64) -> impl Iterator<Item = &Arc<Generation>> {
        self.generations
            .iter()
            .rev()
            .take_while(move |generation| generation.entry().last_position > position)
    }

    /// The version of an entity's last event in the tails, visible or not.
    pub(crate) fn head_in_tails(&self, key: &[u8]) -> Option<u64> {
        self.tails.iter().rev().find_map(|tail| tail.head(key))
    }

    /// The version of an entity's last sealed event above a position.
    pub(crate) fn sealed_head(&self, hash: u64, key: &[u8], after: u64) -> Result<Option<u64>, ReadError> {
        self.sealed_after(after).find_map(|generation| generation.head(hash, key).transpose()).transpose()
    }

    /// The version of an entity's last sealed event, from the cache if it is there.
    pub(crate) fn known_head(&self, hash: u64, key: &[u8]) -> Result<Option<u64>, ReadError> {
        let through = self.sealed_position();
        let known = self.heads.find(key);
        let head = match known {
            Some(known) if known.through >= through || planted::is(Bug::KeepStaleHeads) => {
                return Ok(known.version);
            }
            Some(known) => self.sealed_head(hash, key, known.through)?.or(known.version),
            None => self.sealed_head(hash, key, 0)?,
        };
        self.heads.note(key, Head { version: head, through });
        Ok(head)
    }

    /// As [`Layers::known_head`], from memory alone.
    pub(crate) fn cached_head(&self, key: &[u8]) -> Resident<Option<u64>> {
        if self.generations.is_empty() {
            return Resident::Known(None);
        }
        match self.heads.find(key) {
            Some(known) if known.through >= self.sealed_position() => Resident::Known(known.version),
            _ => Resident::NeedsFiles,
        }
    }

    /// The event of this id in the tails, visible or not, with its sequence.
    pub(crate) fn find_id_in_tails(&self, tenant: &str, id: &[u8; 16]) -> Option<(EventRef, u64)> {
        let partitions = self.partitions();
        self.tails.iter().rev().find_map(|tail| {
            let event = tail.find_id(tenant, id)?;
            let sequence = tail.sequence_through(event.partition(partitions), event.position().value());
            Some((event, sequence))
        })
    }

    /// The sealed event of this id above a position, with its sequence.
    pub(crate) fn sealed_id(
        &self,
        hash: u64,
        tenant: &str,
        id: &[u8; 16],
        after: u64,
    ) -> Result<Option<(EventRef, u64)>, ReadError> {
        for generation in self.sealed_after(after) {
            if let Some(event) = generation.find_id(hash, tenant, id)? {
                let partition = event.partition(self.partitions());
                let sequence = generation.sequence_through(partition, event.position().value())?;
                let lacking = "the records lack the partition of an event";
                let sequence = sequence.ok_or_else(|| generation.damaged(lacking))?;
                return Ok(Some((event, sequence)));
            }
        }
        Ok(None)
    }

    fn partitions(&self) -> u32 {
        self.growing().partitions()
    }

    /// The tally of a tenant; `None`: of all tenants.
    pub(crate) fn tally(&self, tenant: Option<&TenantId>) -> Result<Tally, ReadError> {
        let prefix = prefix_of(tenant);
        let mut sum = Tally::default();
        for generation in &self.generations {
            for (_, events, entities) in generation.type_counts(&prefix)? {
                sum.events += events;
                sum.entities += entities;
            }
        }
        for tally in self.tails.iter().map(|tail| tail.tally(tenant)) {
            sum.events += tally.events;
            sum.entities += tally.entities;
        }
        Ok(sum)
    }

    /// The number of a tenant's types; `None`: of all tenants, where a name that several tenants use counts once.
    pub(crate) fn type_count(&self, tenant: Option<&TenantId>) -> Result<u64, ReadError> {
        let mut names: BTreeSet<Box<[u8]>> = BTreeSet::new();
        for generation in &self.generations {
            for (key, ..) in generation.type_counts(&prefix_of(tenant))? {
                #[expect(
                    clippy::expect_used,
                    reason = "a generation reports a key without a separator as damage"
                )]
                let (_, name) = split_key(&key).expect("a key has a tenant and a name");
                names.insert(name.into());
            }
        }
        self.tails.iter().for_each(|tail| tail.type_names(tenant, &mut names));
        Ok(names.len() as u64)
    }
}

/// The prefix of all keys of a tenant; `None`: of all keys.
fn prefix_of(tenant: Option<&TenantId>) -> Vec<u8> {
    tenant.map_or_else(Vec::new, |tenant| [tenant.as_str().as_bytes(), &[partition::KEY_SEPARATOR]].concat())
}

/// The layers, replaced as a whole.
pub(crate) struct Store {
    layers: RwLock<Arc<Layers>>,
}

impl Store {
    /// A store of these generations and a tail after them.
    pub(crate) fn new(generations: Vec<Arc<Generation>>, tail: Tail) -> Self {
        let (tails, heads) = (vec![Arc::new(tail)], Arc::default());
        let layers = Layers { generations, tails, heads };
        layers.check();
        Self { layers: RwLock::new(Arc::new(layers)) }
    }

    /// The current layers. A caller that needs a watermark reads it first: the layers then hold every event up to it.
    pub(crate) fn layers(&self) -> Arc<Layers> {
        Arc::clone(&self.layers.read())
    }

    /// Publishes changed layers.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Layers)) {
        let mut layers = self.layers.write();
        // Read first: the committer adds to the growing tail meanwhile.
        let last = layers.growing().last_position();
        let mut changed = Layers::clone(&layers);
        change(&mut changed);
        changed.check();
        assert!(changed.sealed_position() >= layers.sealed_position(), "what is sealed stays sealed");
        assert!(changed.growing().last_position() >= last, "changed layers hold every event of those before");
        let before = std::mem::replace(&mut *layers, Arc::new(changed));
        drop(layers);
        // Dropping the last reference to a generation removes its files: not under the lock.
        drop(before);
    }

    /// The tail that grows.
    pub(crate) fn tail(&self) -> Arc<Tail> {
        Arc::clone(self.layers().growing())
    }
}

/// The store as it was at one watermark.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) layers: Arc<Layers>,
    /// The highest visible position; 0: nothing is visible.
    pub(crate) watermark: u64,
}

impl View {
    /// A view of layers that were read after the watermark. Events that were sealed in between are visible too: the index
    /// of a generation cannot tell the version of an entity at a lower watermark.
    pub(crate) fn new(watermark: u64, layers: Arc<Layers>) -> Self {
        let watermark = watermark.max(layers.sealed_position());
        assert!(watermark <= layers.growing().last_position(), "everything visible lies in the layers");
        Self { layers, watermark }
    }

    /// The version of an entity's last visible event.
    pub(crate) fn head(&self, hash: u64, key: &[u8]) -> Result<Option<u64>, ReadError> {
        let in_tails = self.layers.tails.iter().rev().find_map(|tail| tail.head_below(key, self.watermark));
        match in_tails {
            Some(version) => Ok(Some(version)),
            None => self.layers.known_head(hash, key),
        }
    }

    /// As [`View::head`], from memory alone.
    pub(crate) fn resident_head(&self, key: &[u8]) -> Resident<Option<u64>> {
        match self.layers.tails.iter().rev().find_map(|tail| tail.head_below(key, self.watermark)) {
            Some(version) => Resident::Known(Some(version)),
            None => self.layers.cached_head(key),
        }
    }

    /// As [`View::find_id`], from memory alone.
    pub(crate) fn resident_id(&self, tenant: &str, id: &[u8; 16]) -> Resident<Option<EventRef>> {
        let is_visible = |event: &EventRef| event.position().value() <= self.watermark;
        match self.layers.tails.iter().rev().find_map(|tail| tail.find_id(tenant, id)) {
            Some(event) => Resident::Known(Some(event).filter(is_visible)),
            None if self.layers.generations.is_empty() => Resident::Known(None),
            None => Resident::NeedsFiles,
        }
    }

    /// The visible event of an id.
    pub(crate) fn find_id(
        &self,
        hash: u64,
        tenant: &str,
        id: &[u8; 16],
    ) -> Result<Option<EventRef>, ReadError> {
        let is_visible = |event: &EventRef| event.position().value() <= self.watermark;
        let in_tails = self.layers.tails.iter().rev().find_map(|tail| tail.find_id(tenant, id));
        if let Some(event) = in_tails {
            return Ok(Some(event).filter(is_visible));
        }
        let newest_first = self.layers.generations.iter().rev();
        let mut found = newest_first.map(|generation| generation.find_id(hash, tenant, id));
        found.find_map(Result::transpose).transpose()
    }
}
