//! Types and tags, and the lists of their events.

use std::ops::Range;

use allsource_format::index::{Name, TAG_KEYS, TAG_LISTS, TAGS, TYPE_KEYS, TYPE_LISTS, TYPES};

use super::Generation;
use crate::error::ReadError;
use crate::event::{KeyBuffer, split_key};
use crate::sealed::SealedFile;

/// The kind of name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// Event types.
    Types,
    /// Tags.
    Tags,
}

impl Names {
    fn sections(self) -> [u32; 3] {
        match self {
            Self::Types => [TYPES, TYPE_KEYS, TYPE_LISTS],
            Self::Tags => [TAGS, TAG_KEYS, TAG_LISTS],
        }
    }
}

/// The ordinals of the events of one name, ascending.
#[derive(Debug, Clone, Copy)]
pub(crate) struct List {
    names: Names,
    name: Name,
}

impl List {
    /// How many events it holds.
    pub(crate) fn len(&self) -> u64 {
        u64::from(self.name.count)
    }
}

fn entry_at(index: &SealedFile, names: Names, at: u64) -> Result<Name, ReadError> {
    let [directory, ..] = names.sections();
    let bytes: [u8; 32] = index.column(directory, 32).entry(at)?;
    Name::decode(&bytes).map_err(|problem| index.damaged(0, problem))
}

/// Calls `look` with the key of a name.
fn with_key<R>(
    index: &SealedFile,
    names: Names,
    name: &Name,
    look: impl FnMut(&[u8]) -> R,
) -> Result<R, ReadError> {
    let [_, keys, _] = names.sections();
    index.column(keys, 1).with(name.key_offset, name.key_bytes as usize, look)
}

/// The number of the first name whose key is not below this one.
fn first_from(index: &SealedFile, names: Names, key: &[u8]) -> Result<u64, ReadError> {
    let [directory, ..] = names.sections();
    let column = index.column(directory, 32);
    column.partition_point(0..column.len(), |at| {
        with_key(index, names, &entry_at(index, names, at)?, |found| *found < *key)
    })
}

/// The first `most` names whose keys begin with `prefix`.
fn names_from(
    index: &SealedFile,
    names: Names,
    prefix: &[u8],
    most: u64,
) -> Result<Vec<(KeyBuffer, Name)>, ReadError> {
    let [directory, ..] = names.sections();
    let mut found = Vec::new();
    let first = first_from(index, names, prefix)?;
    for at in first..index.column(directory, 32).len().min(first.saturating_add(most)) {
        let name = entry_at(index, names, at)?;
        let key = with_key(index, names, &name, KeyBuffer::from_slice)?;
        if !key.starts_with(prefix) {
            break;
        }
        found.push((key, name));
    }
    Ok(found)
}

impl Generation {
    /// The events of one name.
    pub(crate) fn list(&self, names: Names, key: &[u8]) -> Result<Option<List>, ReadError> {
        self.indexed(|index| {
            let [directory, ..] = names.sections();
            let at = first_from(index, names, key)?;
            if at == index.column(directory, 32).len() {
                return Ok(None);
            }
            let name = entry_at(index, names, at)?;
            let is_same = with_key(index, names, &name, |found| *found == *key)?;
            Ok(is_same.then_some(List { names, name }))
        })
    }

    /// The lists of the wanted types among the first `most` whose keys begin with `prefix`, and how many were examined.
    pub(crate) fn types_from(
        &self,
        prefix: &[u8],
        is_wanted: &dyn Fn(&[u8]) -> bool,
        most: u64,
    ) -> Result<(Vec<List>, u64), ReadError> {
        let found = self.indexed(|index| names_from(index, Names::Types, prefix, most))?;
        let looked_at = found.len() as u64;
        let wanted = found.into_iter().filter(|(key, _)| is_wanted(key));
        Ok((wanted.map(|(_, name)| List { names: Names::Types, name }).collect(), looked_at))
    }

    /// Key, number of events and number of new entities of every type whose key begins with `prefix`.
    pub(crate) fn type_counts(&self, prefix: &[u8]) -> Result<Vec<(KeyBuffer, u64, u64)>, ReadError> {
        let found = self.indexed(|index| names_from(index, Names::Types, prefix, u64::MAX))?;
        let counts = found.into_iter().map(|(key, name)| match split_key(&key) {
            Some(_) => Ok((key, u64::from(name.count), u64::from(name.entities))),
            None => Err(self.contradiction("the key of a type has no tenant")),
        });
        counts.collect()
    }

    /// How many ordinals of a list are below this one.
    pub(crate) fn count_below(&self, list: &List, ordinal: u32) -> Result<u64, ReadError> {
        if u64::from(ordinal) >= self.entry.events {
            return Ok(u64::from(list.name.count));
        }
        self.indexed(|index| {
            let column = index.column(list.names.sections()[2], 4);
            let range = list.name.first..list.name.first.saturating_add(u64::from(list.name.count));
            Ok(column.partition_point(range, |at| Ok(column.u32(at)? < ordinal))? - list.name.first)
        })
    }

    /// Copies the ordinals at these indexes of a list.
    pub(crate) fn copy(
        &self,
        list: &List,
        indexes: Range<u64>,
        into: &mut Vec<u32>,
    ) -> Result<(), ReadError> {
        self.indexed(|index| {
            let [.., lists] = list.names.sections();
            let mut ordinals = Vec::new();
            let first = list.name.first;
            index.column(lists, 4).scan(
                first.saturating_add(indexes.start)..first.saturating_add(indexes.end),
                |ordinal| {
                    ordinals.push(u32::from_le_bytes(ordinal));
                },
            )?;
            Ok(ordinals)
        })
        .map(|ordinals| into.extend(ordinals))
    }
}
