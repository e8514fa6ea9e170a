//! Builds the sections of an index from the records of a generation, run by run.

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::{
    ENTITIES, ENTITY_FANOUT, ID_FANOUT, IDS, Name, PLACES, RANK_STEP, RANKS, STRETCH_EVENTS_MAX, Stretch,
    TAG_KEYS, TAG_LISTS, TAGS, TIMES, TYPE_KEYS, TYPE_LISTS, TYPES, bucket, fanout_bits, id_entry,
    partition_and_offset, place,
};
use crate::bytes::stored_length;
use crate::partition::{KEY_SEPARATOR, key_hash};
use crate::record::Record;

/// A stretch of at least this many bytes is not continued.
const STRETCH_BYTES_MAX: u32 = 256 << 10;

/// A section ready to be written.
#[derive(Debug)]
pub struct Built {
    /// Its kind.
    pub kind: u32,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Number of entries.
    pub count: u64,
}

/// The ordinals of the events of a type or tag.
#[derive(Default)]
struct List {
    ordinals: Vec<u32>,
    entities: u32,
}

/// An index under construction. It takes about 40 bytes of memory per event.
pub struct Builder {
    first_position: u64,
    partitions: u32,
    places: Vec<u64>,
    times: Vec<i64>,
    ids: Vec<u64>,
    stretches: Vec<Stretch>,
    /// Partition, run and key of the last record: the next one may continue its stretch. The key is compared because
    /// another entity may have the same hash.
    open: Option<(u32, u64)>,
    open_key: Vec<u8>,
    types: HashMap<Vec<u8>, List, RandomState>,
    tags: HashMap<Vec<u8>, List, RandomState>,
    key: Vec<u8>,
}

impl Builder {
    /// A builder for `events` events starting at `first_position`.
    ///
    /// # Panics
    /// If there are 2^32 events or more.
    pub fn new(first_position: u64, events: usize, partitions: u32) -> Self {
        assert!(u32::try_from(events).is_ok(), "ordinals have 32 bits");
        Self {
            first_position,
            partitions,
            places: vec![0; events],
            times: vec![0; events],
            ids: Vec::with_capacity(events),
            stretches: Vec::new(),
            open: None,
            open_key: Vec::new(),
            types: HashMap::default(),
            tags: HashMap::default(),
            key: Vec::new(),
        }
    }

    /// Adds the record at `offset` in the segments file, in run number `run` of its partition. The records of a run
    /// must be added in order.
    ///
    /// # Errors
    /// The record's position, if it is outside the generation or already added.
    pub fn add(&mut self, record: &Record<'_>, partition: u32, run: u64, offset: u64) -> Result<(), u64> {
        let position = record.position();
        let ordinal = position.checked_sub(self.first_position).ok_or(position)?;
        let index = usize::try_from(ordinal).map_err(|_| position)?;
        let slot = self.places.get_mut(index).filter(|place| **place == 0).ok_or(position)?;
        *slot = place(partition, offset);
        #[expect(clippy::expect_used, reason = "there are as many times as places")]
        let time = self.times.get_mut(index).expect("an event with a place has a time");
        *time = record.timestamp();
        let ordinal = u32::try_from(ordinal).map_err(|_| position)?;
        self.set_key(record.tenant_bytes(), &record.id());
        self.ids.push(id_entry(key_hash(&self.key), ordinal));
        self.set_key(record.tenant_bytes(), record.entity_bytes());
        self.extend_stretch(record, key_hash(&self.key), (partition, run), offset);
        self.set_key(record.tenant_bytes(), record.type_bytes());
        let list = list_of(&mut self.types, &self.key);
        list.ordinals.push(ordinal);
        list.entities += u32::from(record.version() == 1);
        for tag in record.tags() {
            self.set_key(record.tenant_bytes(), tag.as_bytes());
            let list = list_of(&mut self.tags, &self.key);
            if list.ordinals.last() != Some(&ordinal) {
                list.ordinals.push(ordinal);
            }
        }
        Ok(())
    }

    fn set_key(&mut self, tenant: &[u8], name: &[u8]) {
        self.key.clear();
        self.key.extend_from_slice(tenant);
        self.key.push(KEY_SEPARATOR);
        self.key.extend_from_slice(name);
    }

    fn extend_stretch(&mut self, record: &Record<'_>, hash: u64, run: (u32, u64), offset: u64) {
        let length = stored_length(record.as_bytes().len());
        let is_next = self.open == Some(run) && self.open_key == self.key;
        if !is_next {
            self.open = Some(run);
            self.open_key.clone_from(&self.key);
        }
        match self.stretches.last_mut() {
            Some(last)
                if is_next
                    && last.count < STRETCH_EVENTS_MAX
                    && last.bytes < STRETCH_BYTES_MAX
                    && record.version().checked_sub(last.first_version) == Some(u64::from(last.count))
                    && last.offset + u64::from(last.bytes) == offset =>
            {
                last.count += 1;
                last.bytes += length;
            }
            _ => self.stretches.push(Stretch {
                hash,
                first_version: record.version(),
                offset,
                count: 1,
                bytes: length,
            }),
        }
    }

    /// The position of an event that is still missing, if any.
    pub fn missing(&self) -> Option<u64> {
        let gap = self.places.iter().position(|place| *place == 0)?;
        Some(self.first_position + gap as u64)
    }

    /// Passes the sections to `write` one by one, ordered by kind.
    ///
    /// # Errors
    /// Returns the errors of `write`.
    pub fn finish<E>(mut self, mut write: impl FnMut(Built) -> Result<(), E>) -> Result<(), E> {
        let ranks = self.ranks();
        write(entries(PLACES, self.places.drain(..).map(u64::to_le_bytes)))?;
        self.places = Vec::new();
        write(entries(TIMES, self.times.drain(..).map(i64::to_le_bytes)))?;
        self.times = Vec::new();
        // Two entities may share a hash: then versions alone do not order their stretches, and offsets do.
        self.stretches.sort_unstable_by_key(|stretch| (stretch.hash, stretch.first_version, stretch.offset));
        let fanout = fanout(ENTITY_FANOUT, self.stretches.iter().map(|stretch| stretch.hash));
        write(entries(ENTITIES, self.stretches.drain(..).map(|stretch| stretch.encode())))?;
        write(fanout)?;
        self.ids.sort_unstable();
        let fanout = self::fanout(ID_FANOUT, self.ids.iter().copied());
        write(entries(IDS, self.ids.drain(..).map(u64::to_le_bytes)))?;
        self.ids = Vec::new();
        write(fanout)?;
        names([TYPES, TYPE_KEYS, TYPE_LISTS], self.types, &mut write)?;
        names([TAGS, TAG_KEYS, TAG_LISTS], self.tags, &mut write)?;
        write(ranks)
    }

    fn ranks(&self) -> Built {
        let mut counts = vec![0_u32; self.partitions as usize];
        let mut bytes = Vec::new();
        let mut count = 0;
        for (ordinal, place) in (0_u64..).zip(&self.places) {
            if ordinal.is_multiple_of(RANK_STEP) {
                counts.iter().for_each(|count| bytes.extend_from_slice(&count.to_le_bytes()));
                count += counts.len() as u64;
            }
            if let Some(count) = counts.get_mut(partition_and_offset(*place).0 as usize) {
                *count += 1;
            }
        }
        Built { kind: RANKS, bytes, count }
    }
}

fn list_of<'a>(lists: &'a mut HashMap<Vec<u8>, List, RandomState>, key: &[u8]) -> &'a mut List {
    lists.entry_ref(key).or_default()
}

fn entries<const N: usize>(kind: u32, items: impl ExactSizeIterator<Item = [u8; N]>) -> Built {
    let count = items.len() as u64;
    let mut bytes = Vec::with_capacity(items.len() * N);
    items.for_each(|item| bytes.extend_from_slice(&item));
    Built { kind, bytes, count }
}

/// For each bucket of ascending hashes, the number of hashes before it.
fn fanout(kind: u32, hashes: impl ExactSizeIterator<Item = u64>) -> Built {
    let bits = fanout_bits(hashes.len() as u64);
    let total = stored_length(hashes.len());
    let mut starts = Vec::with_capacity((1 << bits) + 1);
    for (number, hash) in (0_u32..).zip(hashes) {
        while starts.len() as u64 <= bucket(hash, bits) {
            starts.push(number);
        }
    }
    starts.resize((1 << bits) + 1, total);
    entries(kind, starts.into_iter().map(u32::to_le_bytes))
}

fn names<E>(
    [kind, kind_of_keys, kind_of_lists]: [u32; 3],
    lists: HashMap<Vec<u8>, List, RandomState>,
    write: &mut impl FnMut(Built) -> Result<(), E>,
) -> Result<(), E> {
    let mut sorted: Vec<_> = lists.into_iter().collect();
    sorted.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    let (mut directory, mut keys, mut ordinals, mut first) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for (key, mut list) in sorted {
        list.ordinals.sort_unstable();
        // Ordinals are u32, and a key is a few hundred bytes.
        let (count, key_bytes) = (stored_length(list.ordinals.len()), stored_length(key.len()));
        let (key_offset, entities) = (keys.len() as u64, list.entities);
        directory.push(Name { key_offset, first, count, entities, key_bytes }.encode());
        keys.extend_from_slice(&key);
        list.ordinals.iter().for_each(|ordinal| ordinals.extend_from_slice(&ordinal.to_le_bytes()));
        first += u64::from(count);
    }
    write(entries(kind, directory.into_iter()))?;
    write(Built { kind: kind_of_keys, count: keys.len() as u64, bytes: keys })?;
    write(Built { kind: kind_of_lists, count: first, bytes: ordinals })
}

#[cfg(test)]
mod tests;
