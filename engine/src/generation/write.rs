//! Writing the files of a generation: each whole, durable and named before the manifest knows of it.

use std::collections::BTreeSet;
use std::io;

use allsource_format::StoreId;
use allsource_format::index::{self, SegmentEntry};
use allsource_format::limits::RUN_BYTES_MAX;
use allsource_format::manifest::{File, Generation as Entry, Role};
use allsource_format::record::Record;
use allsource_format::sealed::{Header, Kind, source_crc};
use allsource_format::segment::{RECORDS, RUNS, Run};

use super::{Access, DIR, index_path, partition_dir, remove, segment_path};
use crate::error::ReadError;
use crate::platform::Disk;
use crate::sealed::{Target, Writer};

/// Why a generation could not be written. Nothing of it counts.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// A header that lacks what its sections bring.
pub(super) fn header(kind: Kind, store: StoreId, epoch: u64, entry: &Entry) -> Header {
    Header {
        kind,
        store,
        epoch,
        partition: 0,
        first_position: entry.first_position,
        last_position: entry.last_position,
        first_sequence: 0,
        events: entry.events,
        min_timestamp: entry.min_timestamp,
        max_timestamp: entry.max_timestamp,
        checksums: 0,
        checksums_crc: 0,
        source_crc: 0,
        sections: Vec::new(),
    }
}

/// The entry of a generation of these positions in which nothing is counted yet.
pub(super) fn empty_entry(first_position: u64, last_position: u64) -> Entry {
    Entry {
        first_position,
        last_position,
        events: 0,
        min_timestamp: i64::MAX,
        max_timestamp: i64::MIN,
        last_recorded_at: i64::MIN,
        source_crc: 0,
        files: Vec::new(),
    }
}

/// A generation under construction: segments in the order of partitions, then the index.
pub(crate) struct Builder<'a> {
    access: &'a Access,
    store: StoreId,
    epoch: u64,
    entry: Entry,
    index: index::Builder,
    segments: Vec<SegmentEntry>,
    /// Written, but neither durable nor named.
    files: Vec<(String, Target)>,
    is_finished: bool,
}

/// Half a generation is of no use, and a disk that is full needs the room.
impl Drop for Builder<'_> {
    fn drop(&mut self) {
        if !self.is_finished {
            remove(self.access, &self.entry);
        }
    }
}

impl<'a> Builder<'a> {
    /// Begins a generation of these positions.
    pub(crate) fn new(access: &'a Access, store: StoreId, epoch: u64, first: u64, last: u64) -> Self {
        let events = usize::try_from(last + 1 - first).unwrap_or(usize::MAX);
        let index = index::Builder::new(first, events, access.partitions);
        Self {
            access,
            store,
            epoch,
            entry: empty_entry(first, last),
            index,
            segments: Vec::new(),
            files: Vec::new(),
            is_finished: false,
        }
    }

    /// Writes the segment of a partition; `fill` hands in its records.
    pub(crate) fn segment(
        &mut self,
        partition: u32,
        first_sequence: u64,
        fill: impl FnOnce(&mut Segment<'_>) -> Result<(), WriteError>,
    ) -> Result<(), WriteError> {
        let disk = &*self.access.disk;
        let path = segment_path(&self.entry, partition);
        disk.create_dir(&partition_dir(partition))?;
        let mut segment = Segment::new(disk, &path, partition, &mut self.index, &mut self.entry)?;
        fill(&mut segment)?;
        let Segment { mut writer, runs, run, total, .. } = segment;
        assert!(run.events == 0, "the last run was ended");
        writer.close_section(total.events);
        writer.open_section(RUNS)?;
        runs.iter().try_for_each(|run| writer.write(&run.encode()).map(drop))?;
        writer.close_section(runs.len() as u64);
        let header = Header {
            partition,
            first_sequence,
            events: total.events,
            min_timestamp: total.min_timestamp,
            max_timestamp: total.max_timestamp,
            ..header(Kind::Segment, self.store, self.epoch, &self.entry)
        };
        let (header, header_crc, target) = writer.finish(header)?;
        self.named(Role::Segment, &path, &header, header_crc);
        self.files.push((path, target));
        let (events, bytes) = (total.events, header.file_bytes());
        self.segments.push(SegmentEntry { partition, header_crc, first_sequence, events, bytes });
        self.entry.events += events;
        Ok(())
    }

    /// Writes the index; what is returned may then be named by a manifest.
    pub(crate) fn finish(mut self) -> Result<Entry, WriteError> {
        let disk = &*self.access.disk;
        let path = index_path(&self.entry);
        if let Some(position) = self.index.missing() {
            return Err(
                ReadError::damaged(path, 0, format!("the event at position {position} is missing")).into()
            );
        }
        self.entry.source_crc =
            source_crc(self.segments.iter().map(|segment| (segment.partition, segment.header_crc)));
        let target = Target::create(disk, &format!("{path}.tmp"))?;
        let header = Header {
            source_crc: self.entry.source_crc,
            ..header(Kind::Index, self.store, self.epoch, &self.entry)
        };
        let index = std::mem::replace(&mut self.index, index::Builder::new(1, 0, 1));
        let (header, header_crc, target) = write_index(target, header, index, &self.segments)?;
        self.named(Role::Index, &path, &header, header_crc);
        self.files.push((path, target));
        name(disk, &self.files)?;
        self.is_finished = true;
        Ok(self.entry.clone())
    }

    /// The entry names a file that is written.
    fn named(&mut self, role: Role, path: &str, header: &Header, checksum: u32) {
        self.entry.files.push(File { role, name: path.to_owned(), bytes: header.file_bytes(), checksum });
    }
}

/// Writes the sections of an index.
pub(super) fn write_index(
    target: Target,
    header: Header,
    index: index::Builder,
    segments: &[SegmentEntry],
) -> io::Result<(Header, u32, Target)> {
    let mut writer = Writer::new(target);
    index.finish(segments, |built| {
        writer.open_section(built.kind)?;
        writer.write(&built.bytes)?;
        writer.close_section(built.count);
        io::Result::Ok(())
    })?;
    writer.finish(header)
}

/// Makes files durable that are whole, then gives them their names, in the place of leftovers of those names if need
/// be. All are written by then, so that the disk has long begun with the first.
pub(super) fn name(disk: &dyn Disk, files: &[(String, Target)]) -> io::Result<()> {
    files.iter().try_for_each(|(_, target)| target.sync())?;
    for (path, _) in files {
        match disk.remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => disk.rename(&format!("{path}.tmp"), path)?,
        }
    }
    let dirs: BTreeSet<&str> = files.iter().filter_map(|(path, _)| Some(path.rsplit_once('/')?.0)).collect();
    dirs.into_iter().chain([DIR]).try_for_each(|dir| disk.sync_dir(dir))
}

/// A segment under construction.
pub(crate) struct Segment<'a> {
    writer: Writer,
    partition: u32,
    index: &'a mut index::Builder,
    entry: &'a mut Entry,
    records_start: u64,
    runs: Vec<Run>,
    run: Run,
    total: Run,
}

/// A run in which nothing is counted yet.
const EMPTY: Run = Run {
    offset: 0,
    bytes: 0,
    events: 0,
    first_position: u64::MAX,
    last_position: 0,
    min_timestamp: i64::MAX,
    max_timestamp: i64::MIN,
};

impl<'a> Segment<'a> {
    fn new(
        disk: &dyn Disk,
        path: &str,
        partition: u32,
        index: &'a mut index::Builder,
        entry: &'a mut Entry,
    ) -> io::Result<Self> {
        let mut writer = Writer::new(Target::create(disk, &format!("{path}.tmp"))?);
        writer.open_section(RECORDS)?;
        let records_start = writer.offset();
        Ok(Self {
            writer,
            partition,
            index,
            entry,
            records_start,
            runs: Vec::new(),
            run: EMPTY,
            total: EMPTY,
        })
    }

    /// Adds the next record of the run.
    pub(crate) fn push(&mut self, record: &Record<'_>) -> Result<(), WriteError> {
        let offset = self.writer.write(record.as_bytes())?;
        let run = self.runs.len() as u64;
        self.index.add(record, self.partition, run, offset).map_err(|position| {
            let path = index_path(self.entry);
            ReadError::damaged(
                path,
                0,
                format!("the event at position {position} is there twice, or should not be"),
            )
        })?;
        for count in [&mut self.run, &mut self.total] {
            if count.events == 0 {
                count.offset = offset - self.records_start;
            }
            count.bytes += record.as_bytes().len() as u64;
            count.events += 1;
            count.first_position = count.first_position.min(record.position());
            count.last_position = count.last_position.max(record.position());
            count.min_timestamp = count.min_timestamp.min(record.timestamp());
            count.max_timestamp = count.max_timestamp.max(record.timestamp());
        }
        self.entry.min_timestamp = self.entry.min_timestamp.min(record.timestamp());
        self.entry.max_timestamp = self.entry.max_timestamp.max(record.timestamp());
        self.entry.last_recorded_at = self.entry.last_recorded_at.max(record.recorded_at());
        Ok(())
    }

    /// Ends the run.
    pub(crate) fn end_run(&mut self) {
        let run = std::mem::replace(&mut self.run, EMPTY);
        if run.events > 0 {
            self.runs.push(run);
        }
    }
}

/// Where the next run of a partition ends: how many of these lengths it takes, at least one.
pub(crate) fn run_length(lengths: impl Iterator<Item = u64>) -> usize {
    let mut bytes = 0;
    let fits = lengths.enumerate().take_while(|(number, length)| {
        bytes += length;
        *number == 0 || bytes <= RUN_BYTES_MAX
    });
    fits.count()
}
