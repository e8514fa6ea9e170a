//! Checks a whole sealed file, except for the contents of its sections.

use super::{BLOCK_BYTES, HEADER_BYTES, Header, Kind};
use crate::bytes::{all_zero, index, part, rest};
use crate::error::FormatError;

/// Checks a whole file of this kind: its header, length, block checksums, and the padding between sections.
///
/// # Errors
/// If any of them is wrong.
pub fn check(bytes: &[u8], kind: Kind) -> Result<Header, FormatError> {
    let header = Header::decode(bytes, kind)?;
    let need = index(header.file_bytes());
    let short = FormatError::Short { need, have: bytes.len() };
    if bytes.len() > need {
        return Err(FormatError::Range("length of a sealed file"));
    }
    if bytes.len() < need {
        return Err(short);
    }
    let (blocks, table) = bytes.split_at(index(header.checksums));
    assert_eq!(table.len(), header.blocks() * 4, "a file ends with a checksum for each block");
    if crc32fast::hash(table) != header.checksums_crc {
        return Err(FormatError::Checksum("table of checksums"));
    }
    let blocks = rest(blocks, HEADER_BYTES).chunks(BLOCK_BYTES);
    for (block, expected) in blocks.zip(table.as_chunks::<4>().0) {
        if crc32fast::hash(block) != u32::from_le_bytes(*expected) {
            return Err(FormatError::Checksum("block of a sealed file"));
        }
    }
    check_filling(&header, bytes)?;
    Ok(header)
}

fn check_filling(header: &Header, bytes: &[u8]) -> Result<(), FormatError> {
    let mut end = HEADER_BYTES as u64;
    for section in &header.sections {
        all_zero(part(bytes, index(end)..index(section.offset)), "filling between sections")?;
        end = section.offset + section.bytes;
    }
    Ok(())
}
