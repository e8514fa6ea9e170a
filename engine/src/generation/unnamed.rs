//! Generations found by their files: what a dump reads when the newest manifest is damaged.

use std::io;
use std::sync::Arc;

use allsource_format::index::{RANK_STEP, RANKS};
use allsource_format::manifest::{File, Generation as Entry, Kind as Held, Role};
use allsource_format::sealed::{Header, Kind};
use allsource_format::{StoreId, partition};

use super::DIR;
use crate::error::ReadError;
use crate::options::ReadMode;
use crate::platform::Disk;
use crate::sealed::SealedFile;

/// A generation found by its files.
pub(crate) struct Found {
    /// The store that wrote it.
    pub(crate) store: StoreId,
    /// How many partitions that store has; `None`: only an index says so.
    pub(crate) partitions: Option<u32>,
    /// What a manifest would say of it.
    pub(crate) entry: Entry,
}

/// What [`unnamed`] finds.
#[derive(Default)]
pub(crate) struct Unnamed {
    pub(crate) found: Vec<Found>,
    /// Why other segments files of the folder cannot be read.
    pub(crate) errors: Vec<ReadError>,
}

/// The entries of the segments files that are not among those named, put together from their headers.
///
/// # Errors
/// When the system refuses to list the folder.
pub(crate) fn unnamed(disk: &Arc<dyn Disk>, named: &[Entry]) -> io::Result<Unnamed> {
    let names = match disk.list(DIR) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        names => names?,
    };
    let mut unnamed = Unnamed::default();
    for name in names {
        let Some(stem) = name.strip_suffix(".seg").filter(|_| super::files::is_ours(&name)) else { continue };
        let path = format!("{DIR}/{name}");
        if named.iter().any(|entry| entry.records.name == path) {
            continue;
        }
        match file(disk, path, Role::Records, Kind::Segments) {
            Ok((header, segments)) => {
                let path = format!("{DIR}/{stem}.idx");
                let (partitions, index) = match file(disk, path.clone(), Role::Index, Kind::Index) {
                    Ok((header, index)) if header.source_crc == segments.checksum => {
                        (partitions_of(&header), index)
                    }
                    // It does not fit or cannot be read; the records are read without it.
                    _ => (None, File { role: Role::Index, name: path, bytes: 0, checksum: 0 }),
                };
                let (store, entry) = (header.store, entry(&header, segments, index));
                unnamed.found.push(Found { store, partitions, entry });
            }
            Err(error) => unnamed.errors.push(error),
        }
    }
    Ok(unnamed)
}

/// The partitions of the store of an index: a row of ranks has an entry for each.
fn partitions_of(index: &Header) -> Option<u32> {
    let rows = index.events.div_ceil(RANK_STEP);
    let partitions = (index.section(RANKS).bytes / 4).checked_div(rows)?;
    u32::try_from(partitions).ok().filter(|partitions| partition::is_valid_count(*partitions))
}

fn file(disk: &Arc<dyn Disk>, name: String, role: Role, kind: Kind) -> Result<(Header, File), ReadError> {
    let file = SealedFile::open(disk, &name, kind, ReadMode::Read)?;
    let (header, checksum) = (file.header().clone(), file.header_crc());
    let bytes = header.file_bytes();
    Ok((header, File { role, name, bytes, checksum }))
}

fn entry(header: &Header, records: File, index: File) -> Entry {
    Entry {
        kind: Held::Segments,
        first_position: header.first_position,
        last_position: header.last_position,
        events: header.events,
        min_timestamp: header.min_timestamp,
        max_timestamp: header.max_timestamp,
        // No header has it; a dump does not ask for it.
        last_recorded_at: header.max_timestamp,
        records,
        index,
    }
}
