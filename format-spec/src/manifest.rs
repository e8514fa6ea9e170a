//! The manifest: a store's identity, its partitions, and the files that belong to it. Manifests are numbered and never
//! rewritten; the one with the highest number counts.

mod lineage;
mod entry;

use crate::bytes::{all_zero, array, check_version, i64_at, part, put, rest, u16_at, u32_at, u64_at};
use crate::error::FormatError;
use crate::limits::{GENERATIONS_MAX, JOURNAL_FILE_BYTES_MAX, JOURNAL_FILE_BYTES_MIN, LINEAGE_MAX};
use crate::{READ_VERSION, StoreId, WRITE_VERSION, partition};

pub use entry::{ENTRY_BYTES, ENTRY_BYTES_MAX, File, Generation, Kind, Role};
pub use lineage::{INCARNATION_BYTES, Incarnation, Lineage};

/// Size of the fixed part, which precedes the lineage.
pub const HEADER_BYTES: usize = 128;

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
const GENERATIONS: usize = 76;
const LAST_JOURNAL: usize = 80;
const INCARNATIONS: usize = 88;
const RESERVED: usize = 92;

/// A decoded manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The store's identity.
    pub store: StoreId,
    /// This manifest's number, from 1; its file name is the number in twenty decimal digits.
    pub number: u64,
    /// When the store was created, microseconds since 1970-01-01T00:00:00Z.
    pub created_at: i64,
    /// Number of the oldest journal file that still belongs to the store.
    pub first_journal: u64,
    /// Number of the newest journal file when this manifest was written, or 0 if there was none. Every file from the
    /// first to this one exists.
    pub last_journal: u64,
    /// Length of a new journal file, in bytes: a multiple of 4096.
    pub journal_file_bytes: u64,
    /// Number of partitions: a power of two in 1..=1024 that never changes.
    pub partitions: u32,
    /// Which incarnation wrote which part of the log.
    pub lineage: Lineage,
    /// The sealed generations, oldest first, without a gap from position 1 on.
    pub generations: Vec<Generation>,
    /// Number of sealed events in each partition, which is the sequence of its last one.
    pub sequences: Vec<u64>,
}

impl Manifest {
    /// The highest sealed position: every event up to it is in sealed files. 0 if none is.
    pub fn sealed_position(&self) -> u64 {
        self.generations.last().map_or(0, |generation| generation.last_position)
    }

    /// The number of bytes [`Manifest::encode`] returns.
    pub fn encoded_bytes(&self) -> usize {
        let entries: usize = self.generations.iter().map(Generation::encoded_bytes).sum();
        let lineage = self.lineage.incarnations().len() * INCARNATION_BYTES;
        HEADER_BYTES + lineage + entries + self.sequences.len() * 8
    }

    /// The manifest's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![0; HEADER_BYTES];
        put(&mut out, 0, &MAGIC);
        put(&mut out, WRITE, &WRITE_VERSION.to_le_bytes());
        put(&mut out, READ, &READ_VERSION.to_le_bytes());
        put(&mut out, STORE, &self.store);
        put(&mut out, NUMBER, &self.number.to_le_bytes());
        put(&mut out, CREATED_AT, &self.created_at.to_le_bytes());
        put(&mut out, SEALED_POSITION, &self.sealed_position().to_le_bytes());
        put(&mut out, FIRST_JOURNAL, &self.first_journal.to_le_bytes());
        put(&mut out, LAST_JOURNAL, &self.last_journal.to_le_bytes());
        put(&mut out, JOURNAL_FILE_BYTES, &self.journal_file_bytes.to_le_bytes());
        put(&mut out, PARTITIONS, &self.partitions.to_le_bytes());
        #[expect(
            clippy::expect_used,
            reason = "a manifest has at most 65,536 entries and 1,024 incarnations"
        )]
        let count = |length: usize| u32::try_from(length).expect("a manifest has few entries").to_le_bytes();
        put(&mut out, GENERATIONS, &count(self.generations.len()));
        put(&mut out, INCARNATIONS, &count(self.lineage.incarnations().len()));
        self.lineage.encode(&mut out);
        self.generations.iter().for_each(|generation| generation.encode(&mut out));
        self.sequences.iter().for_each(|sequence| out.extend_from_slice(&sequence.to_le_bytes()));
        let crc = crc32fast::hash(rest(&out, CRC + 4));
        put(&mut out, CRC, &crc.to_le_bytes());
        assert_eq!(out.len(), self.encoded_bytes(), "a manifest has the length computed before");
        out
    }

    /// Decodes a whole manifest file.
    ///
    /// # Errors
    /// If it is not a valid manifest, or of a version this release cannot read.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        if array::<8>(bytes, 0)? != MAGIC {
            return Err(FormatError::Magic("manifest"));
        }
        if bytes.len() < HEADER_BYTES {
            return Err(FormatError::Short { need: HEADER_BYTES, have: bytes.len() });
        }
        if u32_at(bytes, CRC)? != crc32fast::hash(rest(bytes, CRC + 4)) {
            return Err(FormatError::Checksum("manifest"));
        }
        check_version(u16_at(bytes, READ)?, "manifest")?;
        all_zero(part(bytes, RESERVED..HEADER_BYTES), "reserved bytes of a manifest")?;
        let (count, partitions) = (u32_at(bytes, GENERATIONS)? as usize, u32_at(bytes, PARTITIONS)?);
        if count > GENERATIONS_MAX {
            return Err(FormatError::Range("number of generations"));
        }
        if !partition::is_valid_count(partitions) {
            return Err(FormatError::Range("partition count"));
        }
        let incarnations = u32_at(bytes, INCARNATIONS)? as usize;
        if incarnations > LINEAGE_MAX {
            return Err(FormatError::Range("number of incarnations"));
        }
        let (lineage, mut rest) = bytes
            .get(HEADER_BYTES..)
            .and_then(|rest| rest.split_at_checked(incarnations * INCARNATION_BYTES))
            .ok_or(FormatError::Range("length of the lineage"))?;
        let mut generations = Vec::new();
        for _ in 0..count {
            let (generation, after) = Generation::decode(rest)?;
            generations.push(generation);
            rest = after;
        }
        let (sequences, after) = rest.as_chunks::<8>();
        if sequences.len() != partitions as usize || !after.is_empty() {
            return Err(FormatError::Range("list of sequences"));
        }
        let manifest = Self {
            store: array(bytes, STORE)?,
            number: u64_at(bytes, NUMBER)?,
            created_at: i64_at(bytes, CREATED_AT)?,
            first_journal: u64_at(bytes, FIRST_JOURNAL)?,
            last_journal: u64_at(bytes, LAST_JOURNAL)?,
            journal_file_bytes: u64_at(bytes, JOURNAL_FILE_BYTES)?,
            partitions,
            lineage: Lineage::decode(lineage)?,
            generations,
            sequences: sequences.iter().map(|sequence| u64::from_le_bytes(*sequence)).collect(),
        };
        if u64_at(bytes, SEALED_POSITION)? != manifest.sealed_position() {
            return Err(FormatError::Range("sealed position"));
        }
        manifest.check()?;
        Ok(manifest)
    }

    /// Checks that its numbers agree: entries ascend without overlap or gap, and their events come to the sequences.
    ///
    /// # Errors
    /// If they contradict each other.
    pub fn check(&self) -> Result<(), FormatError> {
        if self.number == 0 || self.first_journal == 0 {
            return Err(FormatError::Range("manifest or journal number"));
        }
        let sizes = JOURNAL_FILE_BYTES_MIN..=JOURNAL_FILE_BYTES_MAX;
        if !sizes.contains(&self.journal_file_bytes) || !self.journal_file_bytes.is_multiple_of(4096) {
            return Err(FormatError::Range("journal file size"));
        }
        let mut sealed = 0;
        for generation in &self.generations {
            if generation.first_position != sealed + 1 {
                return Err(FormatError::Range("first position of a generation"));
            }
            generation.check()?;
            sealed = generation.last_position;
        }
        let counted = self.sequences.iter().try_fold(0_u64, |sum, sequence| sum.checked_add(*sequence));
        if counted == Some(sealed) { Ok(()) } else { Err(FormatError::Range("sum of the sequences")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generation(first_position: u64, last_position: u64) -> Generation {
        let file = |role, name: &str| File { role, name: name.to_owned(), bytes: 4096, checksum: 5 };
        Generation {
            kind: Kind::Segments,
            first_position,
            last_position,
            events: last_position + 1 - first_position,
            min_timestamp: -7,
            max_timestamp: 9,
            last_recorded_at: 8,
            records: file(Role::Records, "segments/1.seg"),
            index: file(Role::Index, "segments/1.idx"),
        }
    }

    #[test]
    fn a_manifest_comes_back_and_no_flipped_bit_or_cut_is_accepted() {
        let mut lineage = Lineage::default();
        lineage.push(Incarnation { id: [1; 16], first_position: 1 });
        lineage.push(Incarnation { id: [2; 16], first_position: 8 });
        let manifest = Manifest {
            store: [3; 16],
            number: 42,
            created_at: 1_700_000_000_000_000,
            first_journal: 1,
            last_journal: 3,
            journal_file_bytes: 64 << 20,
            partitions: 32,
            lineage,
            generations: vec![generation(1, 9), generation(10, 10)],
            sequences: [vec![4, 6], vec![0; 30]].concat(),
        };
        let good = manifest.encode();
        assert_eq!(Manifest::decode(&good), Ok(manifest));
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Manifest::decode(&bad).is_err(), "bit {bit}");
        }
        for length in 0..good.len() {
            assert!(Manifest::decode(&good[..length]).is_err(), "cut to {length}");
        }
        assert!(Manifest::decode(&[&good[..], &[0]].concat()).is_err(), "a byte too many");
    }
}
