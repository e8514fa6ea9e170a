//! Finds all damage in a journal, not only the first: each file is checked against its own header and the next file's.

use allsource_format::journal::Header;
use allsource_format::manifest::Manifest;

use super::cursor::Cursor;
use super::examine::{check_joint, lost, numbers, read_header, read_image};
use super::file::{Item, path_of, series};
use super::walk::{find_evidence, walk};
use crate::error::{Damage, OpenError};
use crate::platform::Disk;

/// The result of checking every journal file.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    /// Files read.
    pub(crate) files: u64,
    /// Bytes read.
    pub(crate) bytes: u64,
    /// What is damaged, in the order of the log.
    pub(crate) damage: Vec<Damage>,
}

/// Checks every journal file. What cannot be read now is listed with the damage, in words that say so.
///
/// # Errors
/// A newer format, or a refusal to list the folder.
pub(crate) fn audit(disk: &dyn Disk, manifest: &Manifest) -> Result<Audit, OpenError> {
    let present = numbers(disk, manifest)?;
    let mut audit = Audit::default();
    let mut headers: Vec<Option<Header>> = Vec::new();
    for item in series(&present, manifest.first_journal, manifest.last_journal) {
        let header = match item {
            Item::File(number) => match read_header(disk, manifest, number) {
                Ok(header) => Ok(header),
                Err(OpenError::Damaged(damage)) => Err(damage),
                Err(error @ OpenError::Io { .. }) => Err(Damage::new(path_of(number), 0, error)),
                Err(error) => return Err(error),
            },
            Item::Missing(damage) => Err(damage),
        };
        headers.push(header.map_err(|damage| audit.damage.push(damage)).ok());
    }
    for (index, header) in headers.iter().enumerate() {
        if let Some(header) = header {
            audit.look_at(disk, *header, headers.get(index + 1).copied().flatten());
        }
    }
    audit.damage.sort_by(|one, other| (&one.file, one.offset).cmp(&(&other.file, other.offset)));
    Ok(audit)
}

impl Audit {
    fn look_at(&mut self, disk: &dyn Disk, header: Header, next: Option<Header>) {
        let path = path_of(header.number);
        let image = match read_image(disk, &path) {
            Ok(image) => image,
            Err(error) => return self.damage.push(Damage::new(path, 0, error)),
        };
        self.files += 1;
        self.bytes += image.len() as u64;
        let mut cursor = Cursor::at_start_of(header, image.len() as u64);
        let walked = walk(&image, &mut cursor, next.map(|next| next.log_offset), |frame| {
            for item in frame.records() {
                if let Err(problem) = item {
                    let after = frame.header.first_position;
                    return Err(Damage::new(&*path, 0, format!("{problem}, at or after position {after}")));
                }
            }
            Ok(())
        });
        match (walked, next) {
            (Err(damage), _) => self.damage.push(damage),
            (Ok(walked), Some(next)) if cursor.log_offset != next.log_offset => {
                self.damage.push(lost(&path, &cursor, walked.stopped_by));
            }
            (Ok(_), Some(next)) => {
                self.damage.extend(check_joint(&cursor, &next, &path_of(next.number)).err())
            }
            (Ok(walked), None) => {
                let is_damaged =
                    cursor.log_offset < walked.proven || find_evidence(&image, &cursor).is_some();
                self.damage.extend(is_damaged.then(|| lost(&path, &cursor, walked.stopped_by)));
            }
        }
    }
}
