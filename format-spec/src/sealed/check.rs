//! Checking a whole sealed file, except for the contents of its sections.

use super::{BLOCK_BYTES, HEADER_BYTES, Header, Kind};
use crate::bytes::all_zero;
use crate::error::FormatError;

/// Checks a whole file of this kind: its header, length, block checksums, and the padding between sections.
///
/// # Errors
/// If any of them is wrong.
pub fn check(bytes: &[u8], kind: Kind) -> Result<Header, FormatError> {
    let header = Header::decode(bytes, kind)?;
    let need = usize::try_from(header.file_bytes()).unwrap_or(usize::MAX);
    let short = FormatError::Short { need, have: bytes.len() };
    if bytes.len() > need {
        return Err(FormatError::Range("length of a sealed file"));
    }
    let table_start = usize::try_from(header.checksums).unwrap_or(usize::MAX);
    let (blocks, table) = bytes.split_at_checked(table_start).ok_or(short)?;
    if bytes.len() < need {
        return Err(short);
    }
    if crc32fast::hash(table) != header.checksums_crc {
        return Err(FormatError::Checksum("table of checksums"));
    }
    let blocks = blocks.get(HEADER_BYTES..).unwrap_or(&[]).chunks(BLOCK_BYTES);
    for (block, expected) in blocks.zip(table.as_chunks::<4>().0) {
        if crc32fast::hash(block) != u32::from_le_bytes(*expected) {
            return Err(FormatError::Checksum("block of a sealed file"));
        }
    }
    check_filling(&header, bytes)?;
    Ok(header)
}

fn check_filling(header: &Header, bytes: &[u8]) -> Result<(), FormatError> {
    let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
    let mut end = HEADER_BYTES as u64;
    for section in &header.sections {
        all_zero(bytes.get(at(end)..at(section.offset)).unwrap_or(&[1]), "filling between sections")?;
        end = section.offset + section.bytes;
    }
    Ok(())
}
