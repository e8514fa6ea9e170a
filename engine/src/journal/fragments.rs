//! Finds the readable frames of a damaged journal one by one.

use std::io;
use std::sync::Arc;

use allsource_format::frame::{Frame, Kind};
use allsource_format::journal::{BLOCK_BYTES, HEADER_BYTES, Header};
use allsource_format::manifest::Manifest;
use allsource_format::{FormatError, StoreId};
use rkyv::util::AlignedVec;

use super::examine::read_image;
use super::file::{self, Item, path_of, series};
use super::walk::used_length;
use crate::error::{Damage, OpenError};
use crate::event::{Block, EventRef};
use crate::number::offset_in_block;
use crate::platform::Disk;

/// Where a frame with events lies.
struct Fragment {
    first_position: u64,
    count: u64,
    file: u64,
    offset: usize,
    /// The damage between the previous frame and this one.
    after: Option<String>,
}

/// The readable frames with events, by position.
pub(crate) struct Fragments {
    disk: Arc<dyn Disk>,
    fragments: Vec<Fragment>,
    /// The position after the last event that the journal is known to have held.
    end: u64,
    /// The last file read, with its seed: frames are read in order.
    image: Option<(u64, u32, AlignedVec)>,
    /// Files read, and their bytes.
    files: u64,
    bytes: u64,
    damage: Vec<Damage>,
    /// The damage after the last frame found.
    pending: Option<String>,
}

impl Fragments {
    /// Finds the frames in every journal file; files of another store than this one are left alone. `newest`: the newest
    /// manifest, if it is readable, which says which files there must be.
    ///
    /// # Errors
    /// When the files cannot be listed, or one is of a newer release.
    pub(crate) fn find(
        disk: &Arc<dyn Disk>,
        store: Option<StoreId>,
        newest: Option<&Manifest>,
    ) -> Result<Self, OpenError> {
        let (fragments, damage, disk) = (Vec::new(), Vec::new(), Arc::clone(disk));
        let mut found =
            Self { disk, fragments, end: 1, image: None, files: 0, bytes: 0, damage, pending: None };
        let mut numbers = numbers(&*found.disk)?;
        let is_needed = |number: &u64| newest.is_none_or(|manifest| *number >= manifest.first_journal);
        numbers.retain(is_needed);
        // A file is missing if the manifest names it, or if there are files before and after it.
        let first = newest.map(|manifest| manifest.first_journal).or(numbers.first().copied());
        let last = newest.map_or(0, |manifest| manifest.last_journal);
        let headers = series(&numbers, first.unwrap_or(1), last).into_iter().map(|item| match item {
            Item::File(number) => found.header(number, store),
            Item::Missing(damage) => Ok(Err(damage)),
        });
        let headers: Vec<Result<Header, Damage>> = headers.collect::<Result<_, _>>()?;
        for (index, header) in headers.iter().enumerate() {
            let next = headers.get(index + 1).and_then(|next| next.as_ref().ok());
            match header {
                Ok(header) => found.look_into(*header, next.copied()),
                Err(damage) => found.note(damage.clone()),
            }
        }
        if let (Some(manifest), Some(Ok(last))) = (newest, headers.last()) {
            found.check_length(*last, manifest);
        }
        found.fragments.sort_by_key(|fragment| fragment.first_position);
        Ok(found)
    }

    /// The last file may end in zeros, but must have the length that it was created with.
    fn check_length(&mut self, last: Header, manifest: &Manifest) {
        let path = path_of(last.number);
        let length = self.disk.open_read_only(&path).and_then(|file| file.length());
        match length {
            Ok(length) if length < manifest.journal_file_bytes => {
                self.note(Damage::new(path, length, "the last journal file is too short"));
            }
            Ok(_) => {}
            Err(error) => self.note(Damage::new(path, 0, error)),
        }
    }

    fn note(&mut self, damage: Damage) {
        self.pending.get_or_insert_with(|| damage.to_string());
        self.damage.push(damage);
    }

    fn header(&self, number: u64, store: Option<StoreId>) -> Result<Result<Header, Damage>, OpenError> {
        let path = path_of(number);
        let mut bytes = [0; HEADER_BYTES];
        let read = self.disk.open_read_only(&path).and_then(|file| file.read_at(&mut bytes, 0));
        let problem = match read.map(|()| Header::decode(&bytes)) {
            Ok(Ok(header)) if store.is_some_and(|store| store != header.store) => {
                "the file belongs to another store".to_owned()
            }
            Ok(Ok(header)) if header.number != number => {
                "the number inside is not the one in its name".to_owned()
            }
            Ok(Ok(header)) => return Ok(Ok(header)),
            Ok(Err(problem @ FormatError::Newer { .. })) => {
                return Err(OpenError::Newer { file: path, problem });
            }
            Ok(Err(problem)) => problem.to_string(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => "the file is missing".to_owned(),
            Err(error) => error.to_string(),
        };
        Ok(Err(Damage::new(path, 0, problem)))
    }

    /// Notes every frame of a file, and what lies between them. A frame counts by its own checksum, which covers the
    /// identity of the file and its place in the log.
    fn look_into(&mut self, header: Header, next: Option<Header>) {
        let path = path_of(header.number);
        let image = match read_image(&*self.disk, &path) {
            Ok(image) => image,
            Err(error) => return self.note(Damage::new(path, 0, error)),
        };
        self.files += 1;
        self.bytes += image.len() as u64;
        self.end = self.end.max(header.first_position);
        let used = used_length(&image).max(HEADER_BYTES);
        let log_offset = |offset: usize| header.log_offset + (offset - HEADER_BYTES) as u64;
        let (mut offset, mut proven) = (HEADER_BYTES, header.synced_through);
        // Where the frames ended before this offset, if they did.
        let mut broken: Option<(usize, FormatError)> = None;
        while offset < used {
            let (_, bytes) = image.split_at(offset);
            let is_here = Frame::claims(bytes).is_some_and(|(claimed, _)| claimed == log_offset(offset));
            match Frame::check(bytes, header.seed()) {
                Ok(frame) if is_here => {
                    if let Some((at, problem)) = broken.take() {
                        self.note(Damage::new(&*path, at as u64, problem));
                    }
                    proven = proven.max(frame.header.synced_through);
                    self.end = self.end.max(frame.header.first_position + u64::from(frame.header.count));
                    if frame.header.kind == Kind::Append {
                        let (first_position, count) =
                            (frame.header.first_position, u64::from(frame.header.count));
                        let (file, after) = (header.number, self.pending.take());
                        self.fragments.push(Fragment { first_position, count, file, offset, after });
                    }
                    offset += frame.length();
                    assert!(frame.length() > 0, "a frame has a header");
                }
                checked => {
                    let problem = checked.err().unwrap_or(FormatError::Range("place of a frame in the log"));
                    broken.get_or_insert((offset, problem));
                    offset = (offset + 1).next_multiple_of(BLOCK_BYTES);
                }
            }
        }
        let (end, problem) = broken.unwrap_or((offset, FormatError::Magic("frame")));
        let due = next.map_or(proven, |next| next.log_offset);
        if log_offset(end) < due {
            self.note(Damage::new(path, end as u64, problem));
        }
    }

    /// How many files were read.
    pub(crate) fn files(&self) -> u64 {
        self.files
    }

    /// How many bytes they have.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What is damaged.
    pub(crate) fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// The damage between the frame of this index and the one before it, or after the last one.
    pub(crate) fn why(&self, index: usize) -> Option<&str> {
        match self.fragments.get(index) {
            Some(fragment) => fragment.after.as_deref(),
            None => self.pending.as_deref(),
        }
    }

    /// The position after the last event that the journal is known to have held.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// The index of the first frame that reaches to a position or beyond.
    pub(crate) fn first_from(&self, position: u64) -> usize {
        let after = self.fragments.partition_point(|fragment| fragment.first_position <= position);
        let reaches = |fragment: &Fragment| fragment.first_position + fragment.count > position;
        let is_before =
            after.checked_sub(1).and_then(|before| self.fragments.get(before)).is_some_and(reaches);
        after - usize::from(is_before)
    }

    /// The events of a frame; `None`: there is no frame of this index.
    pub(crate) fn read(&mut self, index: usize) -> Option<Result<Vec<EventRef>, Damage>> {
        let Fragment { file, offset, .. } = *self.fragments.get(index)?;
        Some(self.events(file, offset))
    }

    /// The event at a position, if a frame holds it.
    pub(crate) fn at(&mut self, position: u64) -> Result<Option<EventRef>, Damage> {
        let index = self.first_from(position);
        match self.fragments.get(index) {
            Some(fragment) if fragment.first_position <= position => {}
            _ => return Ok(None),
        }
        let Some(events) = self.read(index).transpose()? else { return Ok(None) };
        Ok(events.into_iter().find(|event| event.position().value() == position))
    }

    fn events(&mut self, file: u64, offset: usize) -> Result<Vec<EventRef>, Damage> {
        let path = path_of(file);
        let damage = |problem: String| Damage::new(path_of(file), offset as u64, problem);
        let image = match self.image.take().filter(|(number, ..)| *number == file) {
            Some(image) => image,
            None => {
                let image = read_image(&*self.disk, &path).map_err(|error| damage(error.to_string()))?;
                let header = Header::decode(&image).map_err(|problem| damage(problem.to_string()))?;
                (file, header.seed(), image)
            }
        };
        let (_, seed, image) = self.image.insert(image);
        let bytes = image.get(offset..).ok_or_else(|| damage("the file has become shorter".to_owned()))?;
        let frame = Frame::check(bytes, *seed).map_err(|problem| damage(problem.to_string()))?;
        let mut block = AlignedVec::with_capacity(frame.length());
        block.extend_from_slice(frame.as_bytes());
        let offsets: Vec<usize> = frame
            .records()
            .map(|item| item.map(|(offset, _)| offset))
            .collect::<Result<_, _>>()
            .map_err(|problem| damage(problem.to_string()))?;
        let block = Arc::new(Block::new(block));
        let event = |offset| EventRef::new(Arc::clone(&block), offset_in_block(offset));
        Ok(offsets.into_iter().map(event).collect())
    }
}

/// The stores that the readable journal files say they belong to.
///
/// # Errors
/// When the files cannot be listed.
pub(crate) fn stores(disk: &dyn Disk) -> Result<Vec<StoreId>, OpenError> {
    let store_of = |number| {
        let mut bytes = [0; HEADER_BYTES];
        disk.open_read_only(&path_of(number)).and_then(|file| file.read_at(&mut bytes, 0)).ok()?;
        // The search for frames reports what cannot be read or decoded.
        Header::decode(&bytes).ok().map(|header| header.store)
    };
    Ok(numbers(disk)?.into_iter().filter_map(store_of).collect())
}

/// The numbers of the journal files that exist, in order.
fn numbers(disk: &dyn Disk) -> Result<Vec<u64>, OpenError> {
    file::numbers(disk).map_err(|error| OpenError::io("list journal files", error))
}
