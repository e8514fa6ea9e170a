//! Writes a round: clears what a refused round left, starts the next journal file if necessary, then writes the bytes
//! and makes them durable.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use allsource_format::journal::Header;

use super::Committer;
use super::failure::Failure;
use crate::journal::{AdoptError, Cursor, is_full, round_bytes};
use crate::manifest::{self, PublishError};
use crate::number::{index, micros};
use crate::options::Durability;
use crate::planted::{self, Bug};
use crate::platform::DiskFile;
use crate::platform::sync::Ordering;
use crate::sequencer::Round;

/// A journal file that is part of the log and not yet recorded in a manifest.
pub(crate) struct Unrecorded {
    header: Header,
    /// The file reserved for its manifest; `None`: an attempt failed, and the next one reserves another.
    room: Option<Arc<dyn DiskFile>>,
}

impl Committer {
    pub(super) fn write(&mut self, round: &Round) -> Result<(), Failure> {
        self.clean().map_err(Failure::before_write)?;
        self.record_rotation()?;
        if let Some(header) = &round.rotate_to {
            self.rotate(header, round.after.cursor.file_bytes)?;
        }
        let bytes = round.bytes.bytes();
        if bytes.is_empty() {
            return Ok(());
        }
        if round.is_mark {
            self.sync_file().map_err(Failure::Fatal)?;
        }
        let log_end = self.committed.cursor.log_offset + bytes.len() as u64;
        assert_eq!(round.file_offset, self.committed.cursor.file_offset(), "rounds follow each other");
        assert_eq!(round.log_end, log_end, "a round ends where its bytes do");
        assert!(self.unrecorded.is_none(), "nothing is written into a file that no manifest records");
        match self.file.write_at(bytes, round.file_offset) {
            Err(error) if is_full(&error) => {
                self.unclean = Some(round.file_offset..round.file_offset + bytes.len() as u64);
                self.clean()?;
                return Err(Failure::refused(&error));
            }
            written => written.map_err(Failure::Fatal)?,
        }
        self.progress.rounds.fetch_add(1, Ordering::Relaxed);
        self.progress.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let since = self.unsynced.map_or_else(|| self.clock.monotonic(), |(since, _)| since);
        self.unsynced = Some((since, round.log_end));
        let synced = match self.durability {
            Durability::Sync => self.sync_file(),
            Durability::Interval(_) if round.is_mark => self.sync_file(),
            Durability::Interval(interval) => self.sync_if_due(interval),
            Durability::None => Ok(()),
        };
        synced.map_err(Failure::Fatal)
    }

    /// Overwrites what a refused round may have left with zeros, durably: until then a crash could bring back refused
    /// appends.
    fn clean(&mut self) -> Result<(), Failure> {
        let Some(Range { start, end }) = self.unclean else { return Ok(()) };
        if planted::is(Bug::BelieveRefusedRound) {
            self.unclean = None;
            return Ok(());
        }
        assert!(start < end, "a refused round had bytes");
        let mut left = vec![0; index(end - start)];
        self.file.read_at(&mut left, start).map_err(Failure::Unclean)?;
        let used = left.iter().rposition(|byte| *byte != 0).map_or(0, |last| round_bytes(last + 1));
        if used > 0 {
            left.truncate(used);
            left.fill(0);
            match self.file.write_at(&left, start) {
                Err(error) if is_full(&error) => return Err(Failure::Unclean(error)),
                written => written.map_err(Failure::Fatal)?,
            }
            self.sync_all().map_err(Failure::Fatal)?;
        }
        self.unclean = None;
        Ok(())
    }

    /// Makes the spare file the current one. A failure before the file has its name changes nothing.
    fn rotate(&mut self, header: &Header, file_bytes: u64) -> Result<(), Failure> {
        let committed = &self.committed.cursor;
        assert!(header.number > committed.header.number, "the numbers of journal files rise");
        assert_eq!(header.log_offset, committed.log_offset, "a file begins where the one before it ends");
        self.sync_file().map_err(Failure::Fatal)?;
        let next = self.spare.adopt(&*self.disk, header).map_err(|error| match error {
            AdoptError::Undone(error) | AdoptError::Spoiled(error) => Failure::refused(&error),
            AdoptError::Unknown(error) => Failure::Fatal(error),
        })?;
        self.file = next.journal;
        // Before a manifest records it, because after that the events of the old file may be sealed, and it loses its name.
        self.current.replace(header.number, Arc::clone(&self.file));
        self.committed.cursor = Cursor::at_start_of(*header, file_bytes);
        self.unrecorded = Some(Unrecorded { header: *header, room: Some(next.manifest) });
        self.record_rotation()
    }

    /// Records the new journal file in a manifest. No round is written into the file before that.
    fn record_rotation(&mut self) -> Result<(), Failure> {
        let Some(unrecorded) = &mut self.unrecorded else { return Ok(()) };
        let room = match unrecorded.room.take() {
            Some(room) => Ok(room),
            None => manifest::reserve(&*self.disk, &self.catalog.manifest()),
        };
        let room = room.map_err(|error| Failure::refused(&error))?;
        let recorded = self.catalog.note_journal(&*self.disk, &unrecorded.header, &*room);
        recorded.map_err(|error| match error {
            PublishError::Unwritten(error) => Failure::refused(&error),
            PublishError::Unknown(error) => Failure::Fatal(error),
        })?;
        self.unrecorded = None;
        self.spare.is_used();
        Ok(())
    }

    /// Syncs what was written longer than the interval ago.
    pub(crate) fn sync_if_due(&mut self, interval: Duration) -> io::Result<()> {
        match self.unsynced {
            Some((since, _)) if self.clock.monotonic() >= since + interval => self.sync_file(),
            _ => Ok(()),
        }
    }

    /// Syncs what was written, if anything was.
    pub(super) fn sync_file(&mut self) -> io::Result<()> {
        if self.unsynced.is_some() { self.sync_all() } else { Ok(()) }
    }

    fn sync_all(&mut self) -> io::Result<()> {
        let start = self.clock.monotonic();
        match self.file.sync() {
            Err(_) if planted::is(Bug::RetryFailedSync) => self.file.sync()?,
            result => result?,
        }
        let took = self.clock.monotonic().saturating_sub(start);
        self.progress.sync_micros.fetch_add(micros(took), Ordering::Relaxed);
        if let Some((_, log_end)) = self.unsynced.take() {
            let before = self.progress.synced_through.swap(log_end, Ordering::AcqRel);
            assert!(before <= log_end, "what is synced stays synced");
        }
        Ok(())
    }
}
