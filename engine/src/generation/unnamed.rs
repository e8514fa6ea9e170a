//! Generations that no readable manifest names: what a dump reads when the newest manifest is damaged.

use std::io;
use std::sync::Arc;

use allsource_format::manifest::{File, Generation as Entry, Kind as Held, Manifest, Role};
use allsource_format::sealed::{Header, Kind};

use super::DIR;
use crate::error::ReadError;
use crate::options::ReadMode;
use crate::platform::Disk;
use crate::sealed::SealedFile;

/// What [`unnamed`] finds.
#[derive(Default)]
pub(crate) struct Unnamed {
    pub(crate) entries: Vec<Entry>,
    /// Why other segments files of the folder cannot be read.
    pub(crate) errors: Vec<ReadError>,
}

/// The entries of the store's segments files that a manifest does not name, put together from their headers.
///
/// # Errors
/// When the system refuses to list the folder.
pub(crate) fn unnamed(disk: &Arc<dyn Disk>, manifest: &Manifest) -> io::Result<Unnamed> {
    let names = match disk.list(DIR) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        names => names?,
    };
    let mut unnamed = Unnamed::default();
    for name in names {
        let Some(stem) = name.strip_suffix(".seg").filter(|_| super::files::is_ours(&name)) else { continue };
        let path = format!("{DIR}/{name}");
        if manifest.generations.iter().any(|entry| entry.records.name == path) {
            continue;
        }
        match file(disk, path, Role::Records, Kind::Segments) {
            Ok((header, _)) if header.store != manifest.store => {}
            Ok((header, segments)) => {
                let path = format!("{DIR}/{stem}.idx");
                let index = match file(disk, path.clone(), Role::Index, Kind::Index) {
                    Ok((header, index)) if header.source_crc == segments.checksum => index,
                    // It does not fit or cannot be read; the records are read without it.
                    _ => File { role: Role::Index, name: path, bytes: 0, checksum: 0 },
                };
                unnamed.entries.push(entry(&header, segments, index));
            }
            Err(error) => unnamed.errors.push(error),
        }
    }
    Ok(unnamed)
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
