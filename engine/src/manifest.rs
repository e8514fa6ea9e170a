//! Manifests: read at open, written whenever the files of the store change.

mod catalog;

use std::io;
use std::sync::Arc;

use allsource_format::FormatError;
use allsource_format::limits::{GENERATIONS_MAX, LINEAGE_MAX};
use allsource_format::manifest::{ENTRY_BYTES_MAX, Generation, INCARNATION_BYTES, Manifest};

use crate::error::{Damage, OpenError};
use crate::number::index;
use crate::platform::{Disk, DiskFile, with_size};

pub(crate) use catalog::{Catalog, PublishError};

/// The folder of manifests.
pub(crate) const DIR: &str = "manifest";
/// Manifests before they are named: for the next journal file, and for a change of sealed files.
const NEXT_JOURNAL: &str = "manifest/new.tmp";
const NEXT_SEALED: &str = "manifest/sealed.tmp";

/// The room reserved for the next manifest holds this many more entries than the current one.
const SPARE_ENTRIES: usize = 64;
/// The reservation assumes at least this many bytes an entry.
const SPARE_ENTRY_BYTES: usize = 256;
/// The maximum length of a manifest.
const BYTES_MAX: usize = (64 << 10) + LINEAGE_MAX * INCARNATION_BYTES + GENERATIONS_MAX * ENTRY_BYTES_MAX;

fn path_of(number: u64) -> String {
    format!("{DIR}/{number:020}")
}

/// The number in the name of a manifest; `None`: the file is not a manifest.
fn number_of(name: &str) -> Option<u64> {
    let number = name.parse().ok()?;
    (path_of(number).strip_prefix(DIR)?.strip_prefix('/')? == name).then_some(number)
}

/// The numbers of the manifests, in ascending order.
fn numbers(disk: &dyn Disk) -> io::Result<Vec<u64>> {
    let names = match disk.list(DIR) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        names => names?,
    };
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| number_of(name)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// The current manifest, which is the one with the highest number; `None`: there is no store here yet.
///
/// A manifest is named only after its bytes are durable, so a named one that cannot be decoded is damage.
pub(crate) fn read(disk: &dyn Disk) -> Result<Option<Manifest>, OpenError> {
    let numbers = numbers(disk).map_err(|error| OpenError::io("list manifests", error))?;
    numbers.last().map(|number| load(disk, *number)).transpose()
}

/// The newest manifest that can be read, and the damage to those after it.
pub(crate) fn newest_readable(disk: &dyn Disk) -> Result<(Option<Manifest>, Vec<Damage>), OpenError> {
    let numbers = numbers(disk).map_err(|error| OpenError::io("list manifests", error))?;
    let mut damages = Vec::new();
    for number in numbers.into_iter().rev() {
        match load(disk, number) {
            Ok(manifest) => return Ok((Some(manifest), damages)),
            Err(OpenError::Damaged(damage)) => damages.push(damage),
            Err(OpenError::Io { error, .. }) => damages.push(Damage::new(path_of(number), 0, error)),
            Err(error) => return Err(error),
        }
    }
    Ok((None, damages))
}

fn load(disk: &dyn Disk, number: u64) -> Result<Manifest, OpenError> {
    let path = path_of(number);
    let bytes = read_file(disk, &path).map_err(|error| OpenError::io(format!("read {path}"), error))?;
    match Manifest::decode(&bytes) {
        Ok(manifest) if manifest.number == number => Ok(manifest),
        Ok(_) => Err(Damage::new(path, 0, "the number inside is not the one in its name").into()),
        Err(problem @ FormatError::Newer { .. }) => Err(OpenError::Newer { file: path, problem }),
        Err(problem @ (FormatError::Older { .. } | FormatError::Kind { .. })) => {
            Err(OpenError::Unsupported { file: path, problem })
        }
        Err(problem) => Err(Damage::new(path, 0, problem).into()),
    }
}

/// What was found by checking all manifests.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    /// Manifests read.
    pub(crate) files: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// What is damaged or cannot be read now.
    pub(crate) damage: Vec<Damage>,
}

/// Checks all manifests, the current one included.
pub(crate) fn check_all(disk: &dyn Disk) -> Result<Checked, OpenError> {
    let mut checked = Checked::default();
    for number in numbers(disk).map_err(|error| OpenError::io("list manifests", error))? {
        let path = path_of(number);
        match read_file(disk, &path) {
            Ok(bytes) => {
                checked.files += 1;
                checked.bytes += bytes.len() as u64;
                let problem = Manifest::decode(&bytes).err();
                checked.damage.extend(problem.map(|problem| Damage::new(path, 0, problem)));
            }
            Err(error) => checked.damage.push(Damage::new(path, 0, error)),
        }
    }
    Ok(checked)
}

fn read_file(disk: &dyn Disk, path: &str) -> io::Result<Vec<u8>> {
    let file = disk.open_read_only(path)?;
    let length = index(file.length()?).min(BYTES_MAX + 1);
    let mut bytes = vec![0; length];
    file.read_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// Reserves room for the next manifest, so that a full disk cannot come between a journal file and its manifest.
pub(crate) fn reserve(disk: &dyn Disk, manifest: &Manifest) -> io::Result<Arc<dyn DiskFile>> {
    let longest = manifest.generations.iter().map(Generation::encoded_bytes).max().unwrap_or(0);
    let spare = SPARE_ENTRIES * longest.max(SPARE_ENTRY_BYTES) + INCARNATION_BYTES;
    let room = create(disk, NEXT_JOURNAL, (manifest.encoded_bytes() + spare) as u64)?;
    room.sync()?;
    Ok(room)
}

/// Reserves room for the manifest of an opening, and no more: the disk may be nearly full.
pub(crate) fn reserve_for_opening(disk: &dyn Disk, manifest: &Manifest) -> io::Result<Arc<dyn DiskFile>> {
    let room = create(disk, NEXT_JOURNAL, (manifest.encoded_bytes() + INCARNATION_BYTES) as u64)?;
    room.sync()?;
    Ok(room)
}

fn create(disk: &dyn Disk, path: &str, length: u64) -> io::Result<Arc<dyn DiskFile>> {
    match disk.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    disk.create(path, length).map_err(|error| with_size(error, path, length))
}

fn write(manifest: &Manifest, room: &dyn DiskFile) -> io::Result<()> {
    let bytes = manifest.encode();
    room.write_at(&bytes, 0)?;
    room.truncate(bytes.len() as u64)?;
    room.sync()
}

fn name(disk: &dyn Disk, manifest: &Manifest, path: &str) -> io::Result<()> {
    disk.rename(path, &path_of(manifest.number))?;
    disk.sync_dir(DIR)
}

/// Writes a manifest into its reserved room and names it once it is durable. The room must have been reserved by this
/// opening: after a crash, an unnamed file may be a second name of the current manifest.
pub(crate) fn publish(disk: &dyn Disk, manifest: &Manifest, room: &dyn DiskFile) -> Result<(), PublishError> {
    write(manifest, room).map_err(PublishError::Unwritten)?;
    name(disk, manifest, NEXT_JOURNAL).map_err(PublishError::Unknown)
}

/// Records in a new manifest that the journal reaches to the file of this number, so that its loss is noticed, with all
/// other changes. The new manifest is the current one once this succeeds.
pub(crate) fn note_journal(
    disk: &dyn Disk,
    manifest: &mut Manifest,
    last_journal: u64,
    room: &dyn DiskFile,
) -> Result<(), PublishError> {
    assert!(last_journal >= manifest.last_journal, "no journal file of the store is forgotten");
    assert!(last_journal >= manifest.first_journal, "the last journal file is not before the first");
    let next = Manifest { number: manifest.number + 1, last_journal, ..manifest.clone() };
    publish(disk, &next, room)?;
    *manifest = next;
    remove_old(disk, manifest.number);
    Ok(())
}

/// Removes all manifests but the one of this number and the one before it. One that cannot be removed now is harmless;
/// the next call tries again.
pub(crate) fn remove_old(disk: &dyn Disk, number: u64) {
    let Ok(numbers) = numbers(disk) else { return };
    let old = numbers.into_iter().filter(|old| old + 1 < number);
    old.for_each(|old| drop(disk.remove(&path_of(old))));
}

#[cfg(test)]
mod tests;
