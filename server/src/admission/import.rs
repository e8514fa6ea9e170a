//! Imports: any number of events, one a line, appended in order and in chunks as they arrive. A refused line is reported
//! with its number and does not stop the others; any other failure ends the import.

use std::sync::Arc;

use allsource_engine::{Acknowledged, Committed};

use super::order::{self, InOrder, Patience};
use super::{Admission, Admitted, Events, Terms};
use crate::budget::{Charge, Hold};
use crate::problem::Problem;
use crate::store::Error;
use crate::wire::{Imported, RefusedLine, parse_event, working_bytes};

/// A chunk is appended once it has this many lines.
const CHUNK_LINES: usize = 1000;
/// A chunk is appended once it has this many bytes.
const CHUNK_BYTES: usize = 4 << 20;
/// Refused lines to list; the rest are only counted.
const LISTED_MAX: usize = 10_000;

/// An import in progress.
pub struct Import {
    admission: Admission,
    terms: Arc<Terms>,
    /// The line number of each event in `chunk`.
    numbers: Vec<u64>,
    chunk: Vec<Admitted>,
    chunk_bytes: usize,
    /// The charge of the chunk and of what appending it takes.
    charge: Hold,
    /// Lines read, empty ones included.
    read: u64,
    /// Lines that are settled: appended or refused.
    settled: u64,
    tally: Imported,
}

impl Import {
    pub(super) fn new(admission: Admission, terms: Terms, charge: Charge) -> Self {
        Self {
            admission,
            terms: Arc::new(terms),
            numbers: Vec::new(),
            chunk: Vec::new(),
            chunk_bytes: 0,
            charge: charge.into(),
            read: 0,
            settled: 0,
            tally: Imported::default(),
        }
    }

    /// Takes the next line, or the reason why it cannot be read.
    ///
    /// # Errors
    /// The problem that ended the import, with the number of the last settled line.
    pub async fn take<T>(&mut self, line: Result<T, Problem>) -> Result<(), Problem>
    where
        T: AsRef<[u8]> + Send + 'static,
    {
        if let Ok(text) = &line {
            self.make_room(text.as_ref().len()).await?;
        }
        self.read += 1;
        let number = self.read;
        if line.as_ref().is_ok_and(|text| text.as_ref().trim_ascii().is_empty()) {
            return Ok(());
        }
        self.tally.total += 1;
        let admitted = match line {
            Ok(text) => match self.admit(text, number).await {
                Ok(admitted) => admitted,
                Err(stopping) => return Err(self.interrupted(stopping.into())),
            },
            Err(problem) => Err(problem),
        };
        match admitted {
            Err(problem) => self.refuse(number, &problem),
            Ok((bytes, admitted)) => {
                self.numbers.push(number);
                self.chunk.push(admitted);
                self.chunk_bytes += bytes;
            }
        }
        if self.chunk.len() >= CHUNK_LINES || self.chunk_bytes >= CHUNK_BYTES {
            self.flush().await
        } else {
            Ok(())
        }
    }

    /// The event of a line, with the number of bytes of its text.
    ///
    /// # Errors
    /// When the server is stopping.
    async fn admit<T>(&self, text: T, number: u64) -> Result<Result<(usize, Admitted), Problem>, Error>
    where
        T: AsRef<[u8]> + Send + 'static,
    {
        let (bytes, terms) = (text.as_ref().len(), Arc::clone(&self.terms));
        let admit = move || {
            let body = parse_event(text.as_ref())?;
            Ok((bytes, terms.admit(&body, number - 1, body.expected())?))
        };
        self.admission.store.compute(bytes, admit).await
    }

    /// Appends the last chunk.
    ///
    /// # Errors
    /// As [`Import::take`].
    pub async fn finish(mut self) -> Result<Imported, Problem> {
        self.flush().await?;
        assert_eq!(self.settled, self.read, "every line is settled");
        Ok(self.tally)
    }

    /// Charges the memory that a line takes. If there is no room beside the chunk, the chunk is appended first.
    async fn make_room(&mut self, text: usize) -> Result<(), Problem> {
        let need = working_bytes(text);
        if self.charge.grow_to(self.charge.bytes() + need).is_ok() {
            return Ok(());
        }
        self.flush().await?;
        self.charge.grow_to(need).map_err(|exhausted| self.interrupted(exhausted.into()))
    }

    /// Adds the progress of the import to the problem that ended it. Nothing after `line` was appended, unless the
    /// problem says that the outcome is unknown.
    pub fn interrupted(&mut self, problem: Problem) -> Problem {
        std::mem::take(&mut self.tally).add_to(problem).with("line", self.settled)
    }

    /// Appends the lines taken so far, and returns the charge for them.
    ///
    /// # Errors
    /// As [`Import::take`].
    pub async fn flush(&mut self) -> Result<(), Problem> {
        let (numbers, chunk) = (std::mem::take(&mut self.numbers), std::mem::take(&mut self.chunk));
        self.chunk_bytes = 0;
        let chunk = Events::from(chunk).charged_to(self.charge.clone());
        let InOrder { settled, ended } = order::append(&self.admission, &chunk, Patience::Some).await;
        drop(chunk);
        self.charge.shrink_to(0);
        for (number, outcome) in numbers.iter().zip(settled) {
            match outcome {
                Ok((committed, acknowledged)) => self.accept(&committed, acknowledged),
                Err(error) => self.refuse(*number, &self.terms.problem(error.into())),
            }
            self.settled = *number;
        }
        match ended {
            Some(ended) => Err(self.interrupted(ended.error.into())),
            None => {
                self.settled = self.read;
                Ok(())
            }
        }
    }

    fn accept(&mut self, committed: &Committed, acknowledged: Acknowledged) {
        self.tally.ingested += 1;
        self.tally.replayed += u64::from(committed.replayed);
        if acknowledged == Acknowledged::Written {
            self.tally.durability = Some("written");
        }
    }

    fn refuse(&mut self, line: u64, problem: &Problem) {
        self.tally.refused_count += 1;
        if self.tally.refused.len() < LISTED_MAX {
            self.tally.refused.push(RefusedLine {
                line,
                error: problem.detail().to_owned(),
                kind: problem.kind().path(),
            });
        }
    }
}
