//! The tail: durable events that are not sealed yet, in memory, with an index over them.
//!
//! The committer alone inserts, after a round is durable and before the watermark rises; readers never look
//! above the watermark. Events are numbered from 0 by their order in the tail: their ordinal.

mod postings;
mod keys;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use allsource_format::partition;
use allsource_format::record::Record;
use dashmap::DashMap;
use foldhash::fast::RandomState;
use parking_lot::RwLock;
use smallvec::SmallVec;

use crate::event::{Block, EventRef, KeyBuffer, TenantId, key_of, record_at, split_key};

use keys::Keys;

pub(crate) use postings::Postings;

/// Approximate memory of an event besides its record, in bytes; measured with 300-byte events of 10,000 entities.
const EVENT_WEIGHT: u64 = 120;

/// Where an event's record lies.
#[derive(Debug, Clone, Copy)]
struct Location {
    block: u32,
    offset: u32,
}

/// How many events and entities a tenant has.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) events: u64,
    pub(crate) entities: u64,
}

/// Consecutive events of one type of one tenant: their shared postings and tally are looked up once per run.
#[derive(Default)]
struct Run<'a> {
    tenant: &'a [u8],
    event_type: &'a [u8],
    postings: Arc<Postings>,
    tally: Tally,
}

/// Events in memory, with the indexes that find them.
pub(crate) struct Tail {
    /// Position of the event before the tail's first.
    base: u64,
    /// Number of events in each partition before the tail's first.
    sequences: Vec<u64>,
    /// Approximate memory use in bytes.
    weight: AtomicU64,
    blocks: boxcar::Vec<Arc<Block>>,
    locations: boxcar::Vec<Location>,
    entities: Keys,
    tags: Keys,
    /// Ordered by tenant and type, so that a prefix is a range.
    types: RwLock<BTreeMap<KeyBuffer, Arc<Postings>>>,
    /// Ordinals by the hash of tenant and id. Hashes may collide, so the records decide.
    ids: DashMap<u64, SmallVec<[u32; 2]>, RandomState>,
    partitions: Vec<Postings>,
    tallies: RwLock<BTreeMap<Box<[u8]>, Tally>>,
}

/// The hash under which the id of an event is found.
pub(crate) fn id_hash(tenant: impl AsRef<[u8]>, id: &[u8; 16]) -> u64 {
    partition::key_hash(&key_of(tenant, id))
}

impl Tail {
    /// An empty tail after position `base`. `sequences` holds the number of earlier events of each partition.
    pub(crate) fn after(base: u64, sequences: Vec<u64>) -> Self {
        let partitions = sequences.len();
        assert!(partitions.is_power_of_two(), "a key's partition is some bits of its hash");
        Self {
            base,
            sequences,
            weight: AtomicU64::new(0),
            blocks: boxcar::Vec::new(),
            locations: boxcar::Vec::new(),
            entities: Keys::default(),
            tags: Keys::default(),
            types: RwLock::default(),
            ids: DashMap::default(),
            partitions: (0..partitions).map(|_| Postings::default()).collect(),
            tallies: RwLock::default(),
        }
    }

    /// Adds the events of a block, which lie at these offsets and follow the tail's last.
    pub(crate) fn insert(&self, block: &Arc<Block>, offsets: &[u32]) {
        let number = u32_of(self.blocks.push(Arc::clone(block)));
        let weight = block.bytes().len() as u64 + offsets.len() as u64 * EVENT_WEIGHT;
        self.weight.fetch_add(weight, Ordering::Relaxed);
        let mut run = Run::default();
        for &offset in offsets {
            let record = record_at(block, offset);
            let ordinal = u32_of(self.locations.push(Location { block: number, offset }));
            assert_eq!(record.position(), self.base + u64::from(ordinal) + 1, "positions have no gaps");
            self.index(&record, ordinal, &mut run);
        }
        self.count(&run);
        assert!(self.weight() >= weight, "inserting a block never lowers the weight");
        assert!(self.locations.count() >= offsets.len(), "each event has its location");
    }

    fn index<'a>(&self, record: &Record<'a>, ordinal: u32, run: &mut Run<'a>) {
        let tenant = record.tenant_bytes();
        let key = key_of(tenant, record.entity_bytes());
        let partition = partition::of_key(&key, u32_of(self.partitions.len())) as usize;
        #[expect(clippy::expect_used, reason = "the partition was computed for this number of partitions")]
        self.partitions.get(partition).expect("a key has a partition of the store").push(ordinal);
        let mut weight = self.entities.push(key, ordinal);
        for (place, tag) in record.tags().enumerate() {
            if record.tags().take(place).any(|earlier| earlier == tag) {
                continue;
            }
            weight += self.tags.push(key_of(tenant, tag.as_bytes()), ordinal);
        }
        self.weight.fetch_add(weight, Ordering::Relaxed);
        self.ids.entry(id_hash(tenant, &record.id())).or_default().push(ordinal);
        if (run.tenant, run.event_type) != (tenant, record.type_bytes()) {
            self.count(run);
            let postings = self.type_or_new(key_of(tenant, record.type_bytes()));
            *run = Run { tenant, event_type: record.type_bytes(), postings, tally: Tally::default() };
        }
        run.postings.push(ordinal);
        run.tally.events += 1;
        run.tally.entities += u64::from(record.version() == 1);
    }

    fn type_or_new(&self, key: KeyBuffer) -> Arc<Postings> {
        if let Some(postings) = self.types.read().get(&key) {
            return Arc::clone(postings);
        }
        Arc::clone(self.types.write().entry(key).or_default())
    }

    fn count(&self, run: &Run<'_>) {
        if run.tally.events == 0 {
            return;
        }
        let mut tallies = self.tallies.write();
        let mut tally = tallies.get(run.tenant).copied().unwrap_or_default();
        tally.events += run.tally.events;
        tally.entities += run.tally.entities;
        assert!(tally.entities <= tally.events, "each entity has an event");
        tallies.insert(run.tenant.into(), tally);
    }

    /// The block of an ordinal, and where in it the record begins. Readers take ordinals from the tail's own lists, which
    /// name an event only after it has its location.
    fn location_of(&self, ordinal: u32) -> (&Arc<Block>, u32) {
        #[expect(clippy::expect_used, reason = "lists name only events that are in the tail")]
        let location = self.locations.get(ordinal as usize).expect("an ordinal is that of an event");
        #[expect(clippy::expect_used, reason = "a block is added before the locations in it")]
        let block = self.blocks.get(location.block as usize).expect("a location lies in a block of the tail");
        (block, location.offset)
    }

    /// Calls `look` with the record of an ordinal.
    pub(crate) fn with_record<R>(&self, ordinal: u32, look: impl FnOnce(&Record<'_>) -> R) -> R {
        let (block, offset) = self.location_of(ordinal);
        look(&record_at(block, offset))
    }

    /// The event of this ordinal.
    pub(crate) fn event(&self, ordinal: u32) -> EventRef {
        let (block, offset) = self.location_of(ordinal);
        EventRef::new(Arc::clone(block), offset)
    }

    /// How many of the tail's events lie at or below this position, which may lie outside the tail: also the ordinal after
    /// it.
    pub(crate) fn ordinals_through(&self, position: u64) -> u32 {
        u32_of(position.saturating_sub(self.base).min(self.locations.count() as u64))
    }

    /// The version of an entity's last event in the tail, visible or not.
    pub(crate) fn head(&self, key: &[u8]) -> Option<u64> {
        Some(self.with_record(self.entities.last(key)?, |record| record.version()))
    }

    /// The version of an entity's last event at or below a position.
    pub(crate) fn head_below(&self, key: &[u8], position: u64) -> Option<u64> {
        let postings = self.entities.find(key)?;
        let last = postings.count_below(self.ordinals_through(position)).checked_sub(1)?;
        let (found, version) =
            self.with_record(postings.at(last), |record| (record.position(), record.version()));
        assert!(found <= position && version > 0, "the last event at or below a position is found");
        Some(version)
    }

    /// The event of this id, visible or not.
    pub(crate) fn find_id(&self, tenant: &str, id: &[u8; 16]) -> Option<EventRef> {
        let candidates = self.ids.get(&id_hash(tenant, id))?.clone();
        let mut events = candidates.iter().map(|ordinal| self.event(*ordinal));
        events.find(|event| event.record().id() == *id && event.tenant() == tenant)
    }

    /// The events of an entity.
    pub(crate) fn entity(&self, key: &[u8]) -> Option<Arc<Postings>> {
        self.entities.find(key)
    }

    /// The events of a tenant that carry a tag.
    pub(crate) fn tag(&self, key: &[u8]) -> Option<Arc<Postings>> {
        self.tags.find(key)
    }

    /// The events of one type of a tenant.
    pub(crate) fn event_type(&self, key: &[u8]) -> Option<Arc<Postings>> {
        self.types.read().get(key).cloned()
    }

    /// The lists of the wanted types among the first `most` whose keys begin with `prefix`, and how many were examined.
    pub(crate) fn types_from(
        &self,
        prefix: &[u8],
        is_wanted: &dyn Fn(&[u8]) -> bool,
        most: u64,
    ) -> (Vec<Arc<Postings>>, u64) {
        let (mut lists, mut looked_at) = (Vec::new(), 0);
        let types = self.types.read();
        let from = types.range(KeyBuffer::from_slice(prefix)..);
        for (key, postings) in from.take_while(|(key, _)| key.starts_with(prefix)) {
            if looked_at == most {
                break;
            }
            looked_at += 1;
            lists.extend(is_wanted(key).then(|| Arc::clone(postings)));
        }
        (lists, looked_at)
    }

    /// How many of a partition's events lie at or below this position of the tail.
    pub(crate) fn sequence_through(&self, partition: u32, position: u64) -> u64 {
        let through = self.ordinals_through(position);
        #[expect(clippy::expect_used, reason = "both lists have an entry for each partition")]
        let before = self.sequences.get(partition as usize).expect("the store has this partition");
        before + self.partition(partition).count_below(through) as u64
    }

    /// How many events each partition has at or below this position of the tail, which must be durable.
    pub(crate) fn sequences_through(&self, position: u64) -> Vec<u64> {
        let partitions = 0..u32_of(self.partitions.len());
        let sequences: Vec<u64> =
            partitions.map(|partition| self.sequence_through(partition, position)).collect();
        let events = self.base + u64::from(self.ordinals_through(position));
        assert_eq!(sequences.iter().sum::<u64>(), events, "each event is in one partition");
        sequences
    }

    /// How many partitions the store has.
    pub(crate) fn partitions(&self) -> u32 {
        u32_of(self.partitions.len())
    }

    /// The ordinals of a partition's events.
    pub(crate) fn partition(&self, partition: u32) -> &Postings {
        #[expect(clippy::expect_used, reason = "callers count partitions as the store does")]
        self.partitions.get(partition as usize).expect("the store has this partition")
    }

    /// Whether the events before the tail's first come to its base: each has a sequence in one partition.
    pub(crate) fn is_counted(&self) -> bool {
        self.sequences.iter().sum::<u64>() == self.base
    }

    /// Position of the event before the tail's first.
    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    /// Position of the tail's last event, or of the one before its first.
    pub(crate) fn last_position(&self) -> u64 {
        self.base + self.locations.count() as u64
    }

    /// Approximate memory use in bytes.
    pub(crate) fn weight(&self) -> u64 {
        self.weight.load(Ordering::Relaxed)
    }

    /// The tally of a tenant within the tail; `None`: of all tenants.
    pub(crate) fn tally(&self, tenant: Option<&TenantId>) -> Tally {
        let tallies = self.tallies.read();
        match tenant {
            Some(tenant) => tallies.get(tenant.as_str().as_bytes()).copied().unwrap_or_default(),
            None => tallies.values().fold(Tally::default(), |sum, tally| Tally {
                events: sum.events + tally.events,
                entities: sum.entities + tally.entities,
            }),
        }
    }

    /// Adds the names of a tenant's types; `None`: of all tenants.
    pub(crate) fn type_names(&self, tenant: Option<&TenantId>, into: &mut BTreeSet<Box<[u8]>>) {
        for key in self.types.read().keys() {
            #[expect(clippy::expect_used, reason = "every key of a tail was built by `key_of`")]
            let (owner, name) = split_key(key).expect("a key has a tenant and a name");
            if tenant.is_none_or(|tenant| tenant.as_str().as_bytes() == owner) && !into.contains(name) {
                into.insert(name.into());
            }
        }
    }
}

fn u32_of(count: impl TryInto<u32>) -> u32 {
    #[expect(clippy::expect_used, reason = "a tail of that many events does not fit into memory")]
    count.try_into().ok().expect("a tail holds fewer than 2^32 events")
}

#[cfg(test)]
pub(crate) mod tests;
