//! The files of a generation: once they are replaced, dropping the last reference removes them.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use allsource_format::manifest::{Generation as Entry, Manifest};

use super::DIR;
use crate::error::OpenError;
use crate::holder::Holder;
use crate::platform::Disk;

/// The files of a generation, shared by all that may open one.
pub(super) struct Files {
    disk: Arc<dyn Disk>,
    index: String,
    holder: Arc<dyn Holder>,
    /// Has the files removed with the last reference: another generation holds their events.
    is_replaced: AtomicBool,
}

impl Files {
    pub(super) fn of(entry: &Entry, holder: Arc<dyn Holder>, disk: Arc<dyn Disk>) -> Self {
        let index = entry.index.name.clone();
        Self { disk, index, holder, is_replaced: AtomicBool::new(false) }
    }

    pub(super) fn replace(&self) {
        self.is_replaced.store(true, Ordering::Release);
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        if *self.is_replaced.get_mut() {
            self.holder.remove();
            remove(&*self.disk, std::slice::from_ref(&self.index));
        }
    }
}

/// Removes the files of a generation that no manifest names, and their temporary names. The next opening removes what
/// cannot be removed now.
pub(crate) fn remove(disk: &dyn Disk, paths: &[String]) {
    for path in paths {
        let _ = disk.remove(path);
        let _ = disk.remove(&format!("{path}.tmp"));
    }
}

/// Removes files that belong to no generation of the manifest: left by work that was not published, or replaced shortly
/// before the process ended.
pub(crate) fn remove_leftovers(disk: &dyn Disk, manifest: &Manifest) -> io::Result<()> {
    let files = manifest.generations.iter().flat_map(Entry::files);
    let known: BTreeSet<String> = files.map(|file| file.name.clone()).collect();
    let names = match disk.list(DIR) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        names => names?,
    };
    let ours = names.iter().filter(|name| is_ours(name)).map(|name| format!("{DIR}/{name}"));
    ours.filter(|path| !known.contains(path)).try_for_each(|path| match disk.remove(&path) {
        // A folder of such a name is not the store's.
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => Ok(()),
        removed => removed,
    })
}

/// Whether a name is that of a segments file or an index, complete or being written: `FIRST-LAST.seg` or
/// `FIRST-LAST.idx`, either with `.tmp` appended.
pub(super) fn is_ours(name: &str) -> bool {
    let stem = name.strip_suffix(".tmp").unwrap_or(name);
    let Some((range, end)) = stem.split_once('.') else { return false };
    let is_position = |text: &str| text.len() == 20 && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_range = range.split_once('-').is_some_and(|(first, last)| is_position(first) && is_position(last));
    is_range && matches!(end, "seg" | "idx")
}

/// Whether there are sealed files.
pub(crate) fn is_any(disk: &dyn Disk) -> Result<bool, OpenError> {
    let listed = |dir: &str| match disk.list(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        names => names.map_err(|error| OpenError::io(format!("list {dir}"), error)),
    };
    Ok(listed(DIR)?.iter().any(|name| is_ours(name)))
}
