//! The manifest: which store this is, how it is divided, and which files are part of it. Manifests are
//! numbered and never rewritten; the one with the highest number is the truth.

use crate::bytes::{all_zero, array, i64_at, put, u16_at, u32_at, u64_at};
use crate::error::FormatError;
use crate::limits::{JOURNAL_FILE_BYTES_MAX, JOURNAL_FILE_BYTES_MIN};
use crate::{READ_VERSION, StoreId, WRITE_VERSION, partition};

/// Size of a manifest that names no files.
pub const BYTES: usize = 128;

const MAGIC: [u8; 8] = *b"ALLSMAN\x01";
const CRC: usize = 8;
const WRITE: usize = 12;
const READ: usize = 14;
const STORE: usize = 16;
const NUMBER: usize = 32;
const CREATED_AT: usize = 40;
const SEALED_POSITION: usize = 48;
const FIRST_JOURNAL: usize = 56;
const JOURNAL_FILE_BYTES: usize = 64;
const PARTITIONS: usize = 72;
const FILES: usize = 76;
const LAST_JOURNAL: usize = 80;
const RESERVED: usize = 88;

/// What a manifest says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manifest {
    /// The store's identity.
    pub store: StoreId,
    /// This manifest's number, from 1; its file name is the number in twenty decimal digits.
    pub number: u64,
    /// When the store was created, microseconds since 1970-01-01T00:00:00Z.
    pub created_at: i64,
    /// Every event up to this position is in sealed files; 0: none is.
    pub sealed_position: u64,
    /// Number of the first journal file that still belongs to the store.
    pub first_journal: u64,
    /// Number of the last journal file when this manifest was written, 0 before there was one: every file from
    /// the first to this one exists.
    pub last_journal: u64,
    /// Length of a new journal file, in bytes: a multiple of 4096.
    pub journal_file_bytes: u64,
    /// Number of partitions: a power of two in 1..=1024, fixed for ever.
    pub partitions: u32,
}

impl Manifest {
    /// The manifest's bytes.
    pub fn encode(&self) -> [u8; BYTES] {
        let mut out = [0; BYTES];
        put(&mut out, 0, &MAGIC);
        put(&mut out, WRITE, &WRITE_VERSION.to_le_bytes());
        put(&mut out, READ, &READ_VERSION.to_le_bytes());
        put(&mut out, STORE, &self.store);
        put(&mut out, NUMBER, &self.number.to_le_bytes());
        put(&mut out, CREATED_AT, &self.created_at.to_le_bytes());
        put(&mut out, SEALED_POSITION, &self.sealed_position.to_le_bytes());
        put(&mut out, FIRST_JOURNAL, &self.first_journal.to_le_bytes());
        put(&mut out, LAST_JOURNAL, &self.last_journal.to_le_bytes());
        put(&mut out, JOURNAL_FILE_BYTES, &self.journal_file_bytes.to_le_bytes());
        put(&mut out, PARTITIONS, &self.partitions.to_le_bytes());
        put(&mut out, FILES, &0_u32.to_le_bytes());
        let crc = crc32fast::hash(out.get(CRC + 4..).unwrap_or(&[]));
        put(&mut out, CRC, &crc.to_le_bytes());
        out
    }

    /// Reads a whole manifest file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        if array::<8>(bytes, 0)? != MAGIC {
            return Err(FormatError::Magic("manifest"));
        }
        if bytes.len() < BYTES {
            return Err(FormatError::Short { need: BYTES, have: bytes.len() });
        }
        if u32_at(bytes, CRC)? != crc32fast::hash(bytes.get(CRC + 4..).unwrap_or(&[])) {
            return Err(FormatError::Checksum("manifest"));
        }
        let read = u16_at(bytes, READ)?;
        if read > READ_VERSION {
            return Err(FormatError::Newer { what: "manifest", read, known: READ_VERSION });
        }
        all_zero(bytes.get(RESERVED..BYTES).unwrap_or(&[1]), "reserved bytes of a manifest")?;
        if u32_at(bytes, FILES)? != 0 || bytes.len() != BYTES {
            return Err(FormatError::Range("file list"));
        }
        let manifest = Self {
            store: array(bytes, STORE)?,
            number: u64_at(bytes, NUMBER)?,
            created_at: i64_at(bytes, CREATED_AT)?,
            sealed_position: u64_at(bytes, SEALED_POSITION)?,
            first_journal: u64_at(bytes, FIRST_JOURNAL)?,
            last_journal: u64_at(bytes, LAST_JOURNAL)?,
            journal_file_bytes: u64_at(bytes, JOURNAL_FILE_BYTES)?,
            partitions: u32_at(bytes, PARTITIONS)?,
        };
        if manifest.number == 0 || manifest.first_journal == 0 {
            return Err(FormatError::Range("manifest or journal number"));
        }
        if !partition::is_valid_count(manifest.partitions) {
            return Err(FormatError::Range("partition count"));
        }
        let sizes = JOURNAL_FILE_BYTES_MIN..=JOURNAL_FILE_BYTES_MAX;
        if !sizes.contains(&manifest.journal_file_bytes) || !manifest.journal_file_bytes.is_multiple_of(4096)
        {
            return Err(FormatError::Range("journal file size"));
        }
        Ok(manifest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_comes_back_and_no_flipped_bit_or_cut_is_accepted() {
        let manifest = Manifest {
            store: [3; 16],
            number: 42,
            created_at: 1_700_000_000_000_000,
            sealed_position: 0,
            first_journal: 1,
            last_journal: 3,
            journal_file_bytes: 64 << 20,
            partitions: 32,
        };
        let good = manifest.encode();
        assert_eq!(Manifest::decode(&good), Ok(manifest));
        for bit in 0..good.len() * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Manifest::decode(&bad).is_err(), "bit {bit}");
        }
        for length in 0..good.len() {
            assert!(Manifest::decode(&good[..length]).is_err(), "cut to {length}");
        }
        assert!(Manifest::decode(&[&good[..], &[0]].concat()).is_err(), "a byte too many");
    }
}
