//! Snapshots: states of entities at a version, so that folding need not start at the first event. They are a cache: an
//! invalid snapshot is ignored.

mod check;

use crate::bytes::{all_zero, array, field, i64_at, part, stored_length, u32_at, u64_at};
use crate::entry::entry;
use crate::error::FormatError;
use crate::sealed::Kind;

pub use check::{check, check_sections};

/// Section of states, one after the other, each at a multiple of 8.
pub const STATES: u32 = 1;
/// Section of places, one [`Place`] each, by hash, version and offset.
pub const DIRECTORY: u32 = 2;
/// Fanout ([`crate::index::fanout_bits`]) of [`DIRECTORY`].
pub const FANOUT: u32 = 3;

const _: () = assert!(FANOUT == Kind::Snapshots.sections());

/// Size of a [`Place`].
pub const PLACE_BYTES: usize = 32;
/// Size of the fixed part of a state, which precedes its members, key and text.
pub const HEADER_BYTES: usize = 104;
/// Size of an entry of the table of members.
pub const MEMBER_BYTES: usize = 8;
/// The fold that merges top-level members of JSON objects in version order, and checks that no version is missing.
pub const FOLD_MERGE: u32 = 2;

/// Offsets of the reserved bytes in the header and of the incarnation after them.
const RESERVED: usize = 84;
const INCARNATION: usize = 88;

entry! {
    /// The place of an entity's state in a snapshots file.
    Place, PLACE_BYTES;
    /// [`crate::partition::key_hash`] of the entity's key.
    hash: u64,
    /// The state's version.
    version: u64,
    /// Its offset in the file.
    offset: u64,
    /// Its length in bytes.
    bytes: u64,
}

/// The state of an entity after some event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot<'a> {
    /// The snapshot's UUID.
    pub id: [u8; 16],
    /// When it was taken, microseconds since 1970-01-01T00:00:00Z.
    pub created_at: i64,
    /// Version of the last event folded into it.
    pub version: u64,
    /// Position of that event.
    pub position: u64,
    /// Number of events folded into it: all up to that one, so equal to the version.
    pub events: u64,
    /// Timestamp of the last event folded into it.
    pub last_updated: i64,
    /// Latest timestamp of any event folded into it.
    pub max_timestamp: i64,
    /// Why it was taken: 1 on request, 2 after enough events or enough time, 3 because a read had to fold that many
    /// events.
    pub cause: u32,
    /// How events were folded: [`FOLD_MERGE`]. States of other folds have the same layout and are ignored.
    pub fold: u32,
    /// The incarnation in [`crate::manifest::Lineage`] that wrote the last event; zeros if the lineage no longer
    /// reaches back that far.
    pub incarnation: [u8; 16],
    /// The entity's key: its tenant, a zero byte, its id.
    pub key: &'a str,
    /// Lengths of name and value of each member, two u32 each.
    pub members: &'a [u8],
    /// Name and value of each member, one after the other.
    pub text: &'a str,
}

impl<'a> Snapshot<'a> {
    /// Appends the snapshot's bytes to `out`, padded to a multiple of 8.
    ///
    /// # Panics
    /// If key, members or text are 4 GiB or longer.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let count = |bytes: usize| stored_length(bytes).to_le_bytes();
        out.extend_from_slice(&self.id);
        out.extend_from_slice(&self.created_at.to_le_bytes());
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&self.position.to_le_bytes());
        out.extend_from_slice(&self.events.to_le_bytes());
        out.extend_from_slice(&self.last_updated.to_le_bytes());
        out.extend_from_slice(&self.max_timestamp.to_le_bytes());
        out.extend_from_slice(&self.cause.to_le_bytes());
        out.extend_from_slice(&self.fold.to_le_bytes());
        out.extend_from_slice(&count(self.key.len()));
        out.extend_from_slice(&count(self.members.len() / MEMBER_BYTES));
        out.extend_from_slice(&count(self.text.len()));
        out.extend_from_slice(&[0; INCARNATION - RESERVED]);
        out.extend_from_slice(&self.incarnation);
        assert_eq!(out.len() - start, HEADER_BYTES, "the fields fill the header");
        out.extend_from_slice(self.members);
        out.extend_from_slice(self.key.as_bytes());
        out.extend_from_slice(self.text.as_bytes());
        out.resize(start + (out.len() - start).next_multiple_of(8), 0);
    }

    /// Decodes a snapshot.
    ///
    /// # Errors
    /// If it is not a valid snapshot.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let [key_bytes, count, text_bytes] =
            [72, 76, 80].map(|offset| u32_at(bytes, offset).map(|n| n as usize));
        let (key_bytes, count, text_bytes) = (key_bytes?, count?, text_bytes?);
        let short = FormatError::Short { need: HEADER_BYTES, have: bytes.len() };
        let rest = bytes.get(HEADER_BYTES..).ok_or(short)?;
        let (members, rest) = rest.split_at_checked(count * MEMBER_BYTES).ok_or(short)?;
        let (key, rest) = rest.split_at_checked(key_bytes).ok_or(short)?;
        let (text, filling) = rest.split_at_checked(text_bytes).ok_or(short)?;
        all_zero(part(bytes, RESERVED..INCARNATION), "reserved bytes of a snapshot")?;
        all_zero(filling, "filling of a snapshot")?;
        let text_of =
            |bytes| std::str::from_utf8(bytes).map_err(|_| FormatError::Field("text of a snapshot"));
        let snapshot = Self {
            id: array(bytes, 0)?,
            created_at: i64_at(bytes, 16)?,
            version: u64_at(bytes, 24)?,
            position: u64_at(bytes, 32)?,
            events: u64_at(bytes, 40)?,
            last_updated: i64_at(bytes, 48)?,
            max_timestamp: i64_at(bytes, 56)?,
            cause: u32_at(bytes, 64)?,
            fold: u32_at(bytes, 68)?,
            incarnation: array(bytes, INCARNATION)?,
            key: text_of(key)?,
            members,
            text: text_of(text)?,
        };
        let total = snapshot
            .lengths()
            .try_fold(0_usize, |sum, (name, value)| sum.checked_add(name)?.checked_add(value));
        let is_filled = bytes.len().is_multiple_of(8) && filling.len() < 8;
        if total != Some(text_bytes) || !is_filled || snapshot.version == 0 || snapshot.position == 0 {
            return Err(FormatError::Range("lengths or version of a snapshot"));
        }
        let mut end = 0;
        let mut is_text = |bytes: usize| {
            end += bytes;
            snapshot.text.is_char_boundary(end)
        };
        if !snapshot.lengths().all(|(name, value)| is_text(name) && is_text(value)) {
            return Err(FormatError::Field("text of a snapshot"));
        }
        Ok(snapshot)
    }

    /// The lengths of the name and the value of each member.
    pub fn lengths(&self) -> impl Iterator<Item = (usize, usize)> + 'a {
        self.members.as_chunks::<MEMBER_BYTES>().0.iter().map(|entry| {
            let length = |at| u32::from_le_bytes(field(entry, at)) as usize;
            (length(0), length(4))
        })
    }
}

#[cfg(test)]
mod tests;
