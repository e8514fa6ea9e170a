//! Opens a store: locks it, reads its manifest, recovers its journal. Nothing is served before all of that succeeds.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use allsource_format::manifest::{Incarnation, Lineage, Manifest};

use crate::error::{Damage, OpenError};
use crate::generation;
use crate::journal::{self, Cursor, Examined, Recovered};
use crate::load::Loader;
use crate::manifest::{self, PublishError};
use crate::options::Options;
use crate::planted::{self, Bug};
use crate::platform::{Clock, Disk, DiskFile, DiskLock, Entropy};
use crate::snapshot;
use crate::tail::Tail;

/// The file that keeps a second opener out.
const LOCK: &str = "LOCK";

/// The folder of the server's own log, which is a separate store.
const SYSTEM: &str = "system";
/// The folder of data derived from the log.
const DERIVED: &str = "derived";

/// Names that file systems, network shares and desktops create in any folder.
const OF_SYSTEMS: [&str; 14] = [
    "lost+found",
    ".DS_Store",
    ".fseventsd",
    ".Spotlight-V100",
    ".Trashes",
    ".snapshot",
    ".snapshots",
    ".zfs",
    "@eaDir",
    "#recycle",
    "#snapshot",
    "@Recycle",
    "System Volume Information",
    "Thumbs.db",
];
const OF_SYSTEMS_BEGIN: [&str; 3] = [".Trash-", ".nfs", "._"];

/// A store that is ready to be written.
pub(crate) struct Opened {
    pub(crate) lock: Box<dyn DiskLock>,
    pub(crate) manifest: Manifest,
    /// Number and first position of the journal files.
    pub(crate) journals: Vec<(u64, u64)>,
    pub(crate) tail: Tail,
    pub(crate) last_recorded_at: i64,
    pub(crate) cursor: Cursor,
    pub(crate) file: Arc<dyn DiskFile>,
    /// The disk had no room for what the next append needs.
    pub(crate) is_without_room: bool,
}

/// What a store runs on.
pub(crate) struct Machine {
    pub(crate) disk: Arc<dyn Disk>,
    /// The name of the store's folder in messages.
    pub(crate) path: PathBuf,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

/// Opens the store on a machine, creating it if there is none.
pub(crate) fn open(machine: &Machine, options: &Options) -> Result<Opened, OpenError> {
    options.check()?;
    let (disk, path) = (&*machine.disk, &*machine.path);
    disk.create_dir("").map_err(|error| OpenError::io(format!("create {}", path.display()), error))?;
    let lock = lock(disk, path)?;
    if !planted::is(Bug::SkipParentSync) {
        let what = || format!("sync the folder that holds {}", path.display());
        disk.sync_parent().map_err(|error| OpenError::io(what(), error))?;
    }
    let mut manifest = match manifest::read(disk)? {
        Some(manifest) => manifest,
        None => create(machine, options)?,
    };
    make_folders(disk)?;
    manifest::remove_old(disk, manifest.number);
    let mut loader = loader(&manifest);
    let examined = journal::examine(disk, &manifest, &mut |frame, path| loader.add(frame, path))?;
    check_reaches(&manifest, &examined)?;
    let (tail, last_recorded_at) = loader.finish();
    // Removed before anything is written: a full disk needs the room.
    journal::remove_leftovers(disk, manifest.first_journal)
        .and_then(|()| generation::remove_leftovers(disk, &manifest))
        .map_err(|error| OpenError::io("remove what is no longer part of the store", error))?;
    let mut journals: Vec<(u64, u64)> =
        examined.headers.iter().map(|header| (header.number, header.first_position)).collect();
    // Reserved before the journal takes the remaining room.
    let room = match manifest::reserve_for_opening(disk, &manifest) {
        Err(error) if journal::is_full(&error) => None,
        room => Some(room.map_err(|error| OpenError::io("make room for a manifest", error))?),
    };
    let Recovered { mut cursor, file, mut is_without_room } = journal::recover(disk, &manifest, examined)?;
    if journals.last().is_none_or(|(number, _)| *number < cursor.header.number) {
        journals.push((cursor.header.number, cursor.header.first_position));
    }
    assert_eq!(tail.last_position() + 1, cursor.next_position, "the tail ends where the journal does");
    let incarnation =
        Incarnation { id: machine.entropy.uuid().into_bytes(), first_position: cursor.next_position };
    if !planted::is(Bug::ForgetIncarnation) || manifest.lineage.incarnations().is_empty() {
        manifest.lineage.push(incarnation);
    }
    let recorded = room.map(|room| manifest::note_journal(disk, &mut manifest, cursor.header.number, &*room));
    match recorded {
        Some(Ok(())) => {}
        // Without room for a manifest the store serves only reads. The next journal file comes with its own manifest,
        // which records the incarnation before anything is written.
        None => is_without_room = true,
        Some(Err(PublishError::Unwritten(error))) if journal::is_full(&error) => is_without_room = true,
        Some(Err(error)) => return Err(OpenError::io("write a manifest", error.into())),
    }
    if is_without_room {
        cursor.end_file_here();
    }
    Ok(Opened { lock, manifest, journals, tail, last_recorded_at, cursor, file, is_without_room })
}

/// A loader that puts the journal's events into a tail after the sealed position.
pub(crate) fn loader(manifest: &Manifest) -> Loader {
    let last_recorded_at = manifest.generations.last().map_or(i64::MIN, |sealed| sealed.last_recorded_at);
    Loader::into_tail(Tail::after(manifest.sealed_position(), manifest.sequences.clone()), last_recorded_at)
}

/// Checks that the journal holds every event that is not sealed. It begins at or before the first of them, and does not
/// end before the sealed position, because it was durable up to there before that was published.
pub(crate) fn check_reaches(manifest: &Manifest, examined: &Examined) -> Result<(), Damage> {
    let sealed = manifest.sealed_position();
    if let Some(header) = examined.headers.first()
        && header.first_position > sealed + 1
    {
        let position = header.first_position;
        let problem =
            format!("the journal begins at position {position}, after the sealed position {sealed}");
        return Err(Damage::new(journal::path_of(header.number), 0, problem));
    }
    match &examined.end {
        None if sealed > 0 => Err(Damage::new(journal::DIR, 0, "there is no journal file")),
        Some(end) if end.next_position <= sealed => {
            let path = journal::path_of(end.header.number);
            let problem = format!("the journal ends before the sealed position {sealed}");
            Err(Damage::new(path, end.file_offset(), problem))
        }
        _ => Ok(()),
    }
}

/// Takes the lock of a store.
pub(crate) fn lock(disk: &dyn Disk, path: &Path) -> Result<Box<dyn DiskLock>, OpenError> {
    disk.lock(LOCK).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => OpenError::InUse(path.to_owned()),
        _ => OpenError::io(format!("lock {}", path.join(LOCK).display()), error),
    })
}

/// Keeps writers out while a store is inspected, and writes nothing; `None`: the store has never been opened.
pub(crate) fn lock_shared(disk: &dyn Disk, path: &Path) -> Result<Option<Box<dyn DiskLock>>, OpenError> {
    disk.lock_shared(LOCK).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => OpenError::InUse(path.to_owned()),
        _ => OpenError::io(format!("lock {}", path.join(LOCK).display()), error),
    })
}

fn create(machine: &Machine, options: &Options) -> Result<Manifest, OpenError> {
    let disk = &*machine.disk;
    check_vacant(disk, &machine.path)?;
    make_folders(disk)?;
    let manifest = Manifest {
        store: machine.entropy.uuid().into_bytes(),
        number: 1,
        created_at: machine.clock.now_micros(),
        first_journal: 1,
        last_journal: 0,
        journal_file_bytes: options.journal_file_bytes,
        partitions: options.partitions,
        lineage: Lineage::default(),
        generations: Vec::new(),
        sequences: vec![0; options.partitions as usize],
    };
    manifest::reserve(disk, &manifest)
        .map_err(PublishError::Unwritten)
        .and_then(|room| manifest::publish(disk, &manifest, &*room))
        .map_err(|error| OpenError::io("create the store", error.into()))?;
    Ok(manifest)
}

/// Creates missing folders, which tools that skip empty ones leave out of a copy, and makes every name in them durable:
/// a process that named a file may have been killed before its sync, and a crash could then keep the name of a later
/// file and lose the earlier one.
fn make_folders(disk: &dyn Disk) -> Result<(), OpenError> {
    let dirs = [manifest::DIR, journal::DIR, generation::DIR, snapshot::DIR, journal::QUARANTINE];
    for dir in dirs {
        disk.create_dir(dir).map_err(|error| OpenError::io(format!("create the folder {dir}"), error))?;
    }
    for dir in ["", manifest::DIR, journal::DIR, generation::DIR] {
        disk.sync_dir(dir).map_err(|error| OpenError::io(format!("sync the folder {dir:?}"), error))?;
    }
    Ok(())
}

/// A store is created only in an empty folder: not beside other files, and not over the remains of a store that lost
/// its manifest.
fn check_vacant(disk: &dyn Disk, path: &Path) -> Result<(), OpenError> {
    let names = disk.list("").map_err(|error| OpenError::io("list the folder", error))?;
    if let Some(stranger) = names.iter().find(|name| !is_expected(name)) {
        let problem = format!("it holds other files, such as {stranger:?}; choose an empty folder");
        return Err(OpenError::NotAStore { path: path.to_owned(), problem });
    }
    let left = match () {
        () if journal::is_any(disk)? => "journal files",
        () if generation::is_any(disk)? => "sealed files",
        () if names.iter().any(|name| name == SYSTEM) => "a system log",
        () => return Ok(()),
    };
    Err(Damage::new(manifest::DIR, 0, format!("the folder holds {left} but no manifest")).into())
}

/// Whether a name in the store's folder is the store's own, or one that systems create in any folder.
fn is_expected(name: &str) -> bool {
    let own = [
        LOCK,
        manifest::DIR,
        journal::DIR,
        generation::DIR,
        snapshot::DIR,
        journal::QUARANTINE,
        SYSTEM,
        DERIVED,
    ];
    own.contains(&name)
        || OF_SYSTEMS.contains(&name)
        || OF_SYSTEMS_BEGIN.iter().any(|begin| name.starts_with(begin))
}

#[cfg(test)]
mod tests;
