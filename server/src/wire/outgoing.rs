//! Events and commits as the server sends them.

use std::io::Write as _;

use allsource_engine::event::{Entity, EventRef, Payload};
use allsource_engine::{Acknowledged, Committed};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::incoming::CLOCK;

/// The most bytes of an event's JSON besides its names, tags, payload and metadata.
const MEMBERS_BYTES: usize = 512;

/// Appends `text` as a JSON string.
pub fn write_text(out: &mut Vec<u8>, text: &str) {
    #[expect(clippy::expect_used, reason = "text always has a JSON form, and a vector takes every write")]
    serde_json::to_writer(out, text).expect("text is JSON");
}

pub(super) fn write_fragment(out: &mut Vec<u8>, fragment: std::fmt::Arguments<'_>) {
    #[expect(clippy::expect_used, reason = "a vector takes every write")]
    out.write_fmt(fragment).expect("a vector takes every write");
}

/// The most bytes that an event takes as a JSON object. Names and tags hold no control characters, so escaping at most
/// doubles them.
pub fn event_bytes_max(event: &EventRef) -> usize {
    let (payload, written) = match event.payload() {
        Payload::Json(text) => (text.len(), text.len()),
        Payload::Bytes(bytes) => (bytes.len(), bytes.len().div_ceil(3) * 4),
    };
    let others = event.record_bytes().saturating_sub(payload);
    written + 2 * others + MEMBERS_BYTES
}

/// Appends an event as a JSON object, with payload and metadata byte for byte as they were accepted.
pub fn write_event(out: &mut Vec<u8>, event: &EventRef, partitions: u32) {
    write_fragment(out, format_args!("{{\"id\":\"{}\",\"event_type\":", event.id()));
    write_text(out, event.event_type());
    out.extend_from_slice(b",\"entity_id\":");
    write_text(out, event.entity_id());
    write_fragment(out, format_args!(",\"tenant_id\":\"{}\",", event.tenant()));
    write_payload(out, event);
    write_fragment(out, format_args!(",\"timestamp\":\"{}\",\"metadata\":", event.timestamp()));
    out.extend_from_slice(event.metadata().unwrap_or("null").as_bytes());
    write_fragment(
        out,
        format_args!(
            ",\"version\":{},\"position\":{},\"partition\":{},\"recorded_at\":\"{}\",",
            event.version(),
            event.position(),
            event.partition(partitions),
            event.recorded_at(),
        ),
    );
    write_tags(out, event);
    out.push(b'}');
}

/// Appends the answer that is one event.
pub fn write_found_event(out: &mut Vec<u8>, event: &EventRef, partitions: u32) {
    out.extend_from_slice(b"{\"event\":");
    write_event(out, event, partitions);
    out.extend_from_slice(b",\"found\":true}");
}

/// Appends an event with its index among those of a key.
pub fn write_keyed_event(out: &mut Vec<u8>, index: u64, event: &EventRef, partitions: u32) {
    write_fragment(out, format_args!("{{\"index\":{index},\"event\":"));
    write_event(out, event, partitions);
    out.push(b'}');
}

/// Appends the payload member: `payload`, or `payload_base64` when it is not JSON.
pub(super) fn write_payload(out: &mut Vec<u8>, event: &EventRef) {
    match event.payload() {
        Payload::Json(text) => {
            out.extend_from_slice(b"\"payload\":");
            out.extend_from_slice(text.as_bytes());
        }
        Payload::Bytes(bytes) => {
            out.extend_from_slice(b"\"payload\":null,\"payload_base64\":\"");
            out.extend_from_slice(BASE64_STANDARD.encode(bytes).as_bytes());
            out.push(b'"');
        }
    }
}

/// Appends an event as one line of JSON. Line breaks in its JSON can only stand between tokens, and become spaces.
pub fn write_event_line(out: &mut Vec<u8>, event: &EventRef, partitions: u32) {
    let start = out.len();
    write_event(out, event, partitions);
    for byte in out.iter_mut().skip(start).filter(|byte| matches!(**byte, b'\n' | b'\r')) {
        *byte = b' ';
    }
}

/// Appends an event as one line that `import` accepts. JSON that a line cannot hold unchanged goes into
/// `payload_text` and `metadata_text`, so that no byte is lost. `timestamp_source` keeps retries of an event without a
/// timestamp equal to its copy.
pub fn write_source_line(out: &mut Vec<u8>, event: &EventRef) {
    write_fragment(out, format_args!("{{\"id\":\"{}\",\"event_type\":", event.id()));
    write_text(out, event.event_type());
    out.extend_from_slice(b",\"entity_id\":");
    write_text(out, event.entity_id());
    let (tenant, timestamp) = (event.tenant(), event.timestamp());
    write_fragment(out, format_args!(",\"tenant_id\":\"{tenant}\",\"timestamp\":\"{timestamp}\","));
    if event.has_clock_timestamp() {
        write_fragment(out, format_args!("\"timestamp_source\":\"{CLOCK}\","));
    }
    if let Some(metadata) = event.metadata() {
        match metadata {
            // The member `metadata` would say that there is none.
            "null" => out.extend_from_slice(b"\"metadata_text\":\"null\""),
            _ => write_source_json(out, "metadata", metadata),
        }
        out.push(b',');
    }
    write_tags(out, event);
    out.push(b',');
    match event.payload() {
        Payload::Json(text) => write_source_json(out, "payload", text),
        Payload::Bytes(bytes) => {
            write_fragment(out, format_args!("\"payload_base64\":\"{}\"", BASE64_STANDARD.encode(bytes)));
        }
    }
    out.push(b'}');
}

/// Appends a member with stored JSON: unchanged, or as text if it has line breaks or white space around it.
fn write_source_json(out: &mut Vec<u8>, name: &str, json: &str) {
    let is_bare = !json.contains(['\n', '\r']) && json.trim_ascii().len() == json.len();
    if is_bare {
        write_fragment(out, format_args!("\"{name}\":{json}"));
    } else {
        write_fragment(out, format_args!("\"{name}_text\":"));
        write_text(out, json);
    }
}

fn write_tags(out: &mut Vec<u8>, event: &EventRef) {
    out.extend_from_slice(b"\"tags\":[");
    for (place, tag) in event.tags().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write_text(out, tag);
    }
    out.push(b']');
}

/// Appends the outcome of an append.
pub fn write_commit(
    out: &mut Vec<u8>,
    entity: &Entity,
    committed: &Committed,
    acknowledged: Acknowledged,
    partitions: u32,
) {
    write_fragment(
        out,
        format_args!(
            "{{\"event_id\":\"{}\",\"timestamp\":\"{}\",\"version\":{},\"position\":{},\"partition\":{}",
            committed.id,
            committed.timestamp,
            committed.version,
            committed.position,
            entity.partition(partitions),
        ),
    );
    if committed.replayed {
        out.extend_from_slice(b",\"replayed\":true");
    }
    if acknowledged == Acknowledged::Written {
        out.extend_from_slice(b",\"durability\":\"written\"");
    }
    out.push(b'}');
}
