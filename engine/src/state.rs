//! The state of an entity: top-level members of JSON object payloads, later ones replacing earlier ones.

use std::borrow::Cow;
use std::ops::Range;

use crate::event::Timestamp;
use crate::json::decoded_name;
use crate::position::{Position, Version};

/// What an entity is, from its events: top-level members of JSON object payloads, later ones replacing earlier
/// ones, in the order of versions. Payloads that are no object change nothing.
#[derive(Debug, Clone)]
pub struct State {
    /// Names and values, one after the other. A name is spelled as between the quotes of JSON text, with as few escapes
    /// as there can be, so that one with half a surrogate pair has a spelling, too.
    pub(crate) text: Box<str>,
    pub(crate) members: Box<[Member]>,
    pub(crate) version: Version,
    pub(crate) position: Position,
    pub(crate) event_count: u64,
    pub(crate) last_updated: Timestamp,
    pub(crate) max_timestamp: Timestamp,
}

/// Where a member's name and value lie in the text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member {
    pub(crate) start: u32,
    pub(crate) name_bytes: u32,
    pub(crate) value_bytes: u32,
}

impl Member {
    fn name(self) -> Range<usize> {
        let start = self.start as usize;
        start..start + self.name_bytes as usize
    }

    fn value(self) -> Range<usize> {
        let start = self.name().end;
        start..start + self.value_bytes as usize
    }
}

impl State {
    /// Version of the last event that was folded.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Position of that event.
    pub fn position(&self) -> Position {
        self.position
    }

    /// How many events were folded.
    pub fn event_count(&self) -> u64 {
        self.event_count
    }

    /// Timestamp of the event of that version.
    pub fn last_updated(&self) -> Timestamp {
        self.last_updated
    }

    /// Every member in the order in which they first appeared: its name, and the JSON text of its value as its event
    /// had it. A name with half a surrogate pair, which is no text, comes with that half escaped.
    pub fn members(&self) -> impl Iterator<Item = (Cow<'_, str>, &str)> {
        self.spelled_members().map(|(name, value)| (decoded_name(name), value))
    }

    /// Every member with its name as it is spelled in JSON text.
    pub(crate) fn spelled_members(&self) -> impl Iterator<Item = (&str, &str)> {
        let part = |range: Range<usize>| {
            #[expect(
                clippy::expect_used,
                reason = "a state is made with its lengths, or checked when it is read"
            )]
            self.text.get(range).expect("a member lies within the text of its state")
        };
        self.members.iter().map(move |member| (part(member.name()), part(member.value())))
    }

    /// The JSON text of a top-level member, as its event had it.
    pub fn member(&self, name: &str) -> Option<&str> {
        self.members().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The state as the text of one JSON object; members are byte for byte as their events had them, in the
    /// order in which they first appeared.
    pub fn to_json(&self) -> String {
        let mut text = String::with_capacity(self.text.len() + 4 * self.members.len() + 2);
        text.push('{');
        for (name, value) in self.spelled_members() {
            if text.len() > 1 {
                text.push(',');
            }
            text.push('"');
            text.push_str(name);
            text.push_str("\":");
            text.push_str(value);
        }
        text.push('}');
        text
    }
}
