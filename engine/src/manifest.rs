//! The manifest: read at open, written when a store is created.

use std::io;
use std::sync::Arc;

use allsource_format::FormatError;
use allsource_format::manifest::{BYTES, Manifest};

use crate::error::{Damage, OpenError};
use crate::platform::{Disk, DiskFile};

/// The folder of manifests.
pub(crate) const DIR: &str = "manifest";
const UNNAMED: &str = "manifest/new.tmp";

fn path_of(number: u64) -> String {
    format!("{DIR}/{number:020}")
}

/// The manifest that counts: the one of the highest number; `None`: there is no store here yet.
///
/// A manifest gets its name only after its bytes are durable, so a named one that does not read is damage.
pub(crate) fn read(disk: &dyn Disk) -> Result<Option<Manifest>, OpenError> {
    let names = match disk.list(DIR) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(OpenError::io("list manifests", error)),
    };
    let numbers = names.iter().filter(|name| name.len() == 20).filter_map(|name| name.parse::<u64>().ok());
    let Some(number) = numbers.max() else { return Ok(None) };
    let path = path_of(number);
    let bytes = read_file(disk, &path).map_err(|error| OpenError::io(format!("read {path}"), error))?;
    match Manifest::decode(&bytes) {
        Ok(manifest) if manifest.number == number => Ok(Some(manifest)),
        Ok(_) => Err(Damage::new(path, 0, "the number inside is not the one in its name").into()),
        Err(problem @ FormatError::Newer { .. }) => Err(OpenError::Newer { file: path, problem }),
        Err(problem) => Err(Damage::new(path, 0, problem).into()),
    }
}

/// Checks the manifests that are kept beside the one that counts; returns how many there are in all.
pub(crate) fn check_all(disk: &dyn Disk) -> Result<u64, OpenError> {
    let names = disk.list(DIR).map_err(|error| OpenError::io("list manifests", error))?;
    let named: Vec<String> = names.into_iter().filter(|name| name.len() == 20).collect();
    for name in &named {
        let path = format!("{DIR}/{name}");
        let bytes = read_file(disk, &path).map_err(|error| OpenError::io(format!("read {path}"), error))?;
        Manifest::decode(&bytes).map_err(|problem| Damage::new(path, 0, problem))?;
    }
    Ok(named.len() as u64)
}

fn read_file(disk: &dyn Disk, path: &str) -> io::Result<Vec<u8>> {
    let file = disk.open_read_only(path)?;
    let length = usize::try_from(file.length()?).unwrap_or(usize::MAX).min(BYTES + 1);
    let mut bytes = vec![0; length];
    file.read_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// Takes the room of the next manifest while there is some, so that a full disk cannot come between a journal file
/// and its manifest.
pub(crate) fn reserve(disk: &dyn Disk) -> io::Result<Arc<dyn DiskFile>> {
    let room = create_unnamed(disk)?;
    room.sync()?;
    Ok(room)
}

fn create_unnamed(disk: &dyn Disk) -> io::Result<Arc<dyn DiskFile>> {
    match disk.remove(UNNAMED) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    disk.create(UNNAMED, BYTES as u64)
}

/// Writes a manifest into the room reserved for it and gives it its name once it is durable. The room must be of
/// this opening: after a crash an unnamed file may be another name of a manifest that counts.
pub(crate) fn publish(disk: &dyn Disk, manifest: &Manifest, room: &dyn DiskFile) -> io::Result<()> {
    room.write_at(&manifest.encode(), 0)?;
    room.sync()?;
    disk.rename(UNNAMED, &path_of(manifest.number))?;
    disk.sync_dir(DIR)
}

/// Notes in a new manifest that the journal reaches to the file of this number, so that its loss is noticed.
/// The manifest before it is kept, older ones are not.
pub(crate) fn note_journal(
    disk: &dyn Disk,
    manifest: &mut Manifest,
    last_journal: u64,
    room: &dyn DiskFile,
) -> io::Result<()> {
    if manifest.last_journal >= last_journal {
        return Ok(());
    }
    *manifest = Manifest { number: manifest.number + 1, last_journal, ..*manifest };
    publish(disk, manifest, room)?;
    match disk.remove(&path_of(manifest.number.saturating_sub(2))) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
