//! Rebuilding an index from the records of its generation, when its file is missing or damaged.

use allsource_format::index;
use allsource_format::record::Record;
use allsource_format::sealed::{Header, Kind};

use super::Generation;
use super::write::{WriteError, header, name, write_index};
use crate::error::ReadError;
use crate::number;
use crate::sealed::{SealedFile, Target};

/// The index of a generation, in memory; an error may be damage of its records.
pub(super) fn in_memory(generation: &Generation) -> Result<SealedFile, ReadError> {
    let (entry, holder) = (&generation.entry, &*generation.holder);
    let partitions = generation.access.partitions;
    let path = &entry.index.name;
    let mut builder = index::Builder::new(entry.first_position, number::index(entry.events), partitions);
    for partition in 0..partitions {
        for run in holder.runs(partition)? {
            let mut records = holder.records(&run)?;
            while records.advance()? {
                #[expect(clippy::expect_used, reason = "a reader that advanced has a current record")]
                let (offset, record) = records.current().expect("the reader advanced to a record");
                Record::check(record.as_bytes())
                    .map_err(|problem| holder.damaged(offset, &problem.to_string()))?;
                if record.version() == 0 {
                    return Err(holder.damaged(offset, "a record without a version"));
                }
                let added = builder.add(&record, partition, run.number, offset);
                added
                    .map_err(|_| holder.damaged(offset, "a record of another generation, or a duplicate"))?;
            }
        }
    }
    if let Some(position) = builder.missing() {
        return Err(holder.damaged(0, &format!("the event at position {position} is missing")));
    }
    let (store, epoch) = holder.written_by()?;
    let source_crc = entry.records.checksum;
    let header = Header { source_crc, ..header(Kind::Index, store, epoch, &entry.into()) };
    match write_index(Target::Memory(Vec::new()), header, builder) {
        Ok((_, _, Target::Memory(bytes))) => SealedFile::in_memory(path, Kind::Index, bytes),
        Ok((_, _, Target::File(_))) => unreachable!("an index written to memory stays there"),
        Err(error) => Err(ReadError::of_system("rebuild in memory", path, 0, &error)),
    }
}

impl Generation {
    /// Writes the rebuilt index, replacing a missing or damaged file.
    pub(crate) fn write_index(&self) -> Result<(), WriteError> {
        let path = &self.entry.index.name;
        let unnamed = format!("{path}.tmp");
        let disk = &*self.access.disk;
        let bytes = self.rebuilt()?.memory();
        let written = Target::create(disk, &unnamed).and_then(|mut target| {
            target.write(bytes, 0)?;
            target.sync()?;
            name(disk, std::slice::from_ref(path))
        });
        written.inspect_err(|_| {
            // An incomplete file is useless, and a full disk needs the space.
            let _ = disk.remove(&unnamed);
        })?;
        self.access.damages.forget(path);
        Ok(())
    }
}
