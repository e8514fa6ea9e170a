//! Events as callers send them, parsed in place: payloads and metadata are borrowed, not copied.

use std::borrow::Cow;
use std::fmt;

use allsource_engine::ExpectedVersion;
use allsource_engine::event::{Entity, EntityId, InvalidTime, NewEvent, TenantId, Timestamp};
use allsource_format::limits::{
    ENTITY_ID_BYTES_MAX, EVENT_TYPE_BYTES_MAX, FRAME_EVENTS_MAX, METADATA_BYTES_MAX, PAYLOAD_BYTES_MAX,
    TAG_BYTES_MAX, TAGS_MAX,
};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::de::{SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::problem::{Kind, Problem};

/// Fields of an event body.
pub const EVENT_FIELDS: &[&str] = &[
    "event_type",
    "entity_id",
    "tenant_id",
    "payload",
    "payload_text",
    "payload_base64",
    "metadata",
    "metadata_text",
    "id",
    "timestamp",
    "timestamp_source",
    "tags",
    "expected_version",
];
/// The longest line of one event, in bytes. Escaping as `payload_text` at most doubles a JSON payload of the largest
/// size; the rest is room for metadata, tags and names, also escaped.
pub const LINE_BYTES_MAX: usize = 2 * PAYLOAD_BYTES_MAX + (1 << 20);

const _: () = assert!(
    2 * METADATA_BYTES_MAX + 6 * (TAGS_MAX * TAG_BYTES_MAX + ENTITY_ID_BYTES_MAX + EVENT_TYPE_BYTES_MAX)
        < (1 << 20) - 4096,
    "the largest event fits into a line"
);

/// Copies of an event's text that can exist at once: its unescaped fields, the event, its batch, and its record.
const COPIES: usize = 4;
/// Copies of a batch's text that can exist at once beside it: the events, and their batch or their records.
const BATCH_COPIES: usize = 2;
/// The most memory that an event, or the problem it has, takes beside its text, in bytes. Measured for the smallest
/// events, and for numbers in place of events.
const EVENT_BYTES: usize = 1152;

/// The most memory, in bytes, that parsing and appending an event take beside its text. Text beyond what an event can
/// have is refused before it is copied so often.
pub fn working_bytes(text: usize) -> usize {
    COPIES * text.min(PAYLOAD_BYTES_MAX + (1 << 20)) + EVENT_BYTES
}

/// The most memory, in bytes, that parsing and appending `count` events in `text` bytes take beside the text, which is
/// dropped once it is parsed.
pub fn batch_working_bytes(text: usize, count: usize) -> usize {
    BATCH_COPIES * text + EVENT_BYTES * count
}

/// Fields of a batch body.
pub const BATCH_FIELDS: &[&str] = &["events", "atomic"];

/// An event as a caller sends it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventBody<'a> {
    #[serde(borrow)]
    event_type: Cow<'a, str>,
    #[serde(borrow)]
    entity_id: Cow<'a, str>,
    /// The tenant that the body names, if any.
    pub tenant_id: Option<String>,
    #[serde(borrow, default, deserialize_with = "present")]
    payload: Option<&'a RawValue>,
    payload_text: Option<String>,
    payload_base64: Option<String>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
    metadata_text: Option<String>,
    id: Option<Cow<'a, str>>,
    timestamp: Option<String>,
    timestamp_source: Option<Cow<'a, str>>,
    tags: Option<Vec<String>>,
    expected_version: Option<Expected>,
}

/// What a caller expects of an entity: a version (0: no events), or `exists`.
#[derive(Debug, Clone, Copy)]
enum Expected {
    Version(u64),
    Exists,
}

impl<'de> Deserialize<'de> for Expected {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl Visitor<'_> for Form {
            type Value = Expected;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number from 0, or \"exists\"")
            }

            fn visit_u64<E>(self, version: u64) -> Result<Expected, E> {
                Ok(Expected::Version(version))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Expected, E> {
                match text {
                    "exists" => Ok(Expected::Exists),
                    _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
                }
            }
        }
        deserializer.deserialize_any(Form)
    }
}

/// A batch as a caller sends it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchBody<'a> {
    /// The events, not parsed yet, so that an error can name its place in the batch.
    #[serde(borrow)]
    pub events: RawEvents<'a>,
    /// Whether to append all events or none; true if absent.
    pub atomic: Option<bool>,
}

/// The texts of events. Beyond the most that a batch may have, they are only counted.
#[derive(Debug, Default)]
pub struct RawEvents<'a> {
    listed: Vec<&'a RawValue>,
    count: usize,
}

impl<'a> RawEvents<'a> {
    /// The number of events.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The texts of the events, if there are not too many of them.
    pub fn iter(&self) -> impl Iterator<Item = &'a RawValue> {
        self.listed.iter().copied()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawEvents<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = RawEvents<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of events")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<RawEvents<'de>, A::Error> {
                let mut events = RawEvents::default();
                while let Some(event) = list.next_element::<&RawValue>()? {
                    events.count += 1;
                    if events.count <= FRAME_EVENTS_MAX {
                        events.listed.push(event);
                    }
                }
                Ok(events)
            }
        }
        deserializer.deserialize_seq(List)
    }
}

/// Keeps a payload of `null` apart from an absent one.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

/// Parses an event.
///
/// # Errors
/// Where the text is not JSON, or which field is wrong.
pub fn parse_event(text: &[u8]) -> Result<EventBody<'_>, Problem> {
    parse_object(text, EVENT_FIELDS)
}

/// Parses a batch, but not yet its events.
///
/// # Errors
/// Where the text is not JSON, or which field is wrong.
pub fn parse_batch(text: &[u8]) -> Result<BatchBody<'_>, Problem> {
    parse_object(text, BATCH_FIELDS)
}

/// Parses an object with these fields. Serde would also accept an array of the values in order; this does not.
pub(crate) fn parse_object<'a, T: Deserialize<'a>>(text: &'a [u8], known: &[&str]) -> Result<T, Problem> {
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
    if let Some(b'[' | b'"' | b'0'..=b'9' | b'-' | b't' | b'f' | b'n') = first
        && serde_json::from_slice::<&RawValue>(text).is_ok()
    {
        let detail = match known {
            [] => "expected a JSON object without fields".to_owned(),
            _ => format!("expected a JSON object with fields such as {}", known.join(", ")),
        };
        return Err(Problem::new(Kind::INVALID_BODY, detail));
    }
    serde_json::from_slice(text)
        .map_err(|error| Problem::of_json(&error, known, place::<T>(text, &error).as_deref()))
}

/// The path of the field that an error is about.
fn place<'a, T: Deserialize<'a>>(text: &'a [u8], error: &serde_json::Error) -> Option<String> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let located = serde_path_to_error::deserialize::<_, T>(&mut deserializer).err()?;
    let is_same = located.inner().to_string() == error.to_string();
    is_same.then(|| located.path().to_string()).filter(|path| path != ".")
}

impl EventBody<'_> {
    /// The entity of the event, in this tenant.
    ///
    /// # Errors
    /// When the entity's id breaks a rule.
    pub fn entity(&self, tenant: TenantId) -> Result<Entity, Problem> {
        Ok(Entity::of(tenant, EntityId::new(self.entity_id.as_ref())?))
    }

    /// Whether the caller chose the event's id.
    pub fn has_id(&self) -> bool {
        self.id.is_some()
    }

    /// The version that the event expects of its entity.
    pub fn expected(&self) -> ExpectedVersion {
        match self.expected_version {
            None => ExpectedVersion::Any,
            Some(Expected::Version(version)) => ExpectedVersion::number(version),
            Some(Expected::Exists) => ExpectedVersion::Exists,
        }
    }

    /// Whether the event names an expected version.
    pub fn expects(&self) -> bool {
        self.expected_version.is_some()
    }

    /// The event itself.
    ///
    /// # Errors
    /// The rule that the event breaks.
    pub fn event(&self) -> Result<NewEvent, Problem> {
        let mut event = self.with_payload()?;
        match (self.metadata, &self.metadata_text) {
            (Some(_), Some(_)) => return Err(one_of("metadata_text", "`metadata` or `metadata_text`")),
            (Some(json), None) => event = event.metadata(json.get())?,
            (None, Some(text)) => event = event.metadata(text.as_str())?,
            (None, None) => {}
        }
        if let Some(id) = &self.id {
            event = event.id(parse_id(id)?);
        }
        let timestamp = self.timestamp.as_ref().map(|text| parse_time("timestamp", text)).transpose()?;
        event = match (timestamp, self.timestamp_source.as_deref()) {
            (None, None) => event,
            (Some(timestamp), None) => event.timestamp(timestamp),
            (Some(timestamp), Some(CLOCK)) => event.clock_timestamp(timestamp),
            (timestamp, Some(source)) => return Err(invalid_source(timestamp, source)),
        };
        for tag in self.tags.iter().flatten() {
            event = event.tag(tag.as_str())?;
        }
        Ok(event)
    }

    fn with_payload(&self) -> Result<NewEvent, Problem> {
        let event_type = self.event_type.as_ref();
        match (self.payload, &self.payload_text, &self.payload_base64) {
            (Some(json), None, None) => Ok(NewEvent::json(event_type, json.get())?),
            (None, Some(text), None) => Ok(NewEvent::json(event_type, text.as_str())?),
            (None, None, Some(text)) => {
                let bytes = BASE64_STANDARD.decode(text).map_err(|error| {
                    let detail = format!("payload_base64 is not base64: {error}");
                    Problem::new(Kind::INVALID_EVENT, detail).with("field", "payload_base64")
                })?;
                Ok(NewEvent::bytes(event_type, bytes)?)
            }
            (None, None, None) => {
                Err(Problem::new(Kind::INVALID_BODY, "missing field `payload`").with("field", "payload"))
            }
            (_, Some(_), _) => Err(one_of("payload_text", PAYLOAD_FIELDS)),
            (Some(_), None, Some(_)) => Err(one_of("payload_base64", PAYLOAD_FIELDS)),
        }
    }
}

/// The `timestamp_source` of a timestamp that the clock of a store showed.
pub(super) const CLOCK: &str = "clock";

fn invalid_source(timestamp: Option<Timestamp>, source: &str) -> Problem {
    let detail = match timestamp {
        None => "timestamp_source says where a `timestamp` comes from; this event has none".to_owned(),
        Some(_) => format!("timestamp_source can only be `{CLOCK}`; `{source}` is unknown"),
    };
    Problem::new(Kind::INVALID_EVENT, detail).with("field", "timestamp_source")
}

const PAYLOAD_FIELDS: &str = "`payload`, `payload_text` or `payload_base64`";

fn one_of(field: &str, fields: &str) -> Problem {
    let detail = format!("an event has only one of {fields}; this one has several");
    Problem::new(Kind::INVALID_EVENT, detail).with("field", field)
}

fn parse_id(text: &str) -> Result<Uuid, Problem> {
    Uuid::try_parse(text).map_err(|_| {
        let detail = format!("id must be a UUID, like 01890a5d-ac96-774b-bcce-b302099a8057; `{text}` is not");
        Problem::new(Kind::INVALID_EVENT, detail).with("field", "id")
    })
}

fn parse_time(field: &'static str, text: &str) -> Result<Timestamp, Problem> {
    text.parse().map_err(|error: InvalidTime| {
        Problem::new(Kind::INVALID_EVENT, format!("{field} `{text}` {error}")).with("field", field)
    })
}
