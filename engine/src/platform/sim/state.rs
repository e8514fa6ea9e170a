//! The state of the simulated disk: files, their names, and the changes to both that a crash may undo.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;

use super::fault::{Faults, Seeded};
use super::inode::Inode;

/// One operation of the disk, for counting and tracing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Op {
    /// What was done.
    pub verb: &'static str,
    /// To which file or folder.
    pub path: String,
    /// Where in the file.
    pub offset: u64,
    /// How many bytes.
    pub length: u64,
}

pub(super) type InodeId = usize;

/// A change of a name that a crash may undo: the folder has not been synced since.
#[derive(Debug, Clone)]
pub(super) struct NameChange {
    pub(super) path: String,
    pub(super) inode: Option<InodeId>,
}

#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) inodes: Vec<Inode>,
    /// Names as readers see them.
    pub(super) names: BTreeMap<String, InodeId>,
    /// Names that survive a crash.
    pub(super) durable_names: BTreeMap<String, InodeId>,
    pub(super) pending_names: Vec<NameChange>,
    pub(super) faults: Faults,
    pub(super) random: Seeded,
    pub(super) ops: u64,
    pub(super) trace: Option<Vec<Op>>,
    pub(super) locked: bool,
    /// Files that are open now, and the most that ever were.
    pub(super) open_files: usize,
    pub(super) most_open_files: usize,
    /// Ranges of files that cannot be read from the medium.
    pub(super) unreadable: Vec<(String, Range<u64>)>,
    /// The store's own folder was created, and a crash may undo that: the folder above has not been synced since.
    pub(super) is_root_there: bool,
    pub(super) is_root_pending: bool,
}

impl State {
    /// An empty disk whose faults are drawn from `seed`.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            inodes: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            pending_names: Vec::new(),
            faults: Faults::default(),
            random: Seeded::new(seed),
            ops: 0,
            trace: None,
            locked: false,
            open_files: 0,
            most_open_files: 0,
            unreadable: Vec::new(),
            is_root_there: false,
            is_root_pending: false,
        }
    }

    /// Counts the operation, and fails it when the power is out.
    pub(super) fn begin(
        &mut self,
        verb: &'static str,
        path: &str,
        offset: u64,
        length: usize,
    ) -> io::Result<()> {
        if let Some(trace) = &mut self.trace {
            trace.push(Op { verb, path: path.to_owned(), offset, length: length as u64 });
        }
        let number = self.ops;
        self.ops += 1;
        match self.faults.power_cut_at {
            Some(cut) if number >= cut => Err(io::Error::other("simulated power cut")),
            _ => Ok(()),
        }
    }

    pub(super) fn inode(&mut self, id: InodeId) -> io::Result<&mut Inode> {
        self.inodes.get_mut(id).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn find(&self, path: &str) -> io::Result<InodeId> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn set_name(&mut self, path: &str, inode: Option<InodeId>) {
        match inode {
            Some(id) => self.names.insert(path.to_owned(), id),
            None => self.names.remove(path),
        };
        self.pending_names.push(NameChange { path: path.to_owned(), inode });
    }

    pub(super) fn take_descriptor(&mut self) -> io::Result<()> {
        if self.faults.descriptors.is_some_and(|most| self.open_files >= most) {
            return Err(io::Error::from_raw_os_error(EMFILE));
        }
        self.open_files += 1;
        self.most_open_files = self.most_open_files.max(self.open_files);
        Ok(())
    }

    pub(super) fn is_readable(&self, path: &str, bytes: &Range<u64>) -> bool {
        let overlaps = |range: &Range<u64>| range.start < bytes.end && bytes.start < range.end;
        !self.unreadable.iter().any(|(unreadable, range)| unreadable == path && overlaps(range))
    }

    pub(super) fn fails(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.random.chance(per_mille)
    }

    pub(super) fn used_bytes(&self) -> u64 {
        self.names.values().filter_map(|id| self.inodes.get(*id)).map(|inode| inode.cached.len() as u64).sum()
    }
}

/// The number of the error "too many open files".
const EMFILE: i32 = 24;

pub(super) fn eio() -> io::Error {
    io::Error::from_raw_os_error(5)
}
