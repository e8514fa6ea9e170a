//! Builds a round: the frames of one group commit, padded to whole blocks.

use allsource_format::frame::{self, Header, Kind};
use allsource_format::journal::BLOCK_BYTES;
use allsource_format::record::{self, Stamp};
use rkyv::util::AlignedVec;

use super::cursor::{Cursor, round_bytes};
use crate::number::{index, offset_in_block};

/// Frames under construction. Nothing here touches a disk.
pub(crate) struct RoundBuilder {
    bytes: AlignedVec,
    cursor: Cursor,
    seed: u32,
    /// The log offset that every frame of the round states as synced.
    synced_through: u64,
    /// Offset of the frame being built.
    frame_start: usize,
    frame_events: u32,
}

impl RoundBuilder {
    /// A round at the cursor. `synced_through`: the log offset below which everything is durable when the round is
    /// written.
    pub(crate) fn at(cursor: &Cursor, synced_through: u64, capacity: usize) -> Self {
        assert!(synced_through <= cursor.log_offset, "a round cannot vouch for itself");
        Self {
            bytes: AlignedVec::with_capacity(round_bytes(capacity)),
            seed: cursor.header.seed(),
            cursor: cursor.clone(),
            synced_through,
            frame_start: 0,
            frame_events: 0,
        }
    }

    /// Starts a frame; [`RoundBuilder::close_frame`] or [`RoundBuilder::abandon_frame`] must follow.
    pub(crate) fn open_frame(&mut self) {
        assert!(self.bytes.len().is_multiple_of(frame::HEADER_BYTES), "frames are aligned");
        self.frame_start = self.bytes.len();
        self.frame_events = 0;
        self.bytes.extend_from_slice(&[0; frame::HEADER_BYTES]);
    }

    /// Position that the next record of the open frame will have.
    pub(crate) fn next_position(&self) -> u64 {
        self.cursor.next_position + u64::from(self.frame_events)
    }

    /// Offset of the next record of the open frame.
    pub(crate) fn next_offset(&self) -> u32 {
        offset_in_block(self.bytes.len())
    }

    /// Copies an encoded record into the open frame and completes it; returns its offset in the round.
    pub(crate) fn push(&mut self, encoded: &[u8], crc_so_far: u32, stamp: &Stamp) -> u32 {
        assert_eq!(stamp.position, self.next_position(), "positions follow each other");
        let start = self.bytes.len();
        self.bytes.extend_from_slice(encoded);
        record::complete(self.bytes.split_at_mut(start).1, crc_so_far, stamp);
        self.frame_events += 1;
        offset_in_block(start)
    }

    /// Copies complete records into the open frame; returns the offset of the first.
    pub(crate) fn push_complete(&mut self, records: &[u8], count: u32) -> u32 {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(records);
        self.frame_events += count;
        offset_in_block(start)
    }

    /// Completes the open frame.
    pub(crate) fn close_frame(&mut self, kind: Kind) {
        assert_eq!(kind == Kind::Append, self.frame_events > 0, "only an append has events");
        let length = (self.bytes.len() - self.frame_start).next_multiple_of(frame::HEADER_BYTES);
        self.bytes.resize(self.frame_start + length, 0);
        let header = Header {
            kind,
            count: self.frame_events,
            previous_crc: self.cursor.previous_crc,
            log_offset: self.cursor.log_offset + self.frame_start as u64,
            first_position: self.cursor.next_position,
            synced_through: self.synced_through,
        };
        let (_, place) = self.bytes.split_at_mut(self.frame_start);
        self.cursor.previous_crc = frame::complete(place, &header, self.seed);
        self.cursor.next_position += u64::from(self.frame_events);
    }

    /// Removes the open frame.
    pub(crate) fn abandon_frame(&mut self) {
        self.bytes.resize(self.frame_start, 0);
        self.frame_events = 0;
    }

    /// The bytes built so far.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The file offset of the bytes that are not drained yet.
    pub(crate) fn file_offset(&self) -> u64 {
        self.cursor.file_offset()
    }

    /// Takes the complete frames, so that a long round is never in memory as a whole.
    pub(crate) fn drain(&mut self) -> AlignedVec {
        let bytes = std::mem::take(&mut self.bytes);
        assert!(bytes.len().is_multiple_of(frame::HEADER_BYTES), "only whole frames are drained");
        self.cursor.log_offset += bytes.len() as u64;
        bytes
    }

    /// Pads the round to whole blocks. Returns its bytes, how many of them are not padding, and the cursor after it.
    pub(crate) fn finish(mut self) -> (AlignedVec, usize, Cursor) {
        let used = self.bytes.len();
        let start = index(self.cursor.log_offset % BLOCK_BYTES as u64);
        let filled = round_bytes(start + used) - start;
        assert!(used <= filled, "padding only adds bytes");
        if filled > used {
            self.open_frame();
            self.bytes.resize(filled, 0);
            self.close_frame(Kind::Pad);
        }
        self.cursor.log_offset += filled as u64;
        assert_eq!(self.bytes.len(), filled, "the padding is one frame");
        assert!(self.cursor.log_offset.is_multiple_of(BLOCK_BYTES as u64), "a round ends at a block");
        (self.bytes, used, self.cursor)
    }
}
