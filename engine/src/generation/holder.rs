//! The seam between finding events and holding them. An index says where the events of a generation lie; a holder hands
//! them over, whatever its files look like.

use std::collections::VecDeque;
use std::ops::Range;

use allsource_format::StoreId;
use allsource_format::index::Stretch;
use allsource_format::record::Record;
use allsource_format::segment::{Run, Segment};
use rkyv::util::AlignedVec;

use crate::error::ReadError;
use crate::event::EventRef;

/// For each partition, where the run lies that was read ahead last.
pub(crate) type Ahead = Vec<Range<u64>>;

/// What an index says of an event: where it lies, and which one it must be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    /// As [`allsource_format::segment::place`] puts it together; the offset means what the holder makes of it.
    pub(crate) place: u64,
    pub(crate) position: u64,
}

/// The records of a generation.
pub(crate) trait Holder: Send + Sync {
    /// Hands over the events of the first of these places, in their order: as many as share a block of memory, and at
    /// least one. Returns how many. `ahead`: they are part of a walk over everything.
    fn fetch(
        &self,
        wanted: &[Wanted],
        ahead: Option<&mut Ahead>,
        into: &mut VecDeque<EventRef>,
    ) -> Result<usize, ReadError>;

    /// Looks at the first record of a stretch; it may be looked at twice.
    fn first_of(&self, stretch: &Stretch, look: &mut dyn FnMut(&Record<'_>)) -> Result<(), ReadError>;

    /// The records of a stretch, one after the other.
    fn stretch(&self, stretch: &Stretch) -> Result<AlignedVec, ReadError>;

    /// What each partition has, by partition.
    fn segments(&self) -> Result<Vec<Segment>, ReadError>;

    /// The runs of a partition, in the order of positions.
    fn runs(&self, partition: u32) -> Result<Vec<Run>, ReadError>;

    /// The records of a run, in their order.
    fn records(&self, run: &Run) -> Result<Box<dyn RunReader>, ReadError>;

    /// The store and the epoch that its files say they were written in.
    fn written_by(&self) -> Result<(StoreId, u64), ReadError>;

    /// Checks that its files are those that the manifest names. Nothing but their headers is read.
    fn check(&self) -> Result<(), ReadError>;

    /// Its files, relative to the store's folder.
    fn files(&self) -> Vec<String>;

    /// Begins to read one of its files again, past every cache.
    fn reread(&self, path: &str) -> Result<Box<dyn Reread>, ReadError>;

    /// A damage of its records, where the index and they contradict each other.
    fn damaged(&self, offset: u64, problem: &str) -> ReadError;
}

/// The records of a run, one at a time; before the first [`RunReader::advance`] there is no current one.
pub(crate) trait RunReader {
    /// Goes on to the next record. False: there is none.
    fn advance(&mut self) -> Result<bool, ReadError>;

    /// The current record, and its offset as [`Wanted::place`] has it.
    fn current(&self) -> Option<(u64, Record<'_>)>;
}

/// A file that is read again, to find what the medium has lost.
pub(crate) trait Reread: Send {
    /// Checks the next piece; returns how many bytes that were. `None`: there is no more.
    fn check_next(&mut self) -> Result<Option<u64>, ReadError>;

    /// The length of the whole file, in bytes.
    fn file_bytes(&self) -> u64;
}
