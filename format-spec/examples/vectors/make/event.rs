//! The events in the vectors, and their records.

use allsource_format::record::{Draft, Stamp, complete, encode};
use rkyv::util::AlignedVec;
use serde_json::{Value, json};

use super::hex;

/// Commit time of the first event in the vectors.
const RECORDED_AT: i64 = 1_767_225_600_000_000;

/// An event in the vectors; its number determines its contents.
#[derive(Clone, Copy)]
pub(crate) struct Event {
    number: u64,
    pub(crate) tenant: &'static str,
    pub(crate) entity_id: &'static str,
    pub(crate) version: u64,
    event_type: &'static str,
    tags: Option<&'static [&'static str]>,
    padding_bytes: usize,
}

pub(crate) fn event(number: u64, tenant: &'static str, entity_id: &'static str, version: u64) -> Event {
    let event_type = "vector.written";
    Event { number, tenant, entity_id, version, event_type, tags: None, padding_bytes: 0 }
}

impl Event {
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn of_type(self, event_type: &'static str) -> Self {
        Self { event_type, ..self }
    }

    pub(crate) fn tagged(self, tags: &'static [&'static str]) -> Self {
        Self { tags: Some(tags), ..self }
    }

    pub(crate) fn padded(self, padding_bytes: usize) -> Self {
        Self { padding_bytes, ..self }
    }

    fn payload(&self) -> Vec<u8> {
        match (self.number, self.padding_bytes) {
            (1, _) => br#"{"name": "Ada",  "n": 1.50}"#.to_vec(),
            (4, _) => vec![0, 255, 10, 0],
            (number, 0) => format!("{{\"number\":{number}}}").into_bytes(),
            (number, bytes) => {
                format!("{{\"number\":{number},\"padding\":\"{}\"}}", "x".repeat(bytes)).into_bytes()
            }
        }
    }
}

/// Appends the record of an event at a position to `body`; returns its meaning.
pub(crate) fn write(event: &Event, position: u64, body: &mut AlignedVec<16>) -> Value {
    let is_json = event.number % 5 != 4;
    let id: [u8; 16] =
        std::array::from_fn(|place| if place == 15 { event.number as u8 } else { 0xA0 + place as u8 });
    let given = event.number.is_multiple_of(2).then_some(RECORDED_AT - 86_400_000_000);
    let (metadata, tags) = match event.number {
        1 => ("", &[][..]),
        4 => (r#"{"encoding":"none"}"#, &["größe", "b"][..]),
        _ => (r#"{"source":"vectors"}"#, &["a"][..]),
    };
    let (payload, tags) = (event.payload(), event.tags.unwrap_or(tags));
    let draft = Draft {
        id,
        timestamp: given,
        is_json,
        tenant: event.tenant,
        entity_id: event.entity_id,
        event_type: event.event_type,
        payload: &payload,
        metadata,
        tags,
    };
    let recorded_at = RECORDED_AT + position.cast_signed();
    let start = body.len();
    let crc = encode(&draft, body).expect("vectors are within the limits");
    let stamp = Stamp { position, version: event.version, recorded_at, clock: recorded_at };
    complete(&mut body[start..], crc, &stamp);
    json!({
        "id": hex(&id), "position": position, "version": event.version, "recorded_at": recorded_at,
        "timestamp": given.unwrap_or(recorded_at), "is_json": is_json, "timestamp_given": given.is_some(),
        "tenant": event.tenant, "entity_id": event.entity_id, "event_type": event.event_type,
        "payload_hex": hex(&payload), "metadata": metadata, "tags": tags,
    })
}
