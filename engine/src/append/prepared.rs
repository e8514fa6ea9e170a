//! What the caller's own thread does for an append, so that the sequencer need not.

use std::ops::Range;

use allsource_format::limits::FRAME_EVENTS_MAX;
use allsource_format::partition;
use allsource_format::record::{self, Draft};
use rkyv::util::AlignedVec;
use smallvec::SmallVec;
use uuid::Uuid;

use super::Reply;
use crate::batch::{Batch, ExpectedVersion, Part};
use crate::error::{AppendError, ReadError};
use crate::event::{Entity, EntityKeyBuffer, EventRef, InvalidEvent, Timestamp};
use crate::platform::Entropy;
use crate::tail::id_hash;
use crate::view::{Layers, Resident};

/// One event, archived.
pub(crate) struct PreparedEvent {
    /// Where its record lies in the request's bytes.
    pub(crate) record: Range<usize>,
    /// Checksum of what the sequencer does not change.
    pub(crate) crc_so_far: u32,
    pub(crate) id: Uuid,
    pub(crate) id_hash: u64,
    /// A random id needs no look-up.
    pub(crate) is_id_given: bool,
    /// Its own time, if one was given.
    pub(crate) timestamp: Option<Timestamp>,
    /// Why the event is not placed if no event of its id is found.
    pub(crate) refusal: Option<Box<InvalidEvent>>,
    /// The sealed event of this id, with its sequence, as of [`Request::sealed_through`].
    pub(crate) sealed: Option<(EventRef, u64)>,
}

/// Consecutive events of one entity.
pub(crate) struct PreparedPart {
    pub(crate) entity: Entity,
    pub(crate) key: EntityKeyBuffer,
    pub(crate) key_hash: u64,
    pub(crate) partition: u32,
    pub(crate) expected: ExpectedVersion,
    pub(crate) events: SmallVec<[PreparedEvent; 1]>,
    /// Version of the entity's last sealed event, as of [`Request::sealed_through`].
    pub(crate) sealed_head: Option<u64>,
}

/// An append as it waits for the sequencer.
pub(crate) struct Request {
    pub(crate) parts: SmallVec<[PreparedPart; 1]>,
    /// All records, one after the other.
    pub(crate) bytes: AlignedVec,
    pub(crate) reply: Reply,
    /// Sealed events up to this position were looked at for this request.
    pub(crate) sealed_through: u64,
}

impl Request {
    /// Archives a batch.
    ///
    /// # Errors
    /// When it is empty, larger than the store takes in one piece, or holds an event that cannot be stored.
    pub(crate) fn prepare(
        batch: Batch,
        partitions: u32,
        bytes_max: usize,
        entropy: &dyn Entropy,
        reply: Reply,
    ) -> Result<Self, AppendError> {
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
        // Without an id there is nothing that it could be the same as.
        let mut events = batch.parts.iter().flat_map(|part| &part.events).enumerate();
        let refused =
            events.find_map(|(index, event)| Some((index, event.refusal().filter(|_| event.id.is_none())?)));
        if let Some((index, problem)) = refused {
            return Err(AppendError::Invalid { index, problem: problem.clone() });
        }
        let payload_bytes: usize =
            batch.parts.iter().flat_map(|part| &part.events).map(|e| e.payload.len()).sum();
        let mut bytes = AlignedVec::with_capacity((payload_bytes + count * 192).min(bytes_max));
        let with_events = batch.parts.into_iter().filter(|part| !part.events.is_empty());
        let parts = with_events
            .map(|part| prepare_part(part, partitions, entropy, &mut bytes))
            .collect::<Result<_, _>>()?;
        if bytes.len() > bytes_max {
            return Err(AppendError::TooLarge {
                what: "size of a batch in bytes",
                actual: bytes.len(),
                limit: bytes_max,
            });
        }
        Ok(Self { parts, bytes, reply, sealed_through: 0 })
    }

    /// As [`Request::look_up`], from memory alone. False: sealed files have to be read.
    pub(crate) fn look_up_in_memory(&mut self, layers: &Layers) -> bool {
        if layers.generations.is_empty() {
            return true;
        }
        for part in &mut self.parts {
            // What a tail knows is newer.
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

    /// Looks up what the sequencer must know of sealed events, so that it need not wait for the disk.
    ///
    /// # Errors
    /// When what it must know lies in damaged data.
    pub(crate) fn look_up(&mut self, layers: &Layers) -> Result<(), ReadError> {
        if layers.generations.is_empty() {
            return Ok(());
        }
        for part in &mut self.parts {
            // What a tail knows is newer.
            if layers.head_in_tails(&part.key).is_none() {
                part.sealed_head = layers.known_head(part.key_hash, &part.key)?;
            }
            let tenant = part.entity.tenant().as_str();
            for event in part.events.iter_mut().filter(|event| event.is_id_given) {
                event.sealed = layers.sealed_id(event.id_hash, tenant, event.id.as_bytes(), 0)?;
            }
        }
        self.sealed_through = layers.sealed_position();
        Ok(())
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
    let mut events = SmallVec::with_capacity(part.events.len());
    for event in &part.events {
        let id = event.id.unwrap_or_else(|| entropy.uuid());
        let tags: SmallVec<[&str; 4]> = event.tags.iter().map(|tag| tag.as_str()).collect();
        let draft = Draft {
            id: id.into_bytes(),
            timestamp: event.timestamp.map(|timestamp| timestamp.micros()),
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
            refusal: event.refusal.clone(),
            sealed: None,
        });
    }
    let key_hash = partition::key_hash(&key);
    let partition = partition::of_hash(key_hash, partitions);
    let Part { entity, expected, .. } = part;
    Ok(PreparedPart { key, key_hash, partition, expected, events, entity, sealed_head: None })
}
