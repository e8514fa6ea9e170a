//! The sequencer decides, one append at a time, which events enter the log and at which positions.
//!
//! It reads durable events through the [`Layers`] and events in flight through its own notes, and takes the time as an
//! argument. It writes nothing, and reads no file but a generation that was sealed after the caller's look-up.

mod flight;
mod known;
mod decide;

use std::sync::Arc;

use allsource_format::frame::Kind;
use allsource_format::journal::Header;
use rkyv::util::AlignedVec;

use crate::append::{Answer, Reply, Request};
use crate::event::Block;
use crate::journal::{Cursor, RoundBuilder};
use crate::view::Layers;

use decide::Decider;
use flight::{Flight, Notes};

/// Whether a round begins the next journal file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rotate {
    /// It begins a file of this length.
    To {
        file_bytes: u64,
    },
    No,
}

/// The end of the log, as the next round needs to know it.
#[derive(Debug, Clone)]
pub(crate) struct Checkpoint {
    pub(crate) cursor: Cursor,
    /// When the last event was committed.
    pub(crate) last_recorded_at: i64,
}

/// One group commit: the bytes to write, and the answers to send once they are durable.
pub(crate) struct Round {
    /// First make the spare file the journal file with this header.
    pub(crate) rotate_to: Option<Header>,
    /// Where in the journal file the bytes go.
    pub(crate) file_offset: u64,
    /// Frames, padded to whole blocks; empty: nothing to write.
    pub(crate) bytes: Arc<Block>,
    /// How many of the bytes are not padding.
    pub(crate) used: usize,
    /// Offsets of the records in the bytes.
    pub(crate) records: Vec<u32>,
    /// Log offset after the round.
    pub(crate) log_end: u64,
    /// Position of the last event in the log after the round; 0: none.
    pub(crate) last_position: u64,
    /// The round is a mark: it is written only after everything before it is synced.
    pub(crate) is_mark: bool,
    /// Freeze the tail after the round, so that it can be sealed.
    pub(crate) is_freeze: bool,
    /// The number of refusals when the round was built.
    pub(crate) attempt: u64,
    /// Where the log ends after the round.
    pub(crate) after: Checkpoint,
    /// The callers that wait for the round, each with its answer.
    pub(crate) answers: Vec<(Reply, Answer)>,
}

impl Round {
    /// The bytes that readers share. If at least half of the round is padding, a copy without it.
    pub(crate) fn block_for_readers(&self) -> Arc<Block> {
        let bytes = self.bytes.bytes();
        if self.used > bytes.len() / 2 {
            return Arc::clone(&self.bytes);
        }
        let mut used = AlignedVec::with_capacity(self.used);
        used.extend_from_slice(bytes.split_at(self.used).0);
        Arc::new(Block::new(used))
    }
}

/// The state outside the sequencer that its decisions depend on.
pub(crate) struct Moment<'a> {
    /// Microseconds since 1970-01-01T00:00:00Z.
    pub(crate) now: i64,
    /// The log offset below which everything is known to be durable when the round is written; `None`: everything before
    /// the round is.
    pub(crate) synced_through: Option<u64>,
    /// Every visible event, and possibly later ones.
    pub(crate) layers: &'a Layers,
    /// The highest visible position, read before anything else.
    pub(crate) watermark: u64,
}

/// The sequencer's own state.
pub(crate) struct Sequencer {
    cursor: Cursor,
    last_recorded_at: i64,
    /// Events in each partition, those in flight included.
    sequences: Vec<u64>,
    /// Rounds that are not visible yet.
    flight: Flight,
    /// The number of rounds that the disk refused.
    attempt: u64,
}

impl Sequencer {
    /// A sequencer that continues at the cursor, after an event recorded at `last_recorded_at`.
    pub(crate) fn new(cursor: Cursor, last_recorded_at: i64, sequences: Vec<u64>) -> Self {
        let before = cursor.next_position - 1;
        assert_eq!(sequences.iter().sum::<u64>(), before, "each event has a sequence in one partition");
        Self { cursor, last_recorded_at, sequences, flight: Flight::default(), attempt: 0 }
    }

    /// Discards the rounds that are not visible: the disk refused one, and the others were built on it. `attempt` is the
    /// number of refusals so far, `sequences` the number of visible events in each partition.
    pub(crate) fn rewind(&mut self, attempt: u64, checkpoint: Checkpoint, sequences: Vec<u64>) {
        assert!(attempt > self.attempt, "each refusal is handled once");
        assert!(checkpoint.cursor.next_position <= self.cursor.next_position, "a refusal rewinds the log");
        assert_eq!(sequences.len(), self.sequences.len(), "the number of partitions is fixed");
        let before = checkpoint.cursor.next_position - 1;
        assert_eq!(sequences.iter().sum::<u64>(), before, "each event has a sequence in one partition");
        let Checkpoint { cursor, last_recorded_at } = checkpoint;
        *self = Self { cursor, last_recorded_at, sequences, flight: Flight::default(), attempt };
    }

    /// The number of refusals that it has handled.
    pub(crate) fn attempt(&self) -> u64 {
        self.attempt
    }

    /// Commit time of the last event that was decided.
    pub(crate) fn last_recorded_at(&self) -> i64 {
        self.last_recorded_at
    }

    /// Where the next round goes.
    pub(crate) fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// Decides these requests, whose frames take at most `frame_bytes`. `rotate`: the round starts the next
    /// journal file.
    pub(crate) fn sequence(
        &mut self,
        requests: Vec<Request>,
        frame_bytes: usize,
        rotate: Rotate,
        moment: &Moment<'_>,
    ) -> Round {
        self.flight.forget_through(moment.watermark);
        let rotate_to = match rotate {
            Rotate::To { file_bytes } => Some(self.start_next_file(file_bytes)),
            Rotate::No => None,
        };
        let mut round = self.builder(moment.synced_through, frame_bytes);
        let mut decider = Decider {
            round: &mut round,
            notes: Notes::default(),
            records: Vec::with_capacity(requests.len()),
            flight: &self.flight,
            layers: moment.layers,
            sequences: &mut self.sequences,
            last_recorded_at: &mut self.last_recorded_at,
            now: moment.now,
        };
        let before = self.cursor.next_position;
        let answers: Vec<_> = requests.into_iter().map(|request| decider.decide(request)).collect();
        let Decider { notes, records, .. } = decider;
        let round = self.complete(round, rotate_to, notes);
        assert_eq!(round.last_position + 1 - before, records.len() as u64, "each event has its position");
        Round { records, answers, ..round }
    }

    /// A round without events that proves everything before it durable. `None`: the file has no room for it; the header of
    /// the next file will prove the same.
    pub(crate) fn mark(&mut self) -> Option<Round> {
        if self.cursor.room() == 0 {
            return None;
        }
        let mut round = self.builder(None, 0);
        round.open_frame();
        round.close_frame(Kind::Mark);
        Some(Round { is_mark: true, ..self.complete(round, None, Notes::default()) })
    }

    /// A round that writes nothing, after which the tail is frozen.
    pub(crate) fn freeze(&mut self) -> Round {
        let round = self.builder(None, 0);
        assert_eq!(round.bytes().len(), 0, "a freeze writes nothing");
        Round { is_freeze: true, ..self.complete(round, None, Notes::default()) }
    }

    fn start_next_file(&mut self, file_bytes: u64) -> Header {
        let header = self.cursor.next_header(file_bytes);
        assert!(header.number > self.cursor.header.number, "the numbers of journal files rise");
        self.cursor = Cursor::at_start_of(header, file_bytes);
        header
    }

    fn builder(&self, synced_through: Option<u64>, frame_bytes: usize) -> RoundBuilder {
        RoundBuilder::at(&self.cursor, synced_through.unwrap_or(self.cursor.log_offset), frame_bytes)
    }

    fn complete(&mut self, round: RoundBuilder, rotate_to: Option<Header>, notes: Notes) -> Round {
        let file_offset = self.cursor.file_offset();
        let (bytes, used, cursor) = round.finish();
        assert!(bytes.len() as u64 <= self.cursor.room(), "a round lies within its file");
        let log_end = self.cursor.log_offset + bytes.len() as u64;
        assert_eq!(cursor.log_offset, log_end, "the cursor moves by the length of the round");
        assert!(cursor.next_position >= self.cursor.next_position, "positions rise");
        assert!(used <= bytes.len(), "what is used is part of the round");
        self.cursor = cursor;
        let bytes = Arc::new(Block::new(bytes));
        let last_position = self.cursor.next_position - 1;
        self.flight.add(last_position, notes, Arc::clone(&bytes));
        Round {
            rotate_to,
            file_offset,
            bytes,
            used,
            records: Vec::new(),
            log_end: self.cursor.log_offset,
            last_position,
            is_mark: false,
            is_freeze: false,
            attempt: self.attempt,
            after: Checkpoint { cursor: self.cursor.clone(), last_recorded_at: self.last_recorded_at },
            answers: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
