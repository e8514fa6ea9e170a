//! The members of a state while it grows.

use std::borrow::Cow;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::json::canonical_name;
use crate::state::{Member, State};

/// A value that was once larger than this gives its memory back when it becomes small, in bytes.
const KEPT_BYTES: usize = 4096;

/// Top-level members of objects in the order in which they first appeared. What comes from a base is borrowed.
#[derive(Default)]
pub(super) struct Members<'b> {
    list: Vec<(Cow<'b, str>, Cow<'b, str>)>,
    /// Indexes of the list, by name.
    places: HashTable<usize>,
    hasher: RandomState,
    /// Length of all names and values.
    bytes: usize,
}

impl<'b> Members<'b> {
    /// The members of a state.
    pub(super) fn of(base: Option<&'b State>) -> Self {
        let mut members = Self::default();
        for (name, value) in base.into_iter().flat_map(State::spelled_members) {
            members.bytes += name.len() + value.len();
            members.add(Cow::Borrowed(name), Cow::Borrowed(value));
        }
        members
    }

    /// Merges the members of a JSON object; text of any other value changes nothing.
    ///
    /// # Errors
    /// When the text is no JSON, or the members together are larger than a state can be.
    pub(super) fn merge(&mut self, text: &str) -> Result<(), String> {
        if !text.trim_ascii_start().starts_with('{') {
            return Ok(());
        }
        let mut deserializer = serde_json::Deserializer::from_str(text);
        deserializer
            .deserialize_map(&mut *self)
            .map_err(|error| format!("its payload is no JSON: {error}"))?;
        match u32::try_from(self.bytes) {
            Ok(_) => Ok(()),
            Err(_) => Err(format!("the state is larger than {} bytes with it", u32::MAX)),
        }
    }

    fn set(&mut self, name: &str, value: &str) {
        let hash = self.hasher.hash_one(name);
        let found =
            self.places.find(hash, |place| self.list.get(*place).is_some_and(|known| known.0 == name));
        let Some((_, known)) = found.and_then(|place| self.list.get_mut(*place)) else {
            self.bytes += name.len() + value.len();
            self.add(Cow::Owned(name.to_owned()), Cow::Owned(value.to_owned()));
            return;
        };
        self.bytes = self.bytes - known.len() + value.len();
        match known {
            Cow::Owned(text) if text.capacity() <= KEPT_BYTES || text.capacity() / 2 <= value.len() => {
                text.clear();
                text.push_str(value);
            }
            other => *other = Cow::Owned(value.to_owned()),
        }
    }

    /// Adds a member whose name is not there.
    fn add(&mut self, name: Cow<'b, str>, value: Cow<'b, str>) {
        let (hash, place) = (self.hasher.hash_one(&*name), self.list.len());
        self.list.push((name, value));
        let (list, hasher) = (&self.list, &self.hasher);
        let rehash = |place: &usize| list.get(*place).map_or(0, |known| hasher.hash_one(&*known.0));
        self.places.insert_unique(hash, place, rehash);
    }

    /// Names and values in one text, and where each lies.
    pub(super) fn finish(self) -> (Box<str>, Box<[Member]>) {
        #[expect(clippy::expect_used, reason = "merging ends before the text is longer")]
        let length = |text: &str| u32::try_from(text.len()).expect("the text of a state is below 4 GiB");
        let mut text = String::with_capacity(self.bytes);
        let mut members = Vec::with_capacity(self.list.len());
        for (name, value) in &self.list {
            let (start, name_bytes, value_bytes) = (length(&text), length(name), length(value));
            members.push(Member { start, name_bytes, value_bytes });
            text.push_str(name);
            text.push_str(value);
        }
        assert_eq!(text.len(), self.bytes, "the length of the members was kept");
        (text.into_boxed_str(), members.into_boxed_slice())
    }
}

/// Reads one object into the members.
impl<'e> Visitor<'e> for &mut Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'e>>(self, mut object: A) -> Result<(), A::Error> {
        while let Some((name, value)) = object.next_entry::<&RawValue, &RawValue>()? {
            let quoted = name.get();
            let name = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(quoted);
            self.set(&canonical_name(name), value.get());
        }
        Ok(())
    }
}
