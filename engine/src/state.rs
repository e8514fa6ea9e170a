//! The state of an entity.

use std::borrow::Cow;
use std::ops::Range;

use crate::event::Timestamp;
use crate::json::decoded_name;
use crate::position::{Position, Version};

/// The state of an entity: the top-level members of its JSON object payloads, merged in the order of versions. A later
/// member replaces an earlier one of the same name. Other payloads change nothing.
#[derive(Debug, Clone)]
pub struct State {
    /// Names and values, one after the other. Names are in canonical spelling, since one with half a surrogate pair is no
    /// text.
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

    /// Timestamp of that event.
    pub fn last_updated(&self) -> Timestamp {
        self.last_updated
    }

    /// The members in the order of their first appearance, each with its name and the JSON text of its value, byte for
    /// byte as its event had it. Half a surrogate pair in a name stays escaped, since it is no text.
    pub fn members(&self) -> impl Iterator<Item = (Cow<'_, str>, &str)> {
        self.spelled_members().map(|(name, value)| (decoded_name(name), value))
    }

    /// The members with their names in canonical spelling.
    pub(crate) fn spelled_members(&self) -> impl Iterator<Item = (&str, &str)> {
        let part = |range: Range<usize>| {
            #[expect(
                clippy::expect_used,
                reason = "lengths are computed from the text, or checked when a snapshot is read"
            )]
            self.text.get(range).expect("a member lies within the text of its state")
        };
        self.members.iter().map(move |member| (part(member.name()), part(member.value())))
    }

    /// The JSON text of a top-level member, byte for byte as its event had it.
    pub fn member(&self, name: &str) -> Option<&str> {
        self.members().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The memory that its members take, in bytes.
    pub fn bytes(&self) -> usize {
        self.text.len() + size_of_val::<[Member]>(&self.members)
    }

    /// The length of [`State::to_json`], in bytes.
    pub fn json_bytes(&self) -> usize {
        // Quotes and a colon for each member, commas between them, and the braces.
        self.text.len() + 4 * self.members.len() + if self.members.is_empty() { 2 } else { 1 }
    }

    /// The state as the text of one JSON object. Values are byte for byte as their events had them, in the order of their
    /// first appearance.
    pub fn to_json(&self) -> String {
        let mut text = String::with_capacity(self.json_bytes());
        self.pieces().for_each(|piece| text.push_str(piece));
        assert_eq!(text.len(), self.json_bytes(), "the length of the text is known beforehand");
        text
    }

    /// Appends the text of [`State::to_json`] to `out`.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let end = out.len() + self.json_bytes();
        out.reserve_exact(self.json_bytes());
        self.pieces().for_each(|piece| out.extend_from_slice(piece.as_bytes()));
        assert_eq!(out.len(), end, "the length of the text is known beforehand");
    }

    /// The pieces of its JSON text.
    fn pieces(&self) -> impl Iterator<Item = &str> {
        let members = self.spelled_members().enumerate();
        let members = members
            .flat_map(|(index, (name, value))| [if index == 0 { "\"" } else { ",\"" }, name, "\":", value]);
        ["{"].into_iter().chain(members).chain(["}"])
    }
}
