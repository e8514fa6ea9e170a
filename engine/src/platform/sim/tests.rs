//! What the simulated disk keeps and loses.

use super::*;
use crate::platform::disk::Disk;

fn disk_with_file() -> (SimDisk, std::sync::Arc<dyn crate::platform::DiskFile>) {
    let disk = SimDisk::new(1);
    let file = disk.create("d/f", 2048).unwrap();
    file.sync().unwrap();
    disk.sync_dir("d").unwrap();
    (disk, file)
}

#[test]
fn what_was_synced_survives_and_the_rest_is_decided_sector_by_sector() {
    let (disk, file) = disk_with_file();
    file.write_at(&[1; 512], 0).unwrap();
    file.sync().unwrap();
    file.write_at(&[2; 1024], 512).unwrap();
    assert_eq!(disk.undecided(), 2);
    let mut turn = 0;
    disk.crash(&mut || {
        turn += 1;
        turn == 2
    });
    let left = disk.contents("d/f").unwrap();
    assert_eq!((left[0], left[512], left[1024], left[1536]), (1, 0, 2, 0));
}

#[test]
fn a_name_is_lost_until_its_folder_is_synced() {
    let (disk, _file) = disk_with_file();
    disk.rename("d/f", "d/g").unwrap();
    disk.fork().crash(&mut || true);
    let lost = disk.fork();
    lost.crash(&mut || false);
    assert_eq!(lost.paths(), ["d/f"]);
    disk.sync_dir("d").unwrap();
    disk.crash(&mut || false);
    assert_eq!(disk.paths(), ["d/g"]);
}

#[test]
fn after_a_failed_sync_the_cache_shows_what_a_crash_takes_back() {
    let (disk, file) = disk_with_file();
    file.write_at(&[1; 512], 0).unwrap();
    disk.set_faults(Faults { sync_error: 1000, ..Faults::default() });
    assert!(file.sync().is_err());
    disk.set_faults(Faults::default());
    file.sync().unwrap();
    assert_eq!(disk.contents("d/f").unwrap()[0], 1);
    disk.crash(&mut || true);
    assert_eq!(disk.contents("d/f").unwrap()[0], 0);
}

#[test]
fn the_power_goes_at_the_operation_named_and_stays_out() {
    let (disk, file) = disk_with_file();
    disk.set_faults(Faults { power_cut_at: Some(disk.ops() + 1), ..Faults::default() });
    assert!(file.sync().is_ok());
    assert!(file.write_at(&[1], 0).is_err());
    assert!(file.sync().is_err());
}

#[test]
fn a_full_disk_refuses_longer_files_until_there_is_room() {
    let (disk, _file) = disk_with_file();
    disk.set_faults(Faults { room: Some(3000), ..Faults::default() });
    assert_eq!(disk.create("d/g", 1000).err().unwrap().kind(), std::io::ErrorKind::StorageFull);
    disk.set_faults(Faults::default());
    assert!(disk.create("d/g", 1000).is_ok());
}
