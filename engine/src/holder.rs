//! The seam between finding events and holding them. The index of a generation says where its events lie; a holder
//! returns them, and it alone knows the layout of its files. Reading, merging, scrubbing, verifying, salvaging and
//! removing use nothing else.
//!
//! The standard holder keeps records in a segments file. [`Holders`] puts another one in its place, from a crate of its
//! own if need be.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use allsource_format::StoreId;
use allsource_format::index::{Stretch, partition_and_offset};
use allsource_format::manifest::Generation as Entry;
use allsource_format::record::Record;
use rkyv::util::AlignedVec;
use smallvec::SmallVec;

use crate::error::ReadError;
use crate::number::offset_in_block;
use crate::platform::Disk;

/// Events share blocks of up to this many bytes: holding one event keeps its whole block in memory.
const BLOCK_BYTES: usize = 1 << 20;

/// Where a holder keeps a record, as it reported when the index was built. It is above 0 and has 48 bits. A record of a
/// run that lies at the address of the one before it plus the length of that one in bytes can join its stretch.
pub type Address = u64;

/// A record to fetch.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// As the index encodes it: 16 bytes of each of many are moved about.
    place: u64,
    position: u64,
}

impl Wanted {
    pub(crate) fn at(place: u64, position: u64) -> Self {
        Self { place, position }
    }

    /// Its partition.
    #[inline]
    pub fn partition(&self) -> u32 {
        partition_and_offset(self.place).0
    }

    /// Where the index says that it lies.
    #[inline]
    pub fn address(&self) -> Address {
        partition_and_offset(self.place).1
    }

    /// The position it must have.
    #[inline]
    pub fn position(&self) -> u64 {
        self.position
    }
}

/// Consecutive events of one partition, sorted by tenant, entity and version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its partition.
    pub partition: u32,
    /// Its number, counted from 0 in each partition.
    pub number: u64,
    /// Lowest position.
    pub first_position: u64,
    /// Highest position.
    pub last_position: u64,
    /// Length of its records in bytes.
    pub bytes: u64,
}

/// The records of a generation.
///
/// Every method may be called from several threads at once. Records that are passed on have been checked with
/// [`Record::at`], and their checksums, as far as the holder has any, with them.
pub trait Holder: Send + Sync {
    /// Copies the first of these records, in order, until [`Copied::has_room`] says no, or another record than the wanted
    /// one lies at an address, or none. An address may be any number. `ahead`: what the scan in progress has prefetched.
    ///
    /// # Errors
    /// Damage, or a refusal of the system.
    fn fetch(&self, wanted: &[Wanted], ahead: Option<&mut Ahead>, into: &mut Copied)
    -> Result<(), ReadError>;

    /// Calls `look` with the first record of a stretch; it may be called twice, and the last call counts. False: no
    /// record begins there.
    ///
    /// # Errors
    /// Damage, or a refusal of the system.
    fn first_of(&self, stretch: &Stretch, look: &mut dyn FnMut(&Record<'_>)) -> Result<bool, ReadError>;

    /// A copy of the records of a stretch, one after the other; empty: it does not lie within the records. The caller
    /// checks which records they are.
    ///
    /// # Errors
    /// Damage, or a refusal of the system.
    fn stretch(&self, stretch: &Stretch) -> Result<AlignedVec, ReadError>;

    /// Sequence of its first event of a partition; `None`: it holds none.
    ///
    /// # Errors
    /// Damage, or a refusal of the system.
    fn first_sequence(&self, partition: u32) -> Result<Option<u64>, ReadError>;

    /// The runs of a partition, in the order of positions; empty: it holds no events of it.
    ///
    /// # Errors
    /// Damage, or a refusal of the system.
    fn runs(&self, partition: u32) -> Result<Vec<Run>, ReadError>;

    /// The records of a run, in their order.
    ///
    /// # Errors
    /// Damage, or a refusal of the system.
    fn records(&self, run: &Run) -> Result<Box<dyn RunReader>, ReadError>;

    /// The store and the epoch in which its files say they were written.
    ///
    /// # Errors
    /// Damage, or a refusal of the system.
    fn written_by(&self) -> Result<(StoreId, u64), ReadError>;

    /// Checks, at the cost of reading headers only, that its files are those that the manifest names.
    ///
    /// # Errors
    /// Damage, or a refusal of the system.
    fn check(&self) -> Result<(), ReadError>;

    /// The names of its files; paths relative to the store's folder, if that is where they are.
    fn files(&self) -> Vec<String>;

    /// Starts reading one of its files again, past every cache.
    ///
    /// # Errors
    /// Damage, or a refusal of the system.
    fn reread(&self, path: &str) -> Result<Box<dyn Reread>, ReadError>;

    /// Removes its files: no manifest names them, and no reader is left. What cannot be removed now is removed by the
    /// next opening.
    fn remove(&self);

    /// An error that reports damage of its records, such as a contradiction with the index.
    fn damaged(&self, address: Address, problem: &str) -> ReadError;
}

/// The records of a run, one at a time; before the first [`RunReader::advance`] there is no current one.
pub trait RunReader {
    /// Advances to the next record. False: there is none.
    ///
    /// # Errors
    /// Damage, or a refusal of the system.
    fn advance(&mut self) -> Result<bool, ReadError>;

    /// The current record, and where it lies.
    fn current(&self) -> Option<(Address, Record<'_>)>;
}

/// A file read again to find damage of the medium.
pub trait Reread: Send {
    /// Checks the next piece and returns its length in bytes; `None`: the file ends.
    ///
    /// # Errors
    /// Damage, or a refusal of the system.
    fn check_next(&mut self) -> Result<Option<u64>, ReadError>;

    /// The length of the whole file, in bytes.
    fn file_bytes(&self) -> u64;
}

/// What a scan has prefetched: of each partition, the addresses announced last.
#[derive(Debug, Default)]
pub struct Ahead(Vec<Range<Address>>);

impl Ahead {
    /// The addresses of a partition that were announced last; empty: none were.
    #[inline]
    pub fn of(&mut self, partition: u32) -> &mut Range<Address> {
        let index = partition as usize;
        self.0.resize(self.0.len().max(index + 1), 0..0);
        #[expect(clippy::expect_used, reason = "the list was just made long enough")]
        self.0.get_mut(index).expect("each partition has its range")
    }
}

/// Copied records, one after the other, and where each begins.
#[derive(Debug, Default)]
pub struct Copied {
    bytes: AlignedVec,
    offsets: SmallVec<[u32; 64]>,
}

impl Copied {
    /// Makes room for about this many bytes of records.
    pub fn reserve(&mut self, bytes: usize) {
        self.bytes.reserve_exact(bytes.min(BLOCK_BYTES));
    }

    /// Whether a record of this length goes into the same block. The first one always does.
    #[inline]
    pub fn has_room(&self, record_bytes: usize) -> bool {
        self.offsets.is_empty() || self.bytes.len() + record_bytes <= BLOCK_BYTES
    }

    /// Adds a record from its bytes. False: they are not those of the wanted one, and nothing is added.
    #[inline]
    pub fn push(&mut self, bytes: &[u8], wanted: &Wanted) -> bool {
        let start = self.bytes.len();
        // Copied before any of it is looked at: a copy that waits for no other load is what a scan spends its time on.
        self.bytes.extend_from_slice(bytes);
        let is_wanted = Record::at(bytes).is_ok_and(|record| {
            record.position() == wanted.position
                && record.version() > 0
                && record.as_bytes().len() == bytes.len()
        });
        match is_wanted {
            true => self.offsets.push(offset_in_block(start)),
            false => self.bytes.resize(start, 0),
        }
        is_wanted
    }

    /// Drops the records after the first `count`.
    #[inline]
    pub fn truncate(&mut self, count: usize) {
        if let Some(end) = self.offsets.get(count) {
            self.bytes.resize(*end as usize, 0);
            self.offsets.truncate(count);
        }
    }

    /// How many records there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    pub(crate) fn into_parts(self) -> (AlignedVec, SmallVec<[u32; 64]>) {
        (self.bytes, self.offsets)
    }
}

/// Makes the holder of an entry of the manifest; `None`: the standard one of its kind. It reads nothing yet.
type Open = dyn Fn(&Entry, &Arc<dyn Disk>) -> Option<Arc<dyn Holder>> + Send + Sync;

/// Which holder a generation gets. The default: the standard one of the kind that the manifest states.
#[derive(Clone, Default)]
pub struct Holders(Option<Arc<Open>>);

impl Holders {
    /// Holders that `open` makes from the entry of the manifest and the store's disk; `None`: the standard one.
    pub fn by(
        open: impl Fn(&Entry, &Arc<dyn Disk>) -> Option<Arc<dyn Holder>> + Send + Sync + 'static,
    ) -> Self {
        Self(Some(Arc::new(open)))
    }

    pub(crate) fn open(&self, entry: &Entry, disk: &Arc<dyn Disk>) -> Option<Arc<dyn Holder>> {
        self.0.as_ref().and_then(|open| open(entry, disk))
    }
}

impl fmt::Debug for Holders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Holders::by(..)" } else { "Holders::default()" })
    }
}
