//! In which folders a store is created.

use super::*;
use crate::platform::sim::SimDisk;

fn check(paths: &[&str], expected: Result<(), &str>) {
    let disk = SimDisk::new(1);
    paths.iter().for_each(|path| disk.damage(path, Vec::new()));
    let found = check_vacant(&disk, Path::new("data")).map_err(|error| error.to_string());
    match expected {
        Ok(()) => assert_eq!(found, Ok(()), "{paths:?}"),
        Err(words) => assert!(found.clone().is_err_and(|told| told.contains(words)), "{paths:?}: {found:?}"),
    }
}

#[test]
fn a_store_is_created_only_where_nothing_of_anybody_is() {
    check(&[], Ok(()));
    check(&["LOCK", "lost+found", ".DS_Store", "@eaDir", "._x", ".nfs0001", "derived", "quarantine"], Ok(()));
    check(&["notes.txt"], Err("notes.txt"));
    check(&["src"], Err("not an AllSource store"));
    check(&["journal/0000000001.jnl"], Err("journal files but no manifest"));
    check(&["journal/copy of 0000000001.jnl", "journal/1.jnl"], Ok(()));
    // Creating a store here would have removed them as leftovers.
    let segments = "segments/00000000000000000001-00000000000000000012.idx";
    check(&[segments], Err("sealed files but no manifest"));
    check(&["system"], Err("a system log but no manifest"));
}
