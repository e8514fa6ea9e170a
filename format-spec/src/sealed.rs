//! The envelope of every sealed file: a header with a table of sections, the sections, and a checksum per block.
//!
//! A sealed file is written once, as a whole, and never changed. Its header is checked when the file is opened, and
//! each block when its bytes are first used.

mod check;

use crate::bytes::{
    all_zero, array, check_version, field, i64_at, index, part, put, rest, stored_length, u16_at, u32_at,
    u64_at,
};
use crate::error::FormatError;
use crate::limits::SEALED_FILE_BYTES_MAX;
use crate::{READ_VERSION, StoreId, WRITE_VERSION};

pub use check::check;

/// Size of the header; the first block starts here.
pub const HEADER_BYTES: usize = 4096;
/// Size of a block, which one checksum covers. The last block of a file may be shorter.
pub const BLOCK_BYTES: usize = 64 << 10;
/// Sections start at multiples of this.
pub const SECTION_ALIGN: usize = 4096;
/// Most sections in a file.
pub const SECTIONS_MAX: usize = 32;

const CRC: usize = 8;
const WRITE: usize = 12;
const READ: usize = 14;
const STORE: usize = 16;
const EPOCH: usize = 32;
const RESERVED: usize = 40;
const SECTIONS: usize = 44;
const FIRST_POSITION: usize = 48;
const LAST_POSITION: usize = 56;
const RESERVED_TOO: usize = 64;
const EVENTS: usize = 72;
const MIN_TIMESTAMP: usize = 80;
const MAX_TIMESTAMP: usize = 88;
const CHECKSUMS: usize = 96;
const CHECKSUMS_CRC: usize = 104;
const SOURCE_CRC: usize = 108;
const RESERVED_TAIL: usize = 112;
const TABLE: usize = 128;
const ENTRY_BYTES: usize = 32;

const _: () = assert!(TABLE + SECTIONS_MAX * ENTRY_BYTES <= HEADER_BYTES);

/// The kind of a sealed file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The records of a generation.
    Segments,
    /// The index of a generation.
    Index,
    /// States of entities.
    Snapshots,
}

impl Kind {
    const fn magic(self) -> [u8; 8] {
        match self {
            Self::Segments => *b"ALLSSEG\x01",
            Self::Index => *b"ALLSIDX\x01",
            Self::Snapshots => *b"ALLSSNP\x01",
        }
    }

    /// The number of kinds of sections that a file of this kind has, counted from 1. Empty ones are included: a search in a
    /// section that is missing would look as if nothing could be found.
    pub const fn sections(self) -> u32 {
        match self {
            Self::Index => 13,
            Self::Segments | Self::Snapshots => 3,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Segments => "segments",
            Self::Index => "index",
            Self::Snapshots => "snapshots",
        }
    }

    const fn section(self) -> &'static str {
        match self {
            Self::Segments => "a section of the segments",
            Self::Index => "a section of the index",
            Self::Snapshots => "a section of the snapshots",
        }
    }
}

/// The place of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Section {
    /// Its kind, from 1; see [`crate::segment`], [`crate::index`] and [`crate::snapshot`].
    pub kind: u32,
    /// Offset in the file: the end of the previous section, rounded up to a multiple of 4096.
    pub offset: u64,
    /// Length in bytes.
    pub bytes: u64,
    /// Number of entries.
    pub count: u64,
}

impl Section {
    /// Its bytes within those of the whole file.
    ///
    /// # Panics
    /// If the file ends before: [`check`] refuses one that does.
    pub fn of<'a>(&self, file: &'a [u8]) -> &'a [u8] {
        part(file, index(self.offset)..index(self.offset + self.bytes))
    }
}

/// The header of a sealed file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The file's kind.
    pub kind: Kind,
    /// The store it belongs to.
    pub store: StoreId,
    /// The epoch it was written in.
    pub epoch: u64,
    /// The file holds every event from this position on. In a snapshots file: the lowest position of a state.
    pub first_position: u64,
    /// The file holds every event up to this position. In a snapshots file: the highest position of a state.
    pub last_position: u64,
    /// Number of events. In a snapshots file: number of states.
    pub events: u64,
    /// Earliest timestamp of an event. In a snapshots file: the earliest of the states' latest timestamps.
    pub min_timestamp: i64,
    /// Latest timestamp of an event.
    pub max_timestamp: i64,
    /// Offset of the block checksums, which end the file.
    pub checksums: u64,
    /// Checksum of the block checksums.
    pub checksums_crc: u32,
    /// In an index: the header checksum of the segments file it was built from. Otherwise 0.
    pub source_crc: u32,
    /// The sections.
    pub sections: Vec<Section>,
}

impl Header {
    /// The header's bytes.
    ///
    /// # Panics
    /// If there are more than [`SECTIONS_MAX`] sections.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        assert!(self.sections.len() <= SECTIONS_MAX, "the table of sections fits into the header");
        let mut out = [0; HEADER_BYTES];
        put(&mut out, 0, &self.kind.magic());
        put(&mut out, WRITE, &WRITE_VERSION.to_le_bytes());
        put(&mut out, READ, &READ_VERSION.to_le_bytes());
        put(&mut out, STORE, &self.store);
        put(&mut out, EPOCH, &self.epoch.to_le_bytes());
        put(&mut out, SECTIONS, &stored_length(self.sections.len()).to_le_bytes());
        put(&mut out, FIRST_POSITION, &self.first_position.to_le_bytes());
        put(&mut out, LAST_POSITION, &self.last_position.to_le_bytes());
        put(&mut out, EVENTS, &self.events.to_le_bytes());
        put(&mut out, MIN_TIMESTAMP, &self.min_timestamp.to_le_bytes());
        put(&mut out, MAX_TIMESTAMP, &self.max_timestamp.to_le_bytes());
        put(&mut out, CHECKSUMS, &self.checksums.to_le_bytes());
        put(&mut out, CHECKSUMS_CRC, &self.checksums_crc.to_le_bytes());
        put(&mut out, SOURCE_CRC, &self.source_crc.to_le_bytes());
        for (number, section) in self.sections.iter().enumerate() {
            let entry = TABLE + number * ENTRY_BYTES;
            put(&mut out, entry, &section.kind.to_le_bytes());
            put(&mut out, entry + 8, &section.offset.to_le_bytes());
            put(&mut out, entry + 16, &section.bytes.to_le_bytes());
            put(&mut out, entry + 24, &section.count.to_le_bytes());
        }
        let crc = crc32fast::hash(rest(&out, CRC + 4));
        put(&mut out, CRC, &crc.to_le_bytes());
        out
    }

    /// Decodes the header at the start of `bytes`, from a file of this kind.
    ///
    /// # Errors
    /// If it is not a valid header, or of a version this release cannot read.
    pub fn decode(bytes: &[u8], kind: Kind) -> Result<Self, FormatError> {
        if array::<8>(bytes, 0)? != kind.magic() {
            return Err(FormatError::Magic(kind.name()));
        }
        let whole =
            bytes.get(..HEADER_BYTES).ok_or(FormatError::Short { need: HEADER_BYTES, have: bytes.len() })?;
        if u32_at(whole, CRC)? != crc32fast::hash(rest(whole, CRC + 4)) {
            return Err(FormatError::Checksum("header of a sealed file"));
        }
        check_version(u16_at(whole, READ)?, kind.name())?;
        let count = u32_at(whole, SECTIONS)? as usize;
        if count > SECTIONS_MAX {
            return Err(FormatError::Range("number of sections"));
        }
        let reserved = "reserved bytes of a sealed file";
        for range in [RESERVED..SECTIONS, RESERVED_TOO..EVENTS, RESERVED_TAIL..TABLE] {
            all_zero(part(whole, range), reserved)?;
        }
        all_zero(rest(whole, TABLE + count * ENTRY_BYTES), reserved)?;
        let header = Self {
            kind,
            store: array(whole, STORE)?,
            epoch: u64_at(whole, EPOCH)?,
            first_position: u64_at(whole, FIRST_POSITION)?,
            last_position: u64_at(whole, LAST_POSITION)?,
            events: u64_at(whole, EVENTS)?,
            min_timestamp: i64_at(whole, MIN_TIMESTAMP)?,
            max_timestamp: i64_at(whole, MAX_TIMESTAMP)?,
            checksums: u64_at(whole, CHECKSUMS)?,
            checksums_crc: u32_at(whole, CHECKSUMS_CRC)?,
            source_crc: u32_at(whole, SOURCE_CRC)?,
            sections: (0..count).map(|number| section(whole, number)).collect::<Result<_, _>>()?,
        };
        header.check()?;
        Ok(header)
    }

    fn check(&self) -> Result<(), FormatError> {
        if self.first_position == 0 || self.last_position < self.first_position || self.epoch == 0 {
            return Err(FormatError::Range("positions or epoch of a sealed file"));
        }
        let (mut end, mut kind) = (HEADER_BYTES as u64, 0);
        for section in &self.sections {
            let is_placed = section.kind > kind
                && section.offset == end.next_multiple_of(SECTION_ALIGN as u64)
                && section.bytes <= SEALED_FILE_BYTES_MAX;
            if !is_placed {
                return Err(FormatError::Range("place of a section"));
            }
            (end, kind) = (section.offset + section.bytes, section.kind);
        }
        // No sum below can overflow, and every offset fits into a place.
        if self.checksums != end || end > SEALED_FILE_BYTES_MAX {
            return Err(FormatError::Range("place of the checksums"));
        }
        match self.has_all_sections() {
            true => Ok(()),
            false => Err(FormatError::Missing(self.kind.section())),
        }
    }

    /// Whether the file has every section of its kind. Sections ascend, so they come first.
    fn has_all_sections(&self) -> bool {
        let kinds = self.sections.iter().map(|section| section.kind);
        kinds.take(self.kind.sections() as usize).eq(1..=self.kind.sections())
    }

    /// The checksum inside the header, which identifies the contents of the whole file.
    ///
    /// # Panics
    /// If `bytes` are shorter than a header.
    pub fn crc(bytes: &[u8]) -> u32 {
        u32::from_le_bytes(field(bytes, CRC))
    }

    /// A section that every file of this kind has.
    ///
    /// # Panics
    /// If it is not one of [`Kind::sections`], or the header is not complete yet.
    pub fn section(&self, kind: u32) -> Section {
        let found = self.sections.iter().find(|section| section.kind == kind);
        #[expect(clippy::expect_used, reason = "a header without it does not decode")]
        *found.expect("a file has every section of its kind")
    }

    /// Number of blocks in the file.
    pub fn blocks(&self) -> usize {
        assert!(self.checksums >= HEADER_BYTES as u64, "the checksums follow the header");
        index((self.checksums - HEADER_BYTES as u64).div_ceil(BLOCK_BYTES as u64))
    }

    /// Length of the whole file in bytes.
    pub fn file_bytes(&self) -> u64 {
        self.checksums + self.blocks() as u64 * 4
    }
}

fn section(header: &[u8], number: usize) -> Result<Section, FormatError> {
    let entry = TABLE + number * ENTRY_BYTES;
    if u32_at(header, entry + 4)? != 0 {
        return Err(FormatError::Reserved("reserved bytes of a section"));
    }
    Ok(Section {
        kind: u32_at(header, entry)?,
        offset: u64_at(header, entry + 8)?,
        bytes: u64_at(header, entry + 16)?,
        count: u64_at(header, entry + 24)?,
    })
}

/// Computes block checksums from the bytes after the header, passed in order.
#[derive(Debug, Default)]
pub struct Checksums {
    done: Vec<u8>,
    current: crc32fast::Hasher,
    filled: usize,
}

impl Checksums {
    /// Adds the next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, rest) = bytes.split_at(bytes.len().min(BLOCK_BYTES - self.filled));
            self.current.update(now);
            self.filled += now.len();
            bytes = rest;
            if self.filled == BLOCK_BYTES {
                self.close_block();
            }
        }
    }

    fn close_block(&mut self) {
        self.done.extend_from_slice(&std::mem::take(&mut self.current).finalize().to_le_bytes());
        self.filled = 0;
    }

    /// The table of checksums, and the checksum of that table.
    pub fn finish(mut self) -> (Vec<u8>, u32) {
        if self.filled > 0 {
            self.close_block();
        }
        let crc = crc32fast::hash(&self.done);
        (self.done, crc)
    }
}

#[cfg(test)]
pub(crate) mod tests;
