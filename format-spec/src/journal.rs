//! The header of a journal file: 4 KiB, written once and never changed.

use crate::bytes::{all_zero, array, check_version, put, rest, u16_at, u32_at, u64_at};
use crate::error::FormatError;
use crate::{READ_VERSION, StoreId, WRITE_VERSION};

/// Frames start here; every round of frames starts at a multiple of this.
pub const BLOCK_BYTES: usize = 4096;

/// Size of the header.
pub const HEADER_BYTES: usize = BLOCK_BYTES;

const MAGIC: [u8; 8] = *b"ALLSJNL\x01";

const CRC: usize = 8;
const WRITE: usize = 12;
const READ: usize = 14;
const STORE: usize = 16;
const NUMBER: usize = 32;
const EPOCH: usize = 40;
const LOG_OFFSET: usize = 48;
const SYNCED_THROUGH: usize = 56;
const FIRST_POSITION: usize = 64;
const PREVIOUS_CRC: usize = 72;
const BLOCKS: usize = 76;
const RESERVED: usize = 80;

/// The first block of a journal file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The store the file belongs to.
    pub store: StoreId,
    /// The file's number; its name is this number in ten decimal digits, then `.jnl`.
    pub number: u64,
    /// The epoch its frames are written in; every unclean recovery raises it.
    pub epoch: u64,
    /// Log offset of the first block after this header. Bytes of earlier files at or above it are void.
    pub log_offset: u64,
    /// Everything below this log offset was durable before the file got its name.
    pub synced_through: u64,
    /// Position of the first event in this file, present or future.
    pub first_position: u64,
    /// Checksum of the frame before this file's first frame; 0 at the start of a log.
    pub previous_crc: u32,
    /// Length of the file when it got its name, in bytes: a multiple of 4096, at least two blocks. The last file of a
    /// store is never shorter.
    pub file_bytes: u64,
}

impl Header {
    /// Header of the first file of a store, of this length in bytes: nothing comes before it.
    pub fn first(store: StoreId, file_bytes: u64) -> Self {
        Self {
            store,
            number: 1,
            epoch: 1,
            log_offset: 0,
            synced_through: 0,
            first_position: 1,
            previous_crc: 0,
            file_bytes,
        }
    }

    /// The header's bytes.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        put(&mut out, 0, &MAGIC);
        put(&mut out, WRITE, &WRITE_VERSION.to_le_bytes());
        put(&mut out, READ, &READ_VERSION.to_le_bytes());
        put(&mut out, STORE, &self.store);
        put(&mut out, NUMBER, &self.number.to_le_bytes());
        put(&mut out, EPOCH, &self.epoch.to_le_bytes());
        put(&mut out, LOG_OFFSET, &self.log_offset.to_le_bytes());
        put(&mut out, SYNCED_THROUGH, &self.synced_through.to_le_bytes());
        put(&mut out, FIRST_POSITION, &self.first_position.to_le_bytes());
        put(&mut out, PREVIOUS_CRC, &self.previous_crc.to_le_bytes());
        assert!(self.file_bytes.is_multiple_of(BLOCK_BYTES as u64), "a file has whole blocks");
        #[expect(clippy::expect_used, reason = "a journal file has at most 1 GiB")]
        let blocks = u32::try_from(self.file_bytes / BLOCK_BYTES as u64).expect("a file has few blocks");
        put(&mut out, BLOCKS, &blocks.to_le_bytes());
        let crc = crc32fast::hash(rest(&out, CRC + 4));
        put(&mut out, CRC, &crc.to_le_bytes());
        out
    }

    /// Decodes the header at the start of `bytes`.
    ///
    /// # Errors
    /// If it is not a valid header, or of a version this release cannot read.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        if array::<8>(bytes, 0)? != MAGIC {
            return Err(FormatError::Magic("journal file"));
        }
        let whole =
            bytes.get(..HEADER_BYTES).ok_or(FormatError::Short { need: HEADER_BYTES, have: bytes.len() })?;
        if u32_at(whole, CRC)? != crc32fast::hash(rest(whole, CRC + 4)) {
            return Err(FormatError::Checksum("journal header"));
        }
        check_version(u16_at(whole, READ)?, "journal file")?;
        all_zero(rest(whole, RESERVED), "reserved bytes of a journal header")?;
        let header = Self {
            store: array(whole, STORE)?,
            number: u64_at(whole, NUMBER)?,
            epoch: u64_at(whole, EPOCH)?,
            log_offset: u64_at(whole, LOG_OFFSET)?,
            synced_through: u64_at(whole, SYNCED_THROUGH)?,
            first_position: u64_at(whole, FIRST_POSITION)?,
            previous_crc: u32_at(whole, PREVIOUS_CRC)?,
            file_bytes: u64::from(u32_at(whole, BLOCKS)?) * BLOCK_BYTES as u64,
        };
        if header.number == 0 || header.epoch == 0 || header.first_position == 0 {
            return Err(FormatError::Range("journal file number, epoch or position"));
        }
        if header.synced_through < header.log_offset || !header.log_offset.is_multiple_of(BLOCK_BYTES as u64)
        {
            return Err(FormatError::Range("log offset"));
        }
        if header.file_bytes < 2 * BLOCK_BYTES as u64 {
            return Err(FormatError::Range("length of a journal file"));
        }
        Ok(header)
    }

    /// The seed of every frame checksum in this file. It keeps frames of other stores, files and epochs from validating
    /// here.
    pub fn seed(&self) -> u32 {
        let mut crc = crc32fast::Hasher::new();
        crc.update(&self.store);
        crc.update(&self.number.to_le_bytes());
        crc.update(&self.epoch.to_le_bytes());
        crc.finalize()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            store: [9; 16],
            number: 4,
            epoch: 2,
            log_offset: 8192,
            synced_through: 12288,
            first_position: 77,
            previous_crc: 0xdead_beef,
            file_bytes: 64 << 10,
        }
    }

    #[test]
    fn a_header_comes_back_and_no_flipped_bit_is_accepted() {
        let good = header().encode();
        assert_eq!(Header::decode(&good), Ok(header()));
        for bit in 0..good.len() * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(&bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_file_of_a_newer_release_is_reported_as_newer() {
        let mut bytes = header().encode();
        put(&mut bytes, READ, &9_u16.to_le_bytes());
        let crc = crc32fast::hash(&bytes[CRC + 4..]);
        put(&mut bytes, CRC, &crc.to_le_bytes());
        let error = Header::decode(&bytes).unwrap_err();
        assert_eq!(error, FormatError::Newer { what: "journal file", read: 9, known: READ_VERSION });
    }

    #[test]
    fn seeds_differ_by_store_file_and_epoch() {
        let seeds = [
            header().seed(),
            Header { store: [8; 16], ..header() }.seed(),
            Header { number: 5, ..header() }.seed(),
            Header { epoch: 3, ..header() }.seed(),
        ];
        for (n, seed) in seeds.iter().enumerate() {
            assert!(!seeds[..n].contains(seed));
        }
    }
}
