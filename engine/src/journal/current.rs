//! The journal file that is being written, for checks whether its name still leads to it.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use super::file::path_of;
use crate::platform::{Disk, DiskFile};

/// The number of the current journal file, and the open file.
pub(crate) struct Current(Mutex<(u64, Arc<dyn DiskFile>)>);

impl Current {
    pub(crate) fn new(number: u64, file: Arc<dyn DiskFile>) -> Self {
        Self(Mutex::new((number, file)))
    }

    /// Makes another file the current one. Call this after the new file has its name and before the old one may lose its
    /// own.
    pub(crate) fn replace(&self, number: u64, file: Arc<dyn DiskFile>) {
        *self.0.lock() = (number, file);
    }

    /// The path of the current file, if it leads to another file or nowhere.
    pub(crate) fn misplaced(&self, disk: &dyn Disk) -> io::Result<Option<String>> {
        let (number, file) = self.0.lock().clone();
        let Some(identity) = file.identity()? else { return Ok(None) };
        let path = path_of(number);
        let is_in_place = disk.leads_to(&path, identity)?;
        // A file that is no longer current may lose its name at any time, so this check proves nothing then.
        let is_still_current = self.0.lock().0 == number;
        Ok((!is_in_place && is_still_current).then_some(path))
    }
}
