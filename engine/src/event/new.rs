//! An event to be appended.

use allsource_format::limits::{JSON_DEPTH_MAX, METADATA_BYTES_MAX, PAYLOAD_BYTES_MAX, TAGS_MAX};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::name::{EventType, NameError, Tag};
use super::time::Timestamp;
use crate::json::{Flaw, Flaws};

/// The payload of an event. It comes back byte for byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload<'a> {
    /// JSON text.
    Json(&'a str),
    /// Anything else; the store does not look inside.
    Bytes(&'a [u8]),
}

/// Why a new event is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidEvent {
    /// A name breaks a rule.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Payload or metadata is not JSON.
    #[error("{field} is not valid JSON: {problem}")]
    Json {
        /// `payload` or `metadata`.
        field: &'static str,
        /// What the parser says.
        problem: String,
    },
    /// JSON nested deeper than the limit.
    #[error("{field} is nested deeper than {JSON_DEPTH_MAX} levels")]
    TooDeep {
        /// `payload` or `metadata`.
        field: &'static str,
    },
    /// JSON that many programs cannot read: half of a surrogate pair, or a number that overflows a double.
    #[error("{field} {problem} at {pointer}")]
    Unportable {
        /// `payload` or `metadata`.
        field: &'static str,
        /// Where it is: a JSON pointer (RFC 6901) that begins with the field.
        pointer: String,
        /// What it is, as a part of a sentence.
        problem: &'static str,
    },
    /// Larger than the limit.
    #[error("{field} has {actual}, the limit is {limit}")]
    TooLarge {
        /// `payload`, `metadata` (bytes) or `tags` (how many).
        field: &'static str,
        /// What was given.
        actual: usize,
        /// What is allowed.
        limit: usize,
    },
}

/// An event to be appended to the store.
///
/// ```
/// use allsource_engine::event::NewEvent;
/// let event = NewEvent::json("user.created", r#"{"name":"Ada"}"#)?.tag("signup")?;
/// # Ok::<(), allsource_engine::event::InvalidEvent>(())
/// ```
#[derive(Debug, Clone)]
pub struct NewEvent {
    pub(crate) id: Option<Uuid>,
    pub(crate) event_type: EventType,
    pub(crate) payload: Vec<u8>,
    pub(crate) is_json: bool,
    pub(crate) metadata: String,
    pub(crate) tags: Vec<Tag>,
    pub(crate) timestamp: Option<Timestamp>,
    /// Whether `timestamp` is what the clock of a store showed, not what an author said.
    pub(crate) is_clock_timestamp: bool,
    /// Why the event is not stored unless it is there already: rules for new events do not hold for stored ones.
    pub(crate) refusal: Option<Box<InvalidEvent>>,
}

impl NewEvent {
    /// An event whose payload is the JSON text `payload`, kept exactly as it is. Text with half of a surrogate pair, or
    /// with a number that overflows a double, is only compared with an event of the same id: [`Self::refusal`].
    ///
    /// # Errors
    /// When the type breaks a rule for names, or the payload is not JSON, too deep or too large.
    pub fn json(event_type: impl Into<Box<str>>, payload: impl Into<String>) -> Result<Self, InvalidEvent> {
        let payload = payload.into();
        let refusal = check_json("payload", &payload, PAYLOAD_BYTES_MAX)?;
        Ok(Self { refusal, ..Self::with(event_type, payload.into_bytes(), true)? })
    }

    /// An event whose payload is opaque bytes.
    ///
    /// # Errors
    /// When the type breaks a rule for names, or the payload is too large.
    pub fn bytes(event_type: impl Into<Box<str>>, payload: impl Into<Vec<u8>>) -> Result<Self, InvalidEvent> {
        let payload = payload.into();
        check_size("payload", payload.len(), PAYLOAD_BYTES_MAX)?;
        Self::with(event_type, payload, false)
    }

    fn with(event_type: impl Into<Box<str>>, payload: Vec<u8>, is_json: bool) -> Result<Self, InvalidEvent> {
        let event_type = EventType::new(event_type)?;
        let (id, metadata, tags, timestamp, refusal) = (None, String::new(), Vec::new(), None, None);
        let is_clock_timestamp = false;
        Ok(Self { id, event_type, payload, is_json, metadata, tags, timestamp, is_clock_timestamp, refusal })
    }

    /// Sets the id of the event. Appending the same event again then changes nothing.
    #[must_use]
    pub fn id(self, id: Uuid) -> Self {
        Self { id: Some(id), ..self }
    }

    /// Sets when the event happened. Otherwise its timestamp is what the store's clock shows at commit.
    #[must_use]
    pub fn timestamp(self, timestamp: Timestamp) -> Self {
        Self { timestamp: Some(timestamp), is_clock_timestamp: false, ..self }
    }

    /// Gives a copy of a stored event the time that the clock of its store showed at commit. Unlike after
    /// [`Self::timestamp`], a retry of the original event, which has no timestamp, then equals the copy.
    #[must_use]
    pub fn clock_timestamp(self, timestamp: Timestamp) -> Self {
        Self { timestamp: Some(timestamp), is_clock_timestamp: true, ..self }
    }

    /// Adds JSON text about the event that is not part of it. The rules are those for a payload of JSON text.
    ///
    /// # Errors
    /// When it is not JSON, too deep or too large.
    pub fn metadata(self, metadata: impl Into<String>) -> Result<Self, InvalidEvent> {
        let metadata = metadata.into();
        let refusal = check_json("metadata", &metadata, METADATA_BYTES_MAX)?;
        Ok(Self { metadata, refusal: self.refusal.or(refusal), ..self })
    }

    /// Adds a tag.
    ///
    /// # Errors
    /// When the tag breaks a rule for names, or is one too many.
    pub fn tag(mut self, tag: impl Into<Box<str>>) -> Result<Self, InvalidEvent> {
        self.tags.push(Tag::new(tag)?);
        check_size("tags", self.tags.len(), TAGS_MAX)?;
        Ok(self)
    }

    /// Why an append of the event is refused, unless an equal event with its id is stored already.
    pub fn refusal(&self) -> Option<&InvalidEvent> {
        self.refusal.as_deref()
    }

    /// Its type.
    pub fn event_type(&self) -> &EventType {
        &self.event_type
    }

    /// Its payload.
    pub fn payload(&self) -> Payload<'_> {
        if !self.is_json {
            return Payload::Bytes(&self.payload);
        }
        #[expect(clippy::expect_used, reason = "the payload came as text, and nothing changes it")]
        Payload::Json(std::str::from_utf8(&self.payload).expect("JSON is text"))
    }

    /// The JSON text about the event, if it has any.
    pub fn given_metadata(&self) -> Option<&str> {
        Some(self.metadata.as_str()).filter(|metadata| !metadata.is_empty())
    }

    /// Its tags, in the order given.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.tags.iter().map(Tag::as_str)
    }

    /// The id that the caller chose; `None`: the store chooses one.
    pub fn given_id(&self) -> Option<Uuid> {
        self.id
    }

    /// When the event happened, if the caller said so.
    pub fn given_timestamp(&self) -> Option<Timestamp> {
        self.timestamp
    }

    /// Whether the caller said that [`Self::given_timestamp`] is what the clock of a store showed.
    pub fn has_clock_timestamp(&self) -> bool {
        self.is_clock_timestamp
    }

    /// The timestamp, unless it is what the clock of a store showed.
    pub(crate) fn author_timestamp(&self) -> Option<Timestamp> {
        assert!(!self.is_clock_timestamp || self.timestamp.is_some(), "only a timestamp has a source");
        self.timestamp.filter(|_| !self.is_clock_timestamp)
    }
}

fn check_size(field: &'static str, actual: usize, limit: usize) -> Result<(), InvalidEvent> {
    if actual <= limit { Ok(()) } else { Err(InvalidEvent::TooLarge { field, actual, limit }) }
}

/// Checks JSON text. What makes a new event invalid but not a stored one is returned, not an error.
fn check_json(
    field: &'static str,
    text: &str,
    limit: usize,
) -> Result<Option<Box<InvalidEvent>>, InvalidEvent> {
    check_size(field, text.len(), limit)?;
    let problem = |error: serde_json::Error| InvalidEvent::Json { field, problem: error.to_string() };
    let raw: &RawValue = serde_json::from_str(text).map_err(problem)?;
    let Flaws { depth, first } = Flaws::of(raw.get());
    if depth > JSON_DEPTH_MAX {
        return Err(InvalidEvent::TooDeep { field });
    }
    Ok(first.map(|Flaw { pointer, problem }| {
        Box::new(InvalidEvent::Unportable { field, pointer: format!("/{field}{pointer}"), problem })
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_that_are_not_json_or_too_deep_are_refused() {
        let check = |payload: &str, expected: &str| {
            let error = NewEvent::json("t", payload).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{payload}: {error}");
        };
        check("", "payload is not valid JSON: EOF");
        check("{\"a\":}", "payload is not valid JSON: expected value");
        check("{} {}", "payload is not valid JSON: trailing characters");
        check(&"[".repeat(500), "payload is not valid JSON");
        check(&format!("{}1{}", "[".repeat(97), "]".repeat(97)), "payload is nested deeper than 96 levels");
    }

    #[test]
    fn brackets_in_strings_are_not_nesting() {
        let text = format!("{{\"a\\\"{0}\":\"{0}\"}}", "[".repeat(200));
        assert!(NewEvent::json("t", text).is_ok());
        assert!(NewEvent::json("t", "[".repeat(96) + &"]".repeat(96)).is_ok());
    }

    #[test]
    fn an_event_shows_what_it_was_given() {
        let id = Uuid::from_u128(7);
        let event = NewEvent::json("t", "{ \"a\":1 }").unwrap().id(id).tag("x").unwrap();
        let event = event.metadata("{}").unwrap().timestamp(Timestamp::from_micros(5));
        assert_eq!(event.payload(), Payload::Json("{ \"a\":1 }"));
        assert_eq!((event.given_id(), event.given_metadata()), (Some(id), Some("{}")));
        assert_eq!(event.given_timestamp(), Some(Timestamp::from_micros(5)));
        assert_eq!(event.tags().collect::<Vec<_>>(), ["x"]);
        let copy = event.clone().clock_timestamp(Timestamp::from_micros(6));
        assert_eq!(
            (copy.given_timestamp(), copy.author_timestamp()),
            (Some(Timestamp::from_micros(6)), None)
        );
        assert!(copy.has_clock_timestamp() && !copy.timestamp(Timestamp::MIN).has_clock_timestamp());
        let bare = NewEvent::bytes("t", [0xff]).unwrap();
        assert_eq!(bare.payload(), Payload::Bytes(&[0xff]));
        assert_eq!((bare.given_id(), bare.given_metadata(), bare.given_timestamp()), (None, None, None));
    }

    #[test]
    fn what_other_programs_cannot_read_is_kept_for_comparing_only() {
        let refusal = |event: &NewEvent| event.refusal().map(ToString::to_string);
        let event = NewEvent::json("t", r#"{"a":[1e400]}"#).unwrap();
        let expected = "payload has a number too large for a double at /payload/a/0";
        assert_eq!(refusal(&event).as_deref(), Some(expected));
        let event = NewEvent::json("t", "1").unwrap().metadata(r#"{"\ud83d":1}"#).unwrap();
        let expected = r"metadata has a name with half of a surrogate pair at /metadata/\ud83d";
        assert_eq!(refusal(&event).as_deref(), Some(expected));
        assert_eq!(refusal(&NewEvent::json("t", r#"{"a":"\ud83d\ude00"}"#).unwrap()), None);
    }

    #[test]
    fn one_tag_too_many_is_refused() {
        let tagged =
            (0..64).try_fold(NewEvent::json("t", "1").unwrap(), |e, n| e.tag(n.to_string())).unwrap();
        assert_eq!(tagged.tag("x").unwrap_err().to_string(), "tags has 65, the limit is 64");
    }
}
