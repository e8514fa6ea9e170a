//! Making an index anew from its segments, when its file is missing or damaged.

use allsource_format::index::{self, SegmentEntry};
use allsource_format::record::Record;
use allsource_format::sealed::{Header, Kind, source_crc};

use super::scan::{Records, runs};
use super::write::{WriteError, header, name, write_index};
use super::{Generation, index_path};
use crate::error::ReadError;
use crate::sealed::{SealedFile, Target};

/// The partitions that have a segment in a generation.
pub(super) fn partitions_of(generation: &Generation) -> Vec<u32> {
    (0..generation.access.partitions).filter(|partition| generation.has_segment(*partition)).collect()
}

/// The index of a generation, in memory.
pub(super) fn in_memory(generation: &Generation) -> Result<SealedFile, ReadError> {
    let path = index_path(&generation.entry);
    let entry = &generation.entry;
    let events = usize::try_from(entry.events).unwrap_or(usize::MAX);
    let mut builder = index::Builder::new(entry.first_position, events, generation.access.partitions);
    let (mut segments, mut store, mut epoch) = (Vec::new(), [0; 16], 0);
    for partition in partitions_of(generation) {
        let segment = generation.segment(partition)?;
        let Header { first_sequence, events, .. } = *segment.header();
        (store, epoch) = (segment.header().store, segment.header().epoch.max(epoch));
        let (header_crc, bytes) = (segment.header_crc(), segment.header().file_bytes());
        segments.push(SegmentEntry { partition, header_crc, first_sequence, events, bytes });
        add(segment, partition, &mut builder).inspect_err(|damage| generation.note(damage))?;
    }
    let found = segments.iter().map(|segment| (segment.partition, segment.header_crc));
    if source_crc(found) != entry.source_crc {
        let problem = "the index is damaged, and the segments are not those that the manifest names";
        return Err(ReadError::damaged(path, 0, problem));
    }
    let header = Header { source_crc: entry.source_crc, ..header(Kind::Index, store, epoch, entry) };
    match write_index(Target::Memory(Vec::new()), header, builder, &segments) {
        Ok((_, _, Target::Memory(bytes))) => SealedFile::in_memory(&path, Kind::Index, bytes),
        Ok((_, _, Target::File(_))) => Err(ReadError::damaged(path, 0, "the index is not in memory")),
        Err(error) => Err(ReadError::of_system("rebuild in memory", &path, 0, &error)),
    }
}

fn add(segment: &SealedFile, partition: u32, builder: &mut index::Builder) -> Result<(), ReadError> {
    for (number, run) in (0..).zip(runs(segment)?) {
        let mut records = Records::of(segment, &run)?;
        while records.advance()? {
            let Some((offset, record)) = records.current() else { break };
            Record::check(record.as_bytes()).map_err(|problem| segment.damaged(offset, problem))?;
            let added = builder.add(&record, partition, number, offset);
            added.map_err(|_| {
                segment.damaged(offset, "a record of another generation, or one that is there twice")
            })?;
        }
    }
    Ok(())
}

impl Generation {
    /// Whether the segments that are there are those that the manifest names.
    pub(crate) fn check_segments(&self) -> Result<(), ReadError> {
        let found = partitions_of(self).into_iter();
        let found =
            found.map(|partition| Ok::<_, ReadError>((partition, self.segment(partition)?.header_crc())));
        match source_crc(found.collect::<Result<Vec<_>, _>>()?) == self.entry.source_crc {
            true => Ok(()),
            false => {
                let problem = "the segments are not those that the manifest names";
                Err(ReadError::damaged(index_path(&self.entry), 0, problem))
            }
        }
    }

    /// Writes the index, made anew, in the place of a missing or damaged one.
    pub(crate) fn write_index(&self) -> Result<(), WriteError> {
        let path = index_path(&self.entry);
        let unnamed = format!("{path}.tmp");
        let disk = &*self.access.disk;
        let bytes = self.rebuilt()?.memory();
        let written = Target::create(disk, &unnamed).and_then(|mut target| {
            target.write(bytes, 0)?;
            name(disk, &[(path.clone(), target)])
        });
        written.inspect_err(|_| {
            // Half of it is of no use, and a disk that is full needs the room.
            let _ = disk.remove(&unnamed);
        })?;
        self.access.damages.forget(&path);
        Ok(())
    }
}
