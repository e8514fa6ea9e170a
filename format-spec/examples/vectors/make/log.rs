//! A journal file under construction, with its meaning.

use allsource_format::frame::{self, Kind};
use allsource_format::journal::{BLOCK_BYTES, Header};
use serde_json::{Value, json};

use super::event::{Event, write};
use super::{STORE, hex};

/// A journal file.
#[derive(Clone)]
pub(crate) struct Log {
    pub(crate) header: Header,
    /// The frames so far.
    pub(crate) frames: Vec<u8>,
    meaning: Vec<Value>,
    previous_crc: u32,
    next_position: u64,
    synced_through: u64,
}

impl Log {
    pub(crate) fn first_file() -> Self {
        Self::of(Header::first(STORE, 64 << 10))
    }

    /// Starts the file after `last`.
    pub(crate) fn after(last: &Log, number: u64, epoch: u64) -> Self {
        let log_offset = last.log_offset();
        Self::of(Header {
            number,
            epoch,
            log_offset,
            synced_through: log_offset,
            first_position: last.next_position,
            previous_crc: last.previous_crc,
            ..last.header
        })
    }

    fn of(header: Header) -> Self {
        Self {
            header,
            frames: Vec::new(),
            meaning: Vec::new(),
            previous_crc: header.previous_crc,
            next_position: header.first_position,
            synced_through: header.log_offset,
        }
    }

    pub(crate) fn log_offset(&self) -> u64 {
        self.header.log_offset + self.frames.len() as u64
    }

    pub(crate) fn append(&mut self, events: &[Event]) {
        let mut body = rkyv::util::AlignedVec::<16>::new();
        let mut records = Vec::new();
        for (event, position) in events.iter().zip(self.next_position..) {
            records.push(write(event, position, &mut body));
        }
        self.frame(Kind::Append, &body, records);
    }

    pub(crate) fn mark(&mut self) {
        self.frame(Kind::Mark, &[], Vec::new());
    }

    /// Fills the round up to a whole block.
    pub(crate) fn end_round(&mut self) {
        let filled = self.frames.len().next_multiple_of(BLOCK_BYTES);
        if filled > self.frames.len() {
            let body = vec![0; filled - self.frames.len() - frame::HEADER_BYTES];
            self.frame(Kind::Pad, &body, Vec::new());
        }
        self.synced_through = self.log_offset();
    }

    fn frame(&mut self, kind: Kind, body: &[u8], records: Vec<Value>) {
        let mut bytes = vec![0; frame::length(body.len())];
        bytes[frame::HEADER_BYTES..][..body.len()].copy_from_slice(body);
        let header = frame::Header {
            kind,
            count: records.len() as u32,
            previous_crc: self.previous_crc,
            log_offset: self.log_offset(),
            first_position: self.next_position,
            synced_through: self.synced_through,
        };
        self.previous_crc = frame::complete(&mut bytes, &header, self.header.seed());
        self.next_position += u64::from(header.count);
        self.meaning.push(json!({
            "kind": format!("{kind:?}").to_lowercase(), "length": bytes.len(), "log_offset": header.log_offset,
            "first_position": header.first_position, "synced_through": header.synced_through,
            "checksum": self.previous_crc, "records": records,
        }));
        self.frames.extend_from_slice(&bytes);
    }

    /// The file's meaning.
    pub(crate) fn meaning(&self) -> Value {
        json!({
            "header": {
                "store": hex(&self.header.store), "number": self.header.number, "epoch": self.header.epoch,
                "log_offset": self.header.log_offset, "synced_through": self.header.synced_through,
                "first_position": self.header.first_position, "previous_checksum": self.header.previous_crc,
                "file_bytes": self.header.file_bytes,
            },
            "frames": self.meaning,
            "end": self.log_offset(),
        })
    }

    /// The file's bytes, with this many unwritten blocks after its frames.
    pub(crate) fn bytes(&self, spare_blocks: usize) -> Vec<u8> {
        [&self.header.encode()[..], &self.frames, &vec![0; spare_blocks * BLOCK_BYTES]].concat()
    }
}
