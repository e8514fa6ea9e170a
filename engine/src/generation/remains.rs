//! Salvaging a generation that lost its index and some of its records: the records are read sequentially, without an
//! index.

use std::ops::RangeInclusive;
use std::sync::Arc;

use allsource_format::record::Record;
use rkyv::util::AlignedVec;

use super::{Generation, check_all};
use crate::error::ReadError;
use crate::event::{Block, EventRef};
use crate::holder::Run;

/// The readable events in the order of the log, and the errors of the rest.
#[derive(Default)]
pub(crate) struct Remains {
    pub(crate) events: Vec<EventRef>,
    pub(crate) errors: Vec<ReadError>,
    bytes: usize,
}

impl Generation {
    /// Checks the file of the index by itself, whichever parts of it a reader needs.
    ///
    /// # Errors
    /// What is damaged, or cannot be read now.
    pub(crate) fn check_index(&self) -> Result<(), ReadError> {
        self.reread(&self.entry.index.name).and_then(check_all)?;
        self.opened_index().map(|_| ())
    }

    /// The readable events at these positions, from the records alone; `None`: they take more than `bytes_max`. A run
    /// ends at its first damage: where its next record begins is not known.
    pub(crate) fn remains(&self, positions: &RangeInclusive<u64>, bytes_max: usize) -> Option<Remains> {
        let mut remains = Remains::default();
        for run in self.runs_over(positions, &mut remains.errors) {
            if let Err(error) = self.gather(&run, positions, bytes_max, &mut remains) {
                remains.errors.push(error);
            }
            if remains.bytes > bytes_max && positions.start() < positions.end() {
                return None;
            }
        }
        remains.events.sort_by_key(EventRef::position);
        assert!(remains.events.iter().all(|event| positions.contains(&event.position().value())));
        Some(remains)
    }

    /// The runs that overlap these positions, as far as their tables are readable.
    fn runs_over(&self, positions: &RangeInclusive<u64>, errors: &mut Vec<ReadError>) -> Vec<Run> {
        let mut found = Vec::new();
        for partition in 0..self.access.partitions {
            match self.holder.runs(partition) {
                Ok(runs) => found.extend(runs),
                Err(error) if errors.contains(&error) => {}
                Err(error) => errors.push(error),
            }
        }
        found.retain(|run| run.first_position <= *positions.end() && run.last_position >= *positions.start());
        found
    }

    /// Collects the records of a run up to its first damage.
    fn gather(
        &self,
        run: &Run,
        positions: &RangeInclusive<u64>,
        bytes_max: usize,
        remains: &mut Remains,
    ) -> Result<(), ReadError> {
        let mut records = self.holder.records(run)?;
        while (remains.bytes <= bytes_max || positions.start() == positions.end()) && records.advance()? {
            #[expect(clippy::expect_used, reason = "a reader that advanced has a current record")]
            let (offset, record) = records.current().expect("the reader advanced to a record");
            if !positions.contains(&record.position()) {
                continue;
            }
            match Record::check(record.as_bytes()) {
                Ok(record) => remains.take(&record),
                Err(problem) => remains.errors.push(self.holder.damaged(offset, &problem.to_string())),
            }
        }
        Ok(())
    }
}

impl Remains {
    fn take(&mut self, record: &Record<'_>) {
        let mut block = AlignedVec::with_capacity(record.as_bytes().len());
        block.extend_from_slice(record.as_bytes());
        self.bytes += block.len();
        self.events.push(EventRef::new(Arc::new(Block::new(block)), 0));
    }
}
