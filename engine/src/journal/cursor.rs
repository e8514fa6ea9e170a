//! The writer's cursor: everything in the log that the next round depends on.

use allsource_format::frame;
use allsource_format::journal::{BLOCK_BYTES, HEADER_BYTES, Header};
use allsource_format::limits::FRAME_BYTES_MAX;

use crate::number::index;

/// The writer's place in the log: in which file, at which offset, after which frame.
#[derive(Debug, Clone)]
pub(crate) struct Cursor {
    /// Header of the current file.
    pub(crate) header: Header,
    /// Length of the current file.
    pub(crate) file_bytes: u64,
    /// Log offset of the next round.
    pub(crate) log_offset: u64,
    /// Checksum of the last frame.
    pub(crate) previous_crc: u32,
    /// Position of the next event.
    pub(crate) next_position: u64,
}

impl Cursor {
    /// Where the next round goes in the current file.
    pub(crate) fn file_offset(&self) -> u64 {
        assert!(self.log_offset >= self.header.log_offset, "the cursor lies in its file");
        HEADER_BYTES as u64 + (self.log_offset - self.header.log_offset)
    }

    /// Bytes left in the current file.
    pub(crate) fn room(&self) -> u64 {
        self.file_bytes.saturating_sub(self.file_offset())
    }

    /// Ends the current file here: the next round starts another one.
    pub(crate) fn end_file_here(&mut self) {
        self.file_bytes = self.file_offset();
    }

    /// Header of the file after the current one, with this length. Everything before it is durable when it is written.
    pub(crate) fn next_header(&self, file_bytes: u64) -> Header {
        Header {
            number: self.header.number + 1,
            log_offset: self.log_offset,
            synced_through: self.log_offset,
            first_position: self.next_position,
            previous_crc: self.previous_crc,
            file_bytes,
            ..self.header
        }
    }

    /// The cursor at the start of a file of this header.
    pub(crate) fn at_start_of(header: Header, file_bytes: u64) -> Self {
        Self {
            file_bytes,
            log_offset: header.log_offset,
            previous_crc: header.previous_crc,
            next_position: header.first_position,
            header,
        }
    }
}

/// The maximum length of a round in files of this length.
pub(crate) fn round_bytes_max(journal_file_bytes: u64) -> usize {
    index(journal_file_bytes).saturating_sub(HEADER_BYTES)
}

/// The maximum bytes of records in a frame in files of this length.
pub(crate) fn body_bytes_max(journal_file_bytes: u64) -> usize {
    FRAME_BYTES_MAX.min(index(journal_file_bytes) - HEADER_BYTES) - frame::HEADER_BYTES
}

/// The length of a round whose frames have `frame_bytes`.
pub(crate) fn round_bytes(frame_bytes: usize) -> usize {
    frame_bytes.next_multiple_of(BLOCK_BYTES)
}
