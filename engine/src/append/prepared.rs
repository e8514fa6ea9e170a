//! The work of an append that is done on the caller's thread, so that the sequencer need not do it.

use std::ops::Range;

use allsource_format::limits::FRAME_EVENTS_MAX;
use allsource_format::partition;
use allsource_format::record::{self, BYTES_MIN, Draft, Record};
use rkyv::util::AlignedVec;
use smallvec::SmallVec;
use uuid::Uuid;

use super::Reply;
use super::sameness::{Verdict, compare, digest};
use crate::batch::{Batch, ExpectedVersion, Part};
use crate::error::{AppendError, ReadError};
use crate::event::{Entity, EventRef, InvalidEvent, KeyBuffer, TenantId, Timestamp};
use crate::platform::Entropy;
use crate::tail::id_hash;
use crate::view::{Layers, Resident};

/// An encoded event.
pub(crate) struct PreparedEvent {
    /// The range of its record in the request's bytes.
    pub(crate) record: Range<usize>,
    /// Checksum of the part of the record that the sequencer does not change.
    pub(crate) crc_so_far: u32,
    pub(crate) id: Uuid,
    pub(crate) id_hash: u64,
    /// Whether the caller gave the id. A random id needs no look-up.
    pub(crate) is_id_given: bool,
    /// The time that it names, if any: its author's, or that of the clock that dated the event it copies.
    pub(crate) timestamp: Option<Timestamp>,
    /// Digest of the canonical payload and metadata; 0 if no id was given.
    pub(crate) digest: u128,
    /// Whether the stored event with this id has the same values, if comparing bytes did not decide that.
    pub(crate) verdict: Option<Verdict>,
    /// Why the event is refused if it is new. If it is stored already, it is still acknowledged.
    pub(crate) refusal: Option<Box<InvalidEvent>>,
    /// The sealed event of this id, with its sequence, as of [`Request::sealed_through`].
    pub(crate) sealed: Option<(EventRef, u64)>,
}

impl PreparedEvent {
    /// The time that it names, in microseconds.
    pub(crate) fn named_time(&self) -> Option<i64> {
        self.timestamp.map(Timestamp::micros)
    }
}

/// An id that no event may have.
pub(crate) struct Absent {
    pub(crate) tenant: TenantId,
    pub(crate) id: Uuid,
    pub(crate) id_hash: u64,
    /// The sealed event of this id, with its sequence, as of [`Request::sealed_through`].
    pub(crate) sealed: Option<(EventRef, u64)>,
}

/// Consecutive events of one entity.
pub(crate) struct PreparedPart {
    pub(crate) entity: Entity,
    pub(crate) key: KeyBuffer,
    pub(crate) key_hash: u64,
    pub(crate) partition: u32,
    pub(crate) expected: ExpectedVersion,
    pub(crate) events: SmallVec<[PreparedEvent; 1]>,
    /// Version of the entity's last sealed event, as of [`Request::sealed_through`].
    pub(crate) sealed_head: Option<u64>,
}

/// An append that waits for the sequencer.
pub(crate) struct Request {
    pub(crate) parts: SmallVec<[PreparedPart; 1]>,
    /// Ids that no event may have.
    pub(crate) absent: Vec<Absent>,
    /// Refuse the append if only some of its events are stored already.
    pub(crate) is_alone: bool,
    /// All records, one after the other.
    pub(crate) bytes: AlignedVec,
    pub(crate) reply: Reply,
    /// The look-ups of this request covered the sealed events up to this position.
    pub(crate) sealed_through: u64,
}

/// What a batch is prepared for.
#[derive(Clone, Copy)]
pub(crate) struct Accepts<'a> {
    /// The store's partitions.
    pub(crate) partitions: u32,
    /// The most bytes of records in one append.
    pub(crate) bytes_max: usize,
    /// Where ids come from that the client does not give.
    pub(crate) entropy: &'a dyn Entropy,
}

impl Request {
    /// Encodes a batch.
    ///
    /// # Errors
    /// When it is empty, larger than the store accepts, or holds an event that cannot be stored.
    pub(crate) fn prepare(batch: Batch, store: Accepts<'_>, reply: Reply) -> Result<Self, AppendError> {
        let Accepts { partitions, bytes_max, entropy } = store;
        let count = batch.len();
        if count == 0 {
            return Err(AppendError::Empty);
        }
        if count > FRAME_EVENTS_MAX {
            return Err(AppendError::TooLarge {
                what: "number of events in a batch",
                actual: count,
                limit: FRAME_EVENTS_MAX,
            });
        }
        // An event without an id cannot repeat a stored one.
        let mut events = batch.parts.iter().flat_map(|part| &part.events).enumerate();
        let refused =
            events.find_map(|(index, event)| Some((index, event.refusal().filter(|_| event.id.is_none())?)));
        if let Some((index, problem)) = refused {
            return Err(AppendError::Invalid { index, problem: problem.clone() });
        }
        let payload_bytes: usize =
            batch.parts.iter().flat_map(|part| &part.events).map(|e| e.payload.len()).sum();
        let (is_alone, absent) = (batch.is_alone, batch.absent.into_iter().map(Absent::new).collect());
        let mut bytes = AlignedVec::with_capacity((payload_bytes + count * 192).min(bytes_max));
        let with_events = batch.parts.into_iter().filter(|part| !part.events.is_empty());
        let parts = with_events
            .map(|part| prepare_part(part, partitions, entropy, &mut bytes))
            .collect::<Result<SmallVec<[PreparedPart; 1]>, _>>()?;
        let prepared: usize = parts.iter().map(|part| part.events.len()).sum();
        assert_eq!(prepared, count, "every event of the batch is prepared");
        assert!(parts.iter().all(|part| !part.events.is_empty()), "a part has events");
        assert!(bytes.len() >= count * BYTES_MIN, "every event has a record");
        if bytes.len() > bytes_max {
            return Err(AppendError::TooLarge {
                what: "size of a batch in bytes",
                actual: bytes.len(),
                limit: bytes_max,
            });
        }
        Ok(Self { parts, absent, is_alone, bytes, reply, sealed_through: 0 })
    }

    /// Compares the events whose id was given with those in the tails. Reads no file.
    fn compare_with_tails(&mut self, layers: &Layers) {
        for part in &mut self.parts {
            let tenant = part.entity.tenant().as_str();
            for event in part.events.iter_mut().filter(|event| event.is_id_given) {
                let found = layers.find_id_in_tails(tenant, event.id.as_bytes());
                let new = record_of(&self.bytes, event);
                event.verdict =
                    found.and_then(|(stored, _)| compare(&stored.record(), &new, event.named_time()));
            }
        }
    }

    /// As [`Request::look_up`], from memory alone. False: sealed files have to be read.
    pub(crate) fn look_up_in_memory(&mut self, layers: &Layers) -> bool {
        self.compare_with_tails(layers);
        assert!(self.sealed_through <= layers.sealed_position(), "what is sealed stays sealed");
        if layers.generations.is_empty() {
            return true;
        }
        let is_in_tails =
            |absent: &Absent| layers.find_id_in_tails(absent.tenant.as_str(), absent.id.as_bytes()).is_some();
        if !self.absent.iter().all(is_in_tails) {
            return false;
        }
        for part in &mut self.parts {
            // If a tail has events of the entity, they are newer.
            if layers.head_in_tails(&part.key).is_none() {
                let Resident::Known(head) = layers.cached_head(&part.key) else { return false };
                part.sealed_head = head;
            }
            let tenant = part.entity.tenant().as_str();
            let mut given = part.events.iter().filter(|event| event.is_id_given);
            if !given.all(|event| layers.find_id_in_tails(tenant, event.id.as_bytes()).is_some()) {
                return false;
            }
        }
        self.sealed_through = layers.sealed_position();
        true
    }

    /// Looks up what the sequencer needs to know of sealed events, so that it need not wait for the disk.
    ///
    /// # Errors
    /// When the data needed is damaged or cannot be read now.
    pub(crate) fn look_up(&mut self, layers: &Layers) -> Result<(), ReadError> {
        self.compare_with_tails(layers);
        assert!(self.sealed_through <= layers.sealed_position(), "what is sealed stays sealed");
        if layers.generations.is_empty() {
            return Ok(());
        }
        for absent in &mut self.absent {
            let tenant = absent.tenant.as_str();
            absent.sealed = layers.sealed_id(absent.id_hash, tenant, absent.id.as_bytes(), 0)?;
        }
        for part in &mut self.parts {
            // If a tail has events of the entity, they are newer.
            if layers.head_in_tails(&part.key).is_none() {
                part.sealed_head = layers.known_head(part.key_hash, &part.key)?;
            }
            let tenant = part.entity.tenant().as_str();
            for event in part.events.iter_mut().filter(|event| event.is_id_given) {
                event.sealed = layers.sealed_id(event.id_hash, tenant, event.id.as_bytes(), 0)?;
                let new = record_of(&self.bytes, event);
                let named = event.named_time();
                let sealed = event.sealed.as_ref();
                let compared = sealed.and_then(|(stored, _)| compare(&stored.record(), &new, named));
                event.verdict = compared.or(event.verdict);
            }
        }
        self.sealed_through = layers.sealed_position();
        Ok(())
    }
}

/// The record of an event among the bytes of its request.
pub(crate) fn record_of<'a>(bytes: &'a [u8], event: &PreparedEvent) -> Record<'a> {
    #[expect(clippy::expect_used, reason = "the record was encoded into these bytes")]
    Record::at(encoded_of(bytes, event)).expect("a prepared event lies where it was encoded")
}

/// The encoded record of an event among the bytes of its request.
pub(crate) fn encoded_of<'a>(bytes: &'a [u8], event: &PreparedEvent) -> &'a [u8] {
    #[expect(clippy::expect_used, reason = "the record was encoded into these bytes")]
    bytes.get(event.record.clone()).expect("a prepared event lies where it was encoded")
}

impl Absent {
    fn new((tenant, id): (TenantId, Uuid)) -> Self {
        let id_hash = id_hash(tenant.as_str(), id.as_bytes());
        Self { tenant, id, id_hash, sealed: None }
    }
}

fn prepare_part(
    part: Part,
    partitions: u32,
    entropy: &dyn Entropy,
    bytes: &mut AlignedVec,
) -> Result<PreparedPart, AppendError> {
    let key = part.entity.key();
    let tenant = part.entity.tenant().as_str();
    let mut events = SmallVec::<[PreparedEvent; 1]>::with_capacity(part.events.len());
    for event in &part.events {
        let id = event.id.unwrap_or_else(|| entropy.uuid());
        let tags: SmallVec<[&str; 4]> = event.tags.iter().map(|tag| tag.as_str()).collect();
        let draft = Draft {
            id: id.into_bytes(),
            timestamp: event.author_timestamp().map(Timestamp::micros),
            is_json: event.is_json,
            tenant,
            entity_id: part.entity.id().as_str(),
            event_type: event.event_type.as_str(),
            payload: &event.payload,
            metadata: &event.metadata,
            tags: &tags,
        };
        let start = bytes.len();
        let crc_so_far = record::encode(&draft, bytes).map_err(|error| AppendError::TooLarge {
            what: error.field,
            actual: error.actual,
            limit: error.limit,
        })?;
        events.push(PreparedEvent {
            record: start..bytes.len(),
            crc_so_far,
            id,
            id_hash: id_hash(tenant, id.as_bytes()),
            is_id_given: event.id.is_some(),
            timestamp: event.timestamp,
            digest: 0,
            verdict: None,
            refusal: event.refusal.clone(),
            sealed: None,
        });
        if let Some(prepared) = events.last_mut().filter(|_| event.id.is_some()) {
            prepared.digest = digest(&record_of(bytes, prepared));
        }
    }
    assert!(
        events
            .windows(2)
            .all(|pair| pair.first().map(|one| one.record.end) == pair.last().map(|next| next.record.start)),
        "the records of a part follow each other"
    );
    let key_hash = partition::key_hash(&key);
    let partition = partition::of_hash(key_hash, partitions);
    assert!(partition < partitions, "a key belongs to a partition of the store");
    let Part { entity, expected, .. } = part;
    Ok(PreparedPart { key, key_hash, partition, expected, events, entity, sealed_head: None })
}
