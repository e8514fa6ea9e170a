//! Sealed files on a simulated disk: reading them, and damage.

use std::sync::Arc;

use allsource_format::sealed::{Header, Kind};

use super::*;
use crate::error::ReadError;
use crate::options::ReadMode;
use crate::platform::Disk;
use crate::platform::sim::{Faults, SimDisk};

const PATH: &str = "segments/file";

pub(super) fn header() -> Header {
    Header {
        kind: Kind::Snapshots,
        store: [7; 16],
        epoch: 1,
        first_position: 1,
        last_position: 5,
        events: 5,
        min_timestamp: 0,
        max_timestamp: 0,
        checksums: 0,
        checksums_crc: 0,
        source_crc: 0,
        sections: Vec::new(),
    }
}

/// Writes a file of three sections: a hundred thousand numbers, three, and none.
pub(super) fn file_on(disk: &SimDisk, path: &str, header: Header) {
    let mut writer = Writer::new(Target::create(disk, path).unwrap());
    writer.open_section(1).unwrap();
    for number in 0..100_000_u64 {
        writer.write(&number.to_le_bytes()).unwrap();
    }
    writer.close_section(100_000);
    writer.open_section(2).unwrap();
    for number in [5_u32, 7, 9] {
        writer.write(&number.to_le_bytes()).unwrap();
    }
    writer.close_section(3);
    writer.open_section(3).unwrap();
    writer.finish(header).unwrap();
}

fn disk() -> SimDisk {
    let disk = SimDisk::new(1);
    file_on(&disk, PATH, header());
    disk
}

fn open(disk: &SimDisk, mode: ReadMode) -> Result<SealedFile, ReadError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    SealedFile::open(&disk, PATH, Kind::Snapshots, mode)
}

#[test]
fn both_ways_to_read_give_the_same() {
    let disk = disk();
    for mode in [ReadMode::Map, ReadMode::Read] {
        let file = open(&disk, mode).unwrap();
        let column = file.column(1, 8);
        assert_eq!((column.len(), column.u64(77_777).unwrap()), (100_000, 77_777));
        assert_eq!(column.partition_point(0..100_000, |at| Ok(column.u64(at)? < 500)).unwrap(), 500);
        let mut sum = 0;
        column.scan(10..99_990, |number| sum += u64::from_le_bytes(number)).unwrap();
        assert_eq!(sum, (10..99_990).sum::<u64>());
        assert_eq!(file.column(2, 4).u32(2).unwrap(), 9);
        assert!(file.column(2, 4).u32(3).is_err(), "an entry that is not there");
        assert!(file.column(3, 4).u32(0).is_err(), "an empty section");
        assert_eq!(file.header().file_bytes(), disk.contents(PATH).unwrap().len() as u64);
        assert!(file.check_again(0).unwrap() && !file.check_again(100).unwrap());
    }
}

#[test]
fn a_flipped_bit_is_noticed_when_its_block_is_used_and_not_before() {
    let good = disk().contents(PATH).unwrap();
    for offset in [0, 13, 4095, 4096, 70_000, 500_000, good.len() - 8, good.len() - 1] {
        let disk = disk();
        let mut bad = good.clone();
        bad[offset] ^= 4;
        disk.damage(PATH, bad);
        for mode in [ReadMode::Map, ReadMode::Read] {
            let opened = open(&disk, mode);
            let read = opened.and_then(|file| {
                let mut last = 0;
                file.column(1, 8).scan(0..100_000, |number| last = u64::from_le_bytes(number))?;
                Ok((last, file.column(2, 4).u32(0)?))
            });
            assert_eq!(read.unwrap_err().damage().unwrap().file, PATH, "offset {offset}");
        }
    }
    let disk = disk();
    let mut bad = good;
    bad[500_000] ^= 1;
    disk.damage(PATH, bad);
    let file = open(&disk, ReadMode::Map).unwrap();
    assert_eq!(file.column(1, 8).u64(3).unwrap(), 3, "another block is served");
    assert!(file.column(1, 8).u64((500_000 - 4096) / 8).is_err());
}

#[test]
fn a_file_of_another_length_is_refused() {
    let disk = disk();
    let good = disk.contents(PATH).unwrap();
    for length in [0, 100, 4096, good.len() - 1] {
        disk.damage(PATH, good[..length].to_vec());
        assert!(open(&disk, ReadMode::Map).is_err(), "{length} bytes");
    }
    disk.damage(PATH, [&good[..], &[0]].concat());
    assert!(open(&disk, ReadMode::Map).is_err(), "a byte too many");
}

#[test]
fn an_unreadable_sector_costs_only_its_own_block_and_is_not_damage() {
    for mode in [ReadMode::Map, ReadMode::Read] {
        let disk = disk();
        disk.make_unreadable(PATH, 500_000..500_512);
        let file = open(&disk, mode).unwrap();
        let column = file.column(1, 8);
        let (inside, outside) = ((500_000 - 4096) / 8, 3);
        assert_eq!(column.u64(outside).unwrap(), outside, "{mode:?}: another block is served");
        assert!(matches!(column.u64(inside), Err(ReadError::Unavailable(_))), "{mode:?}");
        assert_eq!(column.u64(outside).unwrap(), outside, "{mode:?}: and still is");
        disk.make_readable(PATH);
        assert_eq!(column.u64(inside).unwrap(), inside, "{mode:?}: it passes by itself");
    }
}

#[test]
fn a_file_that_cannot_be_opened_is_not_damaged_but_a_missing_one_is() {
    for mode in [ReadMode::Map, ReadMode::Read] {
        let disk = disk();
        disk.set_faults(Faults { descriptors: Some(0), ..Faults::default() });
        assert!(matches!(open(&disk, mode), Err(ReadError::Unavailable(_))), "{mode:?}");
        disk.set_faults(Faults::default());
        assert!(open(&disk, mode).is_ok(), "{mode:?}");
        disk.lose(PATH);
        assert!(matches!(open(&disk, mode), Err(ReadError::Damaged(_))), "{mode:?}");
    }
}
