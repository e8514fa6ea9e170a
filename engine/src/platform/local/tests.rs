//! A folder that is moved, removed, shared with readers, or made within others that did not exist.

#![expect(clippy::disallowed_methods, reason = "the folder is moved behind the disk's back")]

use std::io::ErrorKind;

use super::*;

fn disk_in(path: &Path) -> LocalDisk {
    let disk = LocalDisk::new(path);
    disk.create_dir("").unwrap();
    disk.create_dir("journal").unwrap();
    disk
}

/// If paths were resolved again each time, the next journal file would be "not found" after a move.
#[test]
fn a_folder_that_is_moved_goes_on_and_says_so() {
    let above = tempfile::tempdir().unwrap();
    let (old, new) = (above.path().join("old"), above.path().join("new"));
    let disk = disk_in(&old);
    let lock = disk.lock("LOCK").unwrap();
    assert_eq!(lock.whereabouts().unwrap(), Whereabouts::InPlace);
    std::fs::rename(&old, &new).unwrap();
    disk.create("journal/a.tmp", 4096).unwrap().sync().unwrap();
    disk.rename("journal/a.tmp", "journal/a").unwrap();
    disk.sync_dir("journal").unwrap();
    disk.create_dir("segments/p001").unwrap();
    assert_eq!(lock.whereabouts().unwrap(), Whereabouts::Moved);
    assert!(new.join("journal/a").exists() && new.join("segments/p001").exists() && !old.exists());
    // Another store in the old place is not this one.
    let other = disk_in(&old);
    let _other = other.lock("LOCK").unwrap();
    assert_eq!(lock.whereabouts().unwrap(), Whereabouts::Moved);
}

#[test]
fn a_folder_that_is_removed_is_noticed() {
    let above = tempfile::tempdir().unwrap();
    let path = above.path().join("store");
    let disk = disk_in(&path);
    let lock = disk.lock("LOCK").unwrap();
    std::fs::remove_dir_all(&path).unwrap();
    assert_eq!(lock.whereabouts().unwrap(), Whereabouts::Removed);
    assert_eq!(disk.create("journal/b", 0).err().unwrap().kind(), ErrorKind::NotFound);
}

#[test]
fn readers_lock_without_writing_and_keep_writers_out() {
    let above = tempfile::tempdir().unwrap();
    let disk = disk_in(above.path());
    assert!(disk.lock_shared("LOCK").unwrap().is_none());
    assert_eq!(disk.list("").unwrap(), ["journal"]);
    drop(disk.lock("LOCK").unwrap());
    let (one, two) = (disk.lock_shared("LOCK").unwrap(), disk.lock_shared("LOCK").unwrap());
    assert_eq!(disk.lock("LOCK").err().unwrap().kind(), ErrorKind::WouldBlock);
    drop((one, two));
    let _writer = disk.lock("LOCK").unwrap();
    assert_eq!(disk.lock_shared("LOCK").err().unwrap().kind(), ErrorKind::WouldBlock);
}

#[test]
fn names_of_folders_are_made_durable_up_to_one_that_was_there() {
    let above = tempfile::tempdir().unwrap();
    let disk = disk_in(&above.path().join("a/b/c"));
    disk.sync_parent().unwrap();
    disk.sync_parent().unwrap();
    assert!(above.path().join("a/b/c/journal").exists());
}

#[test]
fn a_name_that_is_taken_is_not_replaced() {
    let above = tempfile::tempdir().unwrap();
    let disk = disk_in(above.path());
    for name in ["journal/a", "journal/b"] {
        disk.create(name, 0).unwrap();
    }
    assert_eq!(disk.rename("journal/a", "journal/b").err().unwrap().kind(), ErrorKind::AlreadyExists);
    disk.remove("journal/b").unwrap();
    disk.rename("journal/a", "journal/b").unwrap();
    assert_eq!(disk.list("journal").unwrap(), ["b"]);
}
