//! A second holder of records, outside the engine: what a reader, a merge, the scrubber and the verifier need of it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use allsource_engine::holder::{Address, Ahead, Copied, Holder, Holders, Reread, Run, RunReader, Wanted};
use allsource_engine::platform::Disk;
use allsource_engine::platform::sim::{Seeded, SimDisk};
use allsource_engine::{Damage, Health, ReadError, ReadMode, Step, inspect};
use allsource_format::index::Stretch;
use allsource_format::record::Record;
use allsource_format::{StoreId, manifest, segment};
use allsource_tests::queries;
use rkyv::util::AlignedVec;

use super::{Store, options};

/// Calls of the engine, over all holders.
#[derive(Default)]
struct Calls {
    fetched: AtomicU64,
    read_in_order: AtomicU64,
    checked: AtomicU64,
    removed: AtomicU64,
}

/// The records of one segment: the sequence of its first event, its runs, and where each begins.
struct Part {
    first_sequence: u64,
    runs: Vec<(Run, Address)>,
}

/// A generation in memory: runs in the reverse order of partitions, so that no address is an offset in the file.
struct Memory {
    name: String,
    written_by: (StoreId, u64),
    records: Arc<AlignedVec>,
    parts: Vec<(u32, Part)>,
    calls: Arc<Calls>,
}

fn aligned(bytes: &[u8]) -> AlignedVec {
    let mut aligned = AlignedVec::with_capacity(bytes.len());
    aligned.extend_from_slice(bytes);
    aligned
}

impl Memory {
    /// Reads a segments file into memory.
    fn of(entry: &manifest::Generation, disk: &SimDisk, calls: &Arc<Calls>) -> Self {
        let image = aligned(&disk.contents(&entry.records.name).unwrap());
        let file = segment::check(&image).unwrap();
        let section = file.header().section(segment::RECORDS);
        // An address is above 0.
        let (mut records, mut parts) = (aligned(&[0; 8]), Vec::new());
        let list: Vec<_> = file.list().collect();
        for (segment, runs) in list.into_iter().rev() {
            let mut kept = Vec::new();
            for (number, run) in (0..).zip(runs) {
                let segment::Run { first_position, last_position, bytes, .. } = *run;
                let partition = segment.partition;
                let described = Run { partition, number, first_position, last_position, bytes };
                kept.push((described, records.len() as u64));
                records.extend_from_slice(run.of(section.of(&image)));
            }
            parts.push((segment.partition, Part { first_sequence: segment.first_sequence, runs: kept }));
        }
        let written_by = (file.header().store, file.header().epoch);
        let (name, calls) = (format!("memory/{}", entry.first_position), Arc::clone(calls));
        Self { name, written_by, records: Arc::new(records), parts, calls }
    }

    fn part(&self, partition: u32) -> Option<&Part> {
        self.parts.iter().find(|(number, _)| *number == partition).map(|(_, part)| part)
    }
}

fn record(records: &AlignedVec, address: Address) -> Record<'_> {
    Record::at(&records[address as usize..]).unwrap()
}

impl Holder for Memory {
    fn fetch(&self, wanted: &[Wanted], _: Option<&mut Ahead>, into: &mut Copied) -> Result<(), ReadError> {
        self.calls.fetched.fetch_add(1, Ordering::Relaxed);
        for wanted in wanted {
            let record = record(&self.records, wanted.address());
            if !into.has_room(record.as_bytes().len()) {
                break;
            }
            assert!(into.push(record.as_bytes(), wanted), "the index was built from these records");
        }
        Ok(())
    }

    fn first_of(&self, stretch: &Stretch, look: &mut dyn FnMut(&Record<'_>)) -> Result<bool, ReadError> {
        look(&record(&self.records, stretch.offset));
        Ok(true)
    }

    fn stretch(&self, stretch: &Stretch) -> Result<AlignedVec, ReadError> {
        let start = stretch.offset as usize;
        Ok(aligned(&self.records[start..start + stretch.bytes as usize]))
    }

    fn first_sequence(&self, partition: u32) -> Result<Option<u64>, ReadError> {
        Ok(self.part(partition).map(|part| part.first_sequence))
    }

    fn runs(&self, partition: u32) -> Result<Vec<Run>, ReadError> {
        let runs = self.part(partition).into_iter().flat_map(|part| &part.runs);
        Ok(runs.map(|(run, _)| run.clone()).collect())
    }

    fn records(&self, run: &Run) -> Result<Box<dyn RunReader>, ReadError> {
        self.calls.read_in_order.fetch_add(1, Ordering::Relaxed);
        let (_, start) = self.part(run.partition).unwrap().runs[run.number as usize];
        let records = Arc::clone(&self.records);
        Ok(Box::new(Walk { records, at: None, next: start, end: start + run.bytes }))
    }

    fn written_by(&self) -> Result<(StoreId, u64), ReadError> {
        Ok(self.written_by)
    }

    fn check(&self) -> Result<(), ReadError> {
        Ok(())
    }

    fn files(&self) -> Vec<String> {
        vec![self.name.clone()]
    }

    fn reread(&self, path: &str) -> Result<Box<dyn Reread>, ReadError> {
        assert_eq!(path, self.name);
        Ok(Box::new(Check { left: self.records.len() as u64, calls: Arc::clone(&self.calls) }))
    }

    fn remove(&self) {
        self.calls.removed.fetch_add(1, Ordering::Relaxed);
    }

    fn damaged(&self, address: Address, problem: &str) -> ReadError {
        Damage { file: self.name.clone(), offset: address, problem: problem.to_owned() }.into()
    }
}

struct Walk {
    records: Arc<AlignedVec>,
    at: Option<Address>,
    next: Address,
    end: Address,
}

impl RunReader for Walk {
    fn advance(&mut self) -> Result<bool, ReadError> {
        self.at = (self.next < self.end).then_some(self.next);
        self.next += self.at.map_or(0, |at| record(&self.records, at).as_bytes().len() as u64);
        Ok(self.at.is_some())
    }

    fn current(&self) -> Option<(Address, Record<'_>)> {
        self.at.map(|at| (at, record(&self.records, at)))
    }
}

/// Checks in pieces of 1000 bytes.
struct Check {
    left: u64,
    calls: Arc<Calls>,
}

impl Reread for Check {
    fn check_next(&mut self) -> Result<Option<u64>, ReadError> {
        self.calls.checked.fetch_add(1, Ordering::Relaxed);
        let piece = self.left.min(1000);
        self.left -= piece;
        Ok((piece > 0).then_some(piece))
    }

    fn file_bytes(&self) -> u64 {
        self.left
    }
}

/// If anything but the segments file's own holder knew its layout, a tier of another format could not be added.
#[test]
fn a_holder_of_another_crate_is_read_merged_checked_and_removed() {
    let mut random = Seeded::new(8);
    let mut store = Store::new(ReadMode::Map);
    for _ in 0..7 {
        store.append(&mut random, 40);
        assert!(store.seal());
    }
    store.engine.close();
    store.disk.kill();
    // From here on, what is sealed lies in memory only, and the indexes are rebuilt from there.
    let (full, calls) = (store.disk.fork(), Arc::new(Calls::default()));
    for path in store.disk.paths().iter().filter(|path| path.starts_with("segments/")) {
        store.disk.lose(path);
    }
    let opened = Arc::clone(&calls);
    let holders = Holders::by(move |entry: &manifest::Generation, _: &Arc<dyn Disk>| {
        let is_sealed_before = full.paths().contains(&entry.records.name);
        is_sealed_before.then(|| Arc::new(Memory::of(entry, &full, &opened)) as Arc<dyn Holder>)
    });
    let of = |calls: &AtomicU64| calls.load(Ordering::Relaxed);
    let disk: Arc<dyn Disk> = Arc::new(store.disk.clone());
    let report = inspect::verify_disk(disk, Path::new("store"), &holders).unwrap();
    assert!(of(&calls.checked) > 7, "{report:?}");
    assert!(report.damage.iter().all(|damage| damage.file.ends_with(".idx")), "{report:?}");

    let options = super::Options {
        holders: holders.clone(),
        scrub_bytes_per_second: 1 << 30,
        ..options(ReadMode::Map)
    };
    store.engine = Store::open(&store.disk, &store.clock, options, 1);
    queries::check(&store.engine, &mut random, 60).unwrap();
    assert!(of(&calls.fetched) > 100 && of(&calls.read_in_order) >= 7);
    while store.engine.step(Step::Index) {}
    queries::check(&store.engine, &mut random, 60).unwrap();
    let checked = of(&calls.checked);
    store.clock.advance(10_000_000);
    while store.engine.step(Step::Scrub) {}
    assert!(of(&calls.checked) > checked, "the scrubber reads what is in memory");
    assert_eq!(store.engine.health(), Health::Serving);

    store.append(&mut random, 40);
    assert!(store.seal() && store.engine.step(Step::Merge), "eight generations are merged");
    queries::check(&store.engine, &mut random, 60).unwrap();
    while store.engine.step(Step::Reclaim) {}
    assert_eq!(of(&calls.removed), 7, "what was merged is removed by its holder");
    store.engine.close();
    store.disk.kill();
    let disk: Arc<dyn Disk> = Arc::new(store.disk.clone());
    let report = inspect::verify_disk(disk, Path::new("store"), &holders).unwrap();
    assert!(report.damage.is_empty() && report.events == 320, "{report:?}");
}
