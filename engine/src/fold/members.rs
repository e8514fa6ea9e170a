//! The members of a state under construction.

use std::borrow::Cow;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::json::canonical_name;
use crate::state::{Member, State};

/// A value whose memory is larger than this, in bytes, gives it back when it becomes small.
const KEPT_BYTES: usize = 4096;

/// What a member takes besides its name and value: its place in the list and in the index.
const MEMBER_BYTES: usize = size_of::<(Cow<'_, str>, Cow<'_, str>)>() + 2 * size_of::<usize>();

/// Top-level members in the order of their first appearance. Those of the base state are borrowed from it.
#[derive(Default)]
pub(super) struct Members<'b> {
    list: Vec<(Cow<'b, str>, Cow<'b, str>)>,
    /// Indexes into the list, by name.
    indexes: HashTable<usize>,
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
    /// When the text is not JSON, or the members together are larger than a state can be.
    pub(super) fn merge(&mut self, text: &str) -> Result<(), String> {
        if !text.trim_ascii_start().starts_with('{') {
            return Ok(());
        }
        let mut deserializer = serde_json::Deserializer::from_str(text);
        deserializer
            .deserialize_map(&mut *self)
            .map_err(|error| format!("its payload is not JSON: {error}"))?;
        match u32::try_from(self.bytes) {
            Ok(_) => Ok(()),
            Err(_) => Err(format!("it makes the state larger than {} bytes", u32::MAX)),
        }
    }

    /// The memory they take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.list.len() * MEMBER_BYTES
    }

    fn set(&mut self, name: &str, value: &str) {
        let hash = self.hasher.hash_one(name);
        let found =
            self.indexes.find(hash, |index| self.list.get(*index).is_some_and(|known| known.0 == name));
        let Some(index) = found else {
            self.bytes += name.len() + value.len();
            self.add(Cow::Owned(name.to_owned()), Cow::Owned(value.to_owned()));
            return;
        };
        #[expect(clippy::expect_used, reason = "it was found there on the line above")]
        let (_, known) = self.list.get_mut(*index).expect("a known name has its place in the list");
        assert!(self.bytes >= known.len(), "the length of the members counts each of them");
        self.bytes = self.bytes - known.len() + value.len();
        match known {
            Cow::Owned(text) if text.capacity() <= KEPT_BYTES || text.capacity() / 2 <= value.len() => {
                text.clear();
                text.push_str(value);
            }
            other => *other = Cow::Owned(value.to_owned()),
        }
    }

    /// Adds a member whose name is new.
    fn add(&mut self, name: Cow<'b, str>, value: Cow<'b, str>) {
        let (hash, index) = (self.hasher.hash_one(&*name), self.list.len());
        self.list.push((name, value));
        let (list, hasher) = (&self.list, &self.hasher);
        let rehash = |index: &usize| {
            #[expect(clippy::expect_used, reason = "members are never removed from the list")]
            let (known, _) = list.get(*index).expect("an index is one of the list");
            hasher.hash_one(&**known)
        };
        self.indexes.insert_unique(hash, index, rehash);
        assert_eq!(self.indexes.len(), self.list.len(), "each member is found by its name");
    }

    /// Names and values as one text, and where in it each lies.
    pub(super) fn finish(self) -> (Box<str>, Box<[Member]>) {
        #[expect(clippy::expect_used, reason = "merging fails before the text is longer")]
        let length = |text: &str| u32::try_from(text.len()).expect("the text of a state is below 4 GiB");
        let mut text = String::with_capacity(self.bytes);
        let mut members = Vec::with_capacity(self.list.len());
        for (name, value) in &self.list {
            let (start, name_bytes, value_bytes) = (length(&text), length(name), length(value));
            members.push(Member { start, name_bytes, value_bytes });
            text.push_str(name);
            text.push_str(value);
        }
        assert_eq!(text.len(), self.bytes, "the length of the members counts each of them");
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
            let name = name.get().strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            #[expect(clippy::expect_used, reason = "the parser accepts only a string as a name")]
            self.set(&canonical_name(name.expect("a name is quoted")), value.get());
        }
        Ok(())
    }
}
