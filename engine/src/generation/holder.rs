//! The seam between finding events and holding them. An index says where the events of a generation lie; a holder
//! returns them, and alone knows the layout of its files.

use std::collections::VecDeque;
use std::ops::Range;

use allsource_format::StoreId;
use allsource_format::index::Stretch;
use allsource_format::record::Record;
use allsource_format::segment::{Run, Segment};
use rkyv::util::AlignedVec;

use crate::error::ReadError;
use crate::event::EventRef;

/// For each partition, the byte range of the run prefetched last.
pub(crate) type Ahead = Vec<Range<u64>>;

/// An entry of an index: where an event lies, and the position it must have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    /// Encoded by [`allsource_format::segment::place`]; the holder interprets the offset.
    pub(crate) place: u64,
    pub(crate) position: u64,
}

/// The records of a generation.
pub(crate) trait Holder: Send + Sync {
    /// Adds the events of the first of these places, in order: as many as fit into a block, and at least one. Returns
    /// how many. `ahead`: the state of prefetching, for a scan.
    fn fetch(
        &self,
        wanted: &[Wanted],
        ahead: Option<&mut Ahead>,
        into: &mut VecDeque<EventRef>,
    ) -> Result<usize, ReadError>;

    /// Calls `look` with the first record of a stretch; it may be called twice.
    fn first_of(&self, stretch: &Stretch, look: &mut dyn FnMut(&Record<'_>)) -> Result<(), ReadError>;

    /// A copy of the records of a stretch.
    fn stretch(&self, stretch: &Stretch) -> Result<AlignedVec, ReadError>;

    /// The segments, in the order of partitions.
    fn segments(&self) -> Result<Vec<Segment>, ReadError>;

    /// The runs of a partition, in the order of positions.
    fn runs(&self, partition: u32) -> Result<Vec<Run>, ReadError>;

    /// The records of a run, in their order.
    fn records(&self, run: &Run) -> Result<Box<dyn RunReader>, ReadError>;

    /// The store and the epoch that its files say they were written in.
    fn written_by(&self) -> Result<(StoreId, u64), ReadError>;

    /// Checks that its files are those that the manifest names. Reads only their headers.
    fn check(&self) -> Result<(), ReadError>;

    /// Its files, relative to the store's folder.
    fn files(&self) -> Vec<String>;

    /// Starts reading one of its files again, past every cache.
    fn reread(&self, path: &str) -> Result<Box<dyn Reread>, ReadError>;

    /// An error that reports damage of its records, such as a contradiction with the index.
    fn damaged(&self, offset: u64, problem: &str) -> ReadError;
}

/// The records of a run, one at a time; before the first [`RunReader::advance`] there is no current one.
pub(crate) trait RunReader {
    /// Advances to the next record. False: there is none.
    fn advance(&mut self) -> Result<bool, ReadError>;

    /// The current record, and its offset as [`Wanted::place`] has it.
    fn current(&self) -> Option<(u64, Record<'_>)>;
}

/// A file read again to find damage of the medium.
pub(crate) trait Reread: Send {
    /// Checks the next piece and returns its length in bytes; `None`: the file ends.
    fn check_next(&mut self) -> Result<Option<u64>, ReadError>;

    /// The length of the whole file, in bytes.
    fn file_bytes(&self) -> u64;
}
