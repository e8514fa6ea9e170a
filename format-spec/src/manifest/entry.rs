//! A manifest entry: a generation of sealed events and the files that hold it.

use crate::bytes::{all_zero, i64_at, part, put, rest, u16_at, u32_at, u64_at};
use crate::error::FormatError;
use crate::limits::FILE_NAME_BYTES_MAX;

/// Size of an entry without its files.
pub const ENTRY_BYTES: usize = 64;
/// Size of a file in an entry without its name.
const FILE_BYTES: usize = 16;
/// Number of files in an entry.
const FILES: usize = 2;
/// Size of the largest entry.
pub const ENTRY_BYTES_MAX: usize = ENTRY_BYTES + FILES * (FILE_BYTES + FILE_NAME_BYTES_MAX + 1);

/// How the records of an entry are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// In a segments file.
    Segments,
}

impl Kind {
    fn number(self) -> u16 {
        match self {
            Self::Segments => 1,
        }
    }

    fn decode(number: u16) -> Result<Self, FormatError> {
        match number {
            1 => Ok(Self::Segments),
            kind => Err(FormatError::Kind { what: "an entry of the manifest", kind }),
        }
    }
}

/// The role of a file in an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Holds the records.
    Records,
    /// Holds the index that finds them.
    Index,
}

impl Role {
    fn number(self) -> u16 {
        match self {
            Self::Records => 1,
            Self::Index => 2,
        }
    }
}

/// A file the manifest names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its role.
    pub role: Role,
    /// Its path relative to the store's folder, with `/` between names.
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// [`crate::sealed::Header::crc`] of its header, which identifies the contents of the whole file.
    pub checksum: u32,
}

/// Sealed events at consecutive positions: their records and an index over them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// How its records are held.
    pub kind: Kind,
    /// Position of its first event.
    pub first_position: u64,
    /// Position of its last event.
    pub last_position: u64,
    /// Number of its events.
    pub events: u64,
    /// Earliest timestamp of an event, microseconds since 1970-01-01T00:00:00Z.
    pub min_timestamp: i64,
    /// Latest timestamp of an event.
    pub max_timestamp: i64,
    /// Commit time of its last event, in the same unit.
    pub last_recorded_at: i64,
    /// The file with its records.
    pub records: File,
    /// Its index file.
    pub index: File,
}

impl Generation {
    /// Its files.
    pub fn files(&self) -> [&File; FILES] {
        [&self.records, &self.index]
    }

    /// Its size in a manifest, in bytes.
    pub fn encoded_bytes(&self) -> usize {
        ENTRY_BYTES + self.files().map(File::encoded_bytes).iter().sum::<usize>()
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let length = u32::try_from(self.encoded_bytes());
        #[expect(clippy::expect_used, reason = "an entry has two files with names of at most 255 bytes")]
        let length = length.expect("an entry is far smaller than 4 GiB");
        let mut entry = [0; ENTRY_BYTES];
        put(&mut entry, 0, &length.to_le_bytes());
        put(&mut entry, 4, &self.kind.number().to_le_bytes());
        put(&mut entry, 6, &(FILES as u16).to_le_bytes());
        put(&mut entry, 8, &self.first_position.to_le_bytes());
        put(&mut entry, 16, &self.last_position.to_le_bytes());
        put(&mut entry, 24, &self.events.to_le_bytes());
        put(&mut entry, 32, &self.min_timestamp.to_le_bytes());
        put(&mut entry, 40, &self.max_timestamp.to_le_bytes());
        put(&mut entry, 48, &self.last_recorded_at.to_le_bytes());
        out.extend_from_slice(&entry);
        self.files().iter().for_each(|file| file.encode(out));
        assert_eq!(out.len() - start, self.encoded_bytes(), "an entry has the length it states");
    }

    /// Decodes the entry at the start of `bytes`; also returns the bytes after it.
    pub(super) fn decode(bytes: &[u8]) -> Result<(Self, &[u8]), FormatError> {
        let length = u32_at(bytes, 0)? as usize;
        if !(ENTRY_BYTES..=ENTRY_BYTES_MAX).contains(&length) || !length.is_multiple_of(8) {
            return Err(FormatError::Range("length of an entry"));
        }
        let short = FormatError::Range("length of an entry");
        let (entry, after) = bytes.split_at_checked(length).ok_or(short)?;
        let kind = Kind::decode(u16_at(entry, 4)?)?;
        all_zero(part(entry, 56..ENTRY_BYTES), "reserved bytes of an entry")?;
        if u16_at(entry, 6)? as usize != FILES {
            return Err(FormatError::Range("files of a generation"));
        }
        let (records, rest) = File::decode(rest(entry, ENTRY_BYTES))?;
        let (index, rest) = File::decode(rest)?;
        if [records.role, index.role] != [Role::Records, Role::Index] {
            return Err(FormatError::Range("files of a generation"));
        }
        if !rest.is_empty() {
            return Err(FormatError::Range("length of an entry"));
        }
        let generation = Self {
            kind,
            first_position: u64_at(entry, 8)?,
            last_position: u64_at(entry, 16)?,
            events: u64_at(entry, 24)?,
            min_timestamp: i64_at(entry, 32)?,
            max_timestamp: i64_at(entry, 40)?,
            last_recorded_at: i64_at(entry, 48)?,
            records,
            index,
        };
        Ok((generation, after))
    }

    pub(super) fn check(&self) -> Result<(), FormatError> {
        let is_counted = self.last_position >= self.first_position
            && self.events == self.last_position - self.first_position + 1
            && self.events <= u64::from(u32::MAX);
        if is_counted { Ok(()) } else { Err(FormatError::Range("number of events of a generation")) }
    }
}

impl File {
    fn encoded_bytes(&self) -> usize {
        FILE_BYTES + self.name.len().next_multiple_of(8)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        assert!((1..=FILE_NAME_BYTES_MAX).contains(&self.name.len()), "a file has a name");
        #[expect(clippy::expect_used, reason = "checked on the line above")]
        let length = u16::try_from(self.name.len()).expect("a name has at most 255 bytes");
        let start = out.len();
        out.extend_from_slice(&self.bytes.to_le_bytes());
        out.extend_from_slice(&self.checksum.to_le_bytes());
        out.extend_from_slice(&self.role.number().to_le_bytes());
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(self.name.as_bytes());
        out.resize(start + self.encoded_bytes(), 0);
    }

    fn decode(bytes: &[u8]) -> Result<(Self, &[u8]), FormatError> {
        let role = match u16_at(bytes, 12)? {
            1 => Role::Records,
            2 => Role::Index,
            kind => return Err(FormatError::Kind { what: "a file of the manifest", kind }),
        };
        let length = u16_at(bytes, 14)? as usize;
        if !(1..=FILE_NAME_BYTES_MAX).contains(&length) {
            return Err(FormatError::Range("name of a file"));
        }
        let end = FILE_BYTES + length.next_multiple_of(8);
        let (file, after) = bytes.split_at_checked(end).ok_or(FormatError::Range("files of a generation"))?;
        let (name, filling) = rest(file, FILE_BYTES).split_at(length);
        all_zero(filling, "filling of a name")?;
        let name = std::str::from_utf8(name).map_err(|_| FormatError::Field("name of a file"))?;
        // Names are appended to the path of the store's folder and must not lead out of it.
        let is_inside = name.split('/').all(|part| !["", ".", ".."].contains(&part));
        if !is_inside || name.chars().any(char::is_control) {
            return Err(FormatError::Field("name of a file"));
        }
        let (bytes, checksum) = (u64_at(file, 0)?, u32_at(file, 8)?);
        Ok((Self { role, name: name.to_owned(), bytes, checksum }, after))
    }
}
