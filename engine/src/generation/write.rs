//! Writing the files of a generation: each is complete, durable and named before the manifest refers to it.

use std::io;
use std::ops::RangeInclusive;

use allsource_format::StoreId;
use allsource_format::index;
use allsource_format::limits::RUN_BYTES_MAX;
use allsource_format::manifest::{File, Generation as Entry, Kind as Held, Role};
use allsource_format::record::Record;
use allsource_format::sealed::{Header, Kind};
use allsource_format::segment::{RECORDS, RUNS, Run, SEGMENTS, Segment};

use super::{Access, DIR, path_of, remove};
use crate::error::ReadError;
use crate::number::index as index_of;
use crate::platform::Disk;
use crate::sealed::{Target, Writer};

/// Why a generation could not be written. The attempt leaves no trace.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A source holds this position twice, or without a version, or it is not one of the generation.
    #[error("the event at position {0} is a duplicate, has no version, or belongs to another generation")]
    Misplaced(u64),
}

/// The totals of a generation, updated while it is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted {
    first_position: u64,
    last_position: u64,
    events: u64,
    min_timestamp: i64,
    max_timestamp: i64,
    last_recorded_at: i64,
}

impl Counted {
    fn nothing_of(positions: &RangeInclusive<u64>) -> Self {
        Self {
            first_position: *positions.start(),
            last_position: *positions.end(),
            events: 0,
            min_timestamp: i64::MAX,
            max_timestamp: i64::MIN,
            last_recorded_at: i64::MIN,
        }
    }
}

impl From<&Entry> for Counted {
    fn from(entry: &Entry) -> Self {
        let Entry { first_position, last_position, events, .. } = *entry;
        let Entry { min_timestamp, max_timestamp, last_recorded_at, .. } = *entry;
        Self { first_position, last_position, events, min_timestamp, max_timestamp, last_recorded_at }
    }
}

/// A header without its sections and checksums.
pub(super) fn header(kind: Kind, store: StoreId, epoch: u64, counted: &Counted) -> Header {
    Header {
        kind,
        store,
        epoch,
        first_position: counted.first_position,
        last_position: counted.last_position,
        events: counted.events,
        min_timestamp: counted.min_timestamp,
        max_timestamp: counted.max_timestamp,
        checksums: 0,
        checksums_crc: 0,
        source_crc: 0,
        sections: Vec::new(),
    }
}

/// A generation being written: segments in the order of partitions, then the index.
pub(crate) struct Builder<'a> {
    access: &'a Access,
    store: StoreId,
    epoch: u64,
    counted: Counted,
    /// The file of segments, then that of the index.
    paths: [String; 2],
    index: index::Builder,
    writer: Option<Writer>,
    records_start: u64,
    segments: Vec<Segment>,
    runs: Vec<Run>,
    /// The current run.
    run: Run,
    is_finished: bool,
}

/// A run without events.
const EMPTY: Run = Run {
    offset: 0,
    bytes: 0,
    events: 0,
    first_position: u64::MAX,
    last_position: 0,
    min_timestamp: i64::MAX,
    max_timestamp: i64::MIN,
};

/// An incomplete generation is useless, and a full disk needs the space.
impl Drop for Builder<'_> {
    fn drop(&mut self) {
        if !self.is_finished {
            remove(&*self.access.disk, &self.paths);
        }
    }
}

impl<'a> Builder<'a> {
    /// Begins a generation of these positions.
    pub(crate) fn new(
        access: &'a Access,
        store: StoreId,
        epoch: u64,
        positions: RangeInclusive<u64>,
    ) -> io::Result<Self> {
        let (first, last) = (*positions.start(), *positions.end());
        assert!(0 < first && first <= last, "a generation holds events");
        let events = index_of(last + 1 - first);
        let paths = [path_of(&positions, "seg"), path_of(&positions, "idx")];
        let [segments, _] = &paths;
        let target = Target::create(&*access.disk, &format!("{segments}.tmp"))?;
        let mut builder = Self {
            access,
            store,
            epoch,
            counted: Counted::nothing_of(&positions),
            paths,
            index: index::Builder::new(first, events, access.partitions),
            writer: Some(Writer::new(target)),
            records_start: 0,
            segments: Vec::new(),
            runs: Vec::new(),
            run: EMPTY,
            is_finished: false,
        };
        builder.writer().open_section(RECORDS)?;
        builder.records_start = builder.writer().offset();
        Ok(builder)
    }

    fn writer(&mut self) -> &mut Writer {
        #[expect(clippy::expect_used, reason = "only finishing takes the writer")]
        self.writer.as_mut().expect("the builder is not finished")
    }

    /// Starts the segment of a partition, whose number is above the previous one.
    pub(crate) fn begin_segment(&mut self, partition: u32, first_sequence: u64) {
        assert!(self.run.events == 0, "the previous run has ended");
        assert!(
            self.segments.last().is_none_or(|last| last.partition < partition && last.runs > 0),
            "segments ascend by partition, and none is empty"
        );
        self.segments.push(Segment { partition, first_sequence, ..Segment::default() });
    }

    /// Adds the next record of the run.
    pub(crate) fn push(&mut self, record: &Record<'_>) -> Result<(), WriteError> {
        if record.version() == 0 {
            return Err(WriteError::Misplaced(record.position()));
        }
        let offset = self.writer().write(record.as_bytes())?;
        #[expect(clippy::expect_used, reason = "a record is in the segment of its partition")]
        let segment = self.segments.last_mut().expect("a segment was started");
        let number = u64::from(segment.runs);
        self.index.add(record, segment.partition, number, offset).map_err(WriteError::Misplaced)?;
        let bytes = record.as_bytes().len() as u64;
        let run = &mut self.run;
        assert!(
            run.bytes + bytes <= RUN_BYTES_MAX || run.events == 0,
            "only a single event makes a longer run"
        );
        if run.events == 0 {
            run.offset = offset - self.records_start;
        }
        run.bytes += bytes;
        run.events += 1;
        run.first_position = run.first_position.min(record.position());
        run.last_position = run.last_position.max(record.position());
        run.min_timestamp = run.min_timestamp.min(record.timestamp());
        run.max_timestamp = run.max_timestamp.max(record.timestamp());
        segment.events += 1;
        segment.bytes += bytes;
        let counted = &mut self.counted;
        counted.events += 1;
        counted.min_timestamp = counted.min_timestamp.min(record.timestamp());
        counted.max_timestamp = counted.max_timestamp.max(record.timestamp());
        counted.last_recorded_at = counted.last_recorded_at.max(record.recorded_at());
        Ok(())
    }

    /// Ends the run.
    pub(crate) fn end_run(&mut self) {
        let run = std::mem::replace(&mut self.run, EMPTY);
        if run.events > 0 {
            #[expect(clippy::expect_used, reason = "records are pushed only into a segment")]
            let segment = self.segments.last_mut().expect("a segment was started");
            segment.runs += 1;
            self.runs.push(run);
        }
    }

    /// Completes the files and returns the entry for the manifest.
    pub(crate) fn finish(mut self) -> Result<Entry, WriteError> {
        assert!(self.run.events == 0, "the previous run has ended");
        if let Some(position) = self.index.missing() {
            let problem = format!("the event at position {position} is missing");
            return Err(ReadError::damaged(DIR, 0, problem).into());
        }
        let Counted { first_position, last_position, events, .. } = self.counted;
        assert_eq!(events, last_position - first_position + 1, "a position is taken only once");
        let segments = self.finish_segments()?;
        let (disk, [_, path]) = (&*self.access.disk, &self.paths);
        let target = Target::create(disk, &format!("{path}.tmp"))?;
        let header = Header {
            source_crc: segments.checksum,
            ..header(Kind::Index, self.store, self.epoch, &self.counted)
        };
        let index = std::mem::replace(&mut self.index, index::Builder::new(1, 0, 1));
        let (header, checksum, target) = write_index(target, header, index)?;
        // Sync and close one file at a time: writing a generation keeps only one file open.
        target.sync()?;
        drop(target);
        name(disk, &self.paths)?;
        self.is_finished = true;
        let Counted { min_timestamp, max_timestamp, last_recorded_at, .. } = self.counted;
        Ok(Entry {
            kind: Held::Segments,
            first_position,
            last_position,
            events,
            min_timestamp,
            max_timestamp,
            last_recorded_at,
            index: File { role: Role::Index, name: path.clone(), bytes: header.file_bytes(), checksum },
            records: segments,
        })
    }

    fn finish_segments(&mut self) -> io::Result<File> {
        let (runs, segments) = (std::mem::take(&mut self.runs), std::mem::take(&mut self.segments));
        let counted: usize = segments.iter().map(|segment| segment.runs as usize).sum();
        assert_eq!(counted, runs.len(), "each run belongs to a segment");
        #[expect(clippy::expect_used, reason = "only this takes the writer")]
        let mut writer = self.writer.take().expect("the builder is not finished");
        writer.close_section(self.counted.events);
        writer.open_section(RUNS)?;
        runs.iter().try_for_each(|run| writer.write(&run.encode()).map(drop))?;
        writer.close_section(runs.len() as u64);
        writer.open_section(SEGMENTS)?;
        segments.iter().try_for_each(|segment| writer.write(&segment.encode()).map(drop))?;
        writer.close_section(segments.len() as u64);
        let header = header(Kind::Segments, self.store, self.epoch, &self.counted);
        let (header, checksum, target) = writer.finish(header)?;
        target.sync()?;
        let ([name, _], bytes) = (&self.paths, header.file_bytes());
        Ok(File { role: Role::Records, name: name.clone(), bytes, checksum })
    }
}

/// Writes the sections of an index.
pub(super) fn write_index(
    target: Target,
    header: Header,
    index: index::Builder,
) -> io::Result<(Header, u32, Target)> {
    let mut writer = Writer::new(target);
    index.finish(|built| {
        writer.open_section(built.kind)?;
        writer.write(&built.bytes)?;
        writer.close_section(built.count);
        io::Result::Ok(())
    })?;
    writer.finish(header)
}

/// Renames durable files to their final names, replacing leftovers of the same names.
pub(super) fn name(disk: &dyn Disk, paths: &[String]) -> io::Result<()> {
    for path in paths {
        match disk.remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => disk.rename(&format!("{path}.tmp"), path)?,
        }
    }
    disk.sync_dir(DIR)
}

/// How many of these lengths the next run of a partition takes: at least one.
pub(crate) fn run_length(lengths: impl Iterator<Item = u64>) -> usize {
    let mut bytes = 0;
    let fits = lengths.enumerate().take_while(|(number, length)| {
        bytes += length;
        *number == 0 || bytes <= RUN_BYTES_MAX
    });
    fits.count()
}
