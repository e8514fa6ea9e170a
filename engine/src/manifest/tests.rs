//! Which manifests are kept, and which files are manifests.

use super::*;
use crate::platform::sim::SimDisk;

/// Only the manifest two numbers back was ever removed: one that could not be, once, stayed for good.
#[test]
fn leftover_manifests_do_not_pile_up_and_strangers_stay() {
    let disk = SimDisk::new(1);
    let strangers = ["manifest/+0000000000000000003", "manifest/3", "manifest/00000000000000000003.bak"];
    let ours = [2, 3, 7, 8, 9].map(path_of);
    for path in ours.iter().map(String::as_str).chain(strangers) {
        disk.create(path, 0).unwrap();
    }
    remove_old(&disk, 9);
    let mut left = [&[path_of(8), path_of(9)][..], &strangers.map(str::to_owned)].concat();
    left.sort();
    assert_eq!(disk.paths(), left);
    assert_eq!(numbers(&disk).unwrap(), [8, 9]);
}
