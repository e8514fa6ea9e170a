//! A folder that is held open together with its subfolders. Names are resolved from the open folder, so moving it
//! breaks nothing, and making names durable needs no new descriptor.
#![expect(clippy::disallowed_methods, reason = "this is where files are touched")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::fs::{AtFlags, Dir, Mode, OFlags};

use super::disk::Identity;

/// A folder and those inside it, opened at first use.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// The folder itself under `""`, and those directly inside it by name.
    opened: Mutex<BTreeMap<String, Arc<File>>>,
    /// Folders on the way to this one that were created and whose names are not durable yet.
    created: Mutex<Vec<PathBuf>>,
}

const OPEN_FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl Folder {
    pub(super) fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), opened: Mutex::default(), created: Mutex::default() }
    }

    /// The path under which the folder was opened.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The open folder `dir`: `""`, or the name of one directly inside.
    fn handle(&self, dir: &str) -> io::Result<Arc<File>> {
        assert!(!dir.contains('/'), "only the folders at the top are held open");
        if let Some(handle) = self.opened.lock().get(dir) {
            return Ok(Arc::clone(handle));
        }
        let handle = match dir {
            "" => rustix::fs::open(&self.path, OPEN_FOLDER, Mode::empty())?,
            _ => rustix::fs::openat(&self.handle("")?, dir, OPEN_FOLDER, Mode::empty())?,
        };
        let handle = Arc::new(File::from(handle));
        self.opened.lock().insert(dir.to_owned(), Arc::clone(&handle));
        Ok(handle)
    }

    /// The open folder from which a path is resolved, and the rest of the path.
    fn place<'a>(&self, path: &'a str) -> io::Result<(Arc<File>, &'a str)> {
        let (dir, rest) = path.split_once('/').unwrap_or(("", path));
        assert!(!rest.is_empty() && !rest.starts_with('/'), "a path names something: {path:?}");
        Ok((self.handle(dir)?, rest))
    }

    /// Opens a file, or creates it, as the flags say.
    pub(super) fn open(&self, path: &str, flags: OFlags) -> io::Result<File> {
        let (dir, name) = self.place(path)?;
        let mode = Mode::from_raw_mode(0o666);
        Ok(File::from(rustix::fs::openat(&dir, name, flags | OFlags::CLOEXEC, mode)?))
    }

    /// Creates this folder and those above it, or a folder inside it; existing ones are no error.
    pub(super) fn create(&self, dir: &str) -> io::Result<()> {
        if dir.is_empty() {
            return self.create_root();
        }
        let ends = dir.match_indices('/').map(|(end, _)| end).chain([dir.len()]);
        for path in ends.filter_map(|end| dir.get(..end)) {
            match rustix::fs::mkdirat(&self.handle("")?, path, Mode::from_raw_mode(0o777)) {
                // An earlier handle refers to a folder of this name that was removed.
                Ok(()) => drop(self.opened.lock().remove(path)),
                Err(rustix::io::Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn create_root(&self) -> io::Result<()> {
        let is_missing = |path: &&Path| !path.as_os_str().is_empty() && fs::symlink_metadata(path).is_err();
        let missing: Vec<PathBuf> =
            self.path.ancestors().take_while(is_missing).map(Path::to_owned).collect();
        fs::create_dir_all(&self.path)?;
        self.created.lock().extend(missing);
        Ok(())
    }

    /// Makes the folder's own name durable, and those of the folders above it that were created with it.
    pub(super) fn sync_parent(&self) -> io::Result<()> {
        let mut created = self.created.lock();
        let own = fs::canonicalize(&self.path)?;
        created.iter().chain([&own]).try_for_each(|path| {
            let above = path.parent().filter(|above| !above.as_os_str().is_empty());
            let above = above.unwrap_or(Path::new(if path.is_absolute() { "/" } else { "." }));
            match File::open(above).and_then(|above| above.sync_all()) {
                // This user may not open the folder above, but can sync its file system.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => self.sync_file_system(),
                // A folder above that cannot change has nothing to sync.
                Err(error) if is_unchangeable(&error) => Ok(()),
                synced => synced,
            }
        })?;
        created.clear();
        Ok(())
    }

    fn sync_file_system(&self) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        rustix::fs::syncfs(&self.handle("")?)?;
        #[cfg(not(target_os = "linux"))]
        rustix::fs::sync();
        Ok(())
    }

    /// The names in a folder, in ascending order.
    pub(super) fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let folder = match dir.contains('/') {
            false => self.handle(dir)?,
            true => Arc::new(self.open(dir, OPEN_FOLDER)?),
        };
        let mut names = Vec::new();
        for entry in Dir::read_from(&folder)? {
            let name = entry?.file_name().to_bytes().to_owned();
            if ![&b"."[..], b".."].contains(&&name[..]) {
                names.push(std::ffi::OsStr::from_bytes(&name).to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Makes the names in a folder durable.
    pub(super) fn sync(&self, dir: &str) -> io::Result<()> {
        match dir.contains('/') {
            false => self.handle(dir)?.sync_all(),
            true => self.open(dir, OPEN_FOLDER)?.sync_all(),
        }
    }

    /// Gives a file a name that must be free.
    pub(super) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let ((old_dir, old), (new_dir, new)) = (self.place(from)?, self.place(to)?);
        match rustix::fs::statat(&new_dir, new, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(rustix::io::Errno::NOENT) => Ok(rustix::fs::renameat(&old_dir, old, &new_dir, new)?),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a file.
    pub(super) fn remove(&self, path: &str) -> io::Result<()> {
        let (dir, name) = self.place(path)?;
        Ok(rustix::fs::unlinkat(&dir, name, AtFlags::empty())?)
    }

    /// Whether a path leads to this file or folder. It is looked up from this folder on, not from those inside it that
    /// are held open: they may have lost their names.
    pub(super) fn leads_to(&self, path: &str, expected: Identity) -> io::Result<bool> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.handle("")?, path, flags, Mode::empty()) {
            Ok(found) => Ok(identity_of(&File::from(found))? == expected),
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the name of a folder directly inside still leads to the one that is held open.
    pub(super) fn is_in_place(&self, dir: &str) -> io::Result<bool> {
        match self.handle(dir) {
            Ok(held) => self.leads_to(dir, identity_of(&held)?),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

/// Which file or folder this is.
pub(super) fn identity_of(file: &File) -> io::Result<Identity> {
    let metadata = file.metadata()?;
    Ok(Identity { device: metadata.dev(), inode: metadata.ino() })
}

/// Whether a folder cannot be synced because nothing in it can change.
fn is_unchangeable(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, ReadOnlyFilesystem, Unsupported};
    matches!(error.kind(), InvalidInput | ReadOnlyFilesystem | Unsupported)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If each sync opened the folder, a rotation of the journal without free descriptors would fence the store.
    #[test]
    fn a_folder_is_opened_once_and_again_only_after_it_was_recreated() {
        let above = tempfile::tempdir().unwrap();
        let folder = Folder::at(above.path());
        folder.create("journal").unwrap();
        let handle = folder.handle("journal").unwrap();
        folder.sync("journal").unwrap();
        folder.create("journal").unwrap();
        assert!(Arc::ptr_eq(&handle, &folder.handle("journal").unwrap()));
        fs::remove_dir(above.path().join("journal")).unwrap();
        folder.create("journal").unwrap();
        assert!(!Arc::ptr_eq(&handle, &folder.handle("journal").unwrap()));
    }
}
