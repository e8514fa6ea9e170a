//! Damage to any byte in any file is detected before data is served.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use allsource_engine::ExpectedVersion::Any;
use allsource_engine::inspect::verify_disk;
use allsource_engine::{Damage, Options, ReadMode, Step};
use allsource_tests::corruption::{lose, sweep};
use allsource_tests::world::{World, entity};

/// A store of two journal files whose last round is proven by a mark, closed.
pub(crate) fn store() -> World {
    let mut world = World::new(3);
    world.options.seal_bytes = u64::MAX;
    world.open().unwrap();
    for n in 0..17 {
        world.send(&[(entity("default", "a"), Any, true), (entity("acme", "b"), Any, n % 2 == 0)]).unwrap();
        world.settle().unwrap();
    }
    world.step(Step::Mark).unwrap();
    world.step(Step::Commit).unwrap();
    world.check().unwrap();
    world.close().unwrap();
    world
}

fn sweep_all(prefix: &str, stride: usize) {
    let world = store();
    let paths = world.disk.paths();
    let files: Vec<&String> =
        paths.iter().filter(|path| path.starts_with(prefix) && !path.ends_with("tmp")).collect();
    let last = files.last().map(|path| (*path).clone());
    assert!(last.is_some());
    for path in files {
        let swept = sweep(&world, path, stride).unwrap();
        let lost = lose(&world, path, &paths).unwrap();
        println!("{path}: {swept:?}, {lost:?}");
        // An older manifest is kept but not read while there is a newer one.
        let is_superseded = prefix == "manifest/" && Some(path) != last.as_ref();
        let least = if is_superseded { 0 } else { swept.mutations / 20 };
        assert!(swept.mutations > 100 && swept.refused >= least, "{path}: {swept:?}");
    }
}

/// A store of two generations and a few events in the journal, closed.
pub(crate) fn sealed_store(read_mode: ReadMode) -> World {
    let mut world = World::new(5);
    world.options = Options { seal_bytes: u64::MAX, read_mode, ..world.options };
    world.open().unwrap();
    for n in 0..12 {
        world.send(&[(entity("default", "a"), Any, true), (entity("acme", "b"), Any, n % 2 == 0)]).unwrap();
        world.settle().unwrap();
        if n % 5 == 4 {
            world.step(Step::Freeze).unwrap();
            world.settle().unwrap();
        }
    }
    world.check().unwrap();
    world.close().unwrap();
    world
}

/// Damages one place in one sealed file at a time and reads the whole store.
#[test]
fn damage_anywhere_in_a_sealed_file_is_detected_or_repaired() {
    let (mut indexes, mut segments) = (0, 0);
    for read_mode in [ReadMode::Map, ReadMode::Read] {
        let world = sealed_store(read_mode);
        let paths = world.disk.paths();
        for path in paths.iter().filter(|path| path.starts_with("segments/")) {
            let swept = sweep(&world, path, 61).unwrap();
            let lost = lose(&world, path, &paths).unwrap();
            println!("{path}: {swept:?}, {lost:?}");
            match path.ends_with(".idx") {
                true => {
                    assert_eq!((swept.refused, lost.refused), (0, 0), "the index is rebuilt: {path}");
                    indexes += swept.repaired;
                }
                false => segments += swept.refused,
            }
        }
    }
    assert!(indexes > 1000 && segments > 1000, "{indexes} {segments}");
}

#[test]
fn every_damaged_byte_in_a_manifest_is_detected() {
    sweep_all("manifest/", 1);
}

#[test]
fn damage_anywhere_in_the_journal_is_detected() {
    sweep_all("journal/", 13);
}

/// The verifier must not stop at the first damage and report that as all of it.
#[test]
fn the_verifier_names_damage_in_every_file() {
    let world = store();
    let paths: Vec<String> = world
        .disk
        .paths()
        .into_iter()
        .filter(|path| path.starts_with("journal/") && path.ends_with(".jnl"))
        .collect();
    assert!(paths.len() >= 2, "{paths:?}");
    for path in &paths {
        let mut bytes = world.disk.contents(path).unwrap();
        bytes[5000] ^= 1;
        world.disk.damage(path, bytes);
    }
    let report = allsource_engine::inspect::verify_disk(
        std::sync::Arc::new(world.disk.clone()),
        std::path::Path::new("store"),
        &Default::default(),
    )
    .unwrap();
    let named: Vec<&str> = report.damage.iter().map(|damage| damage.file.as_str()).collect();
    assert_eq!(named, paths);
    assert!(report.bytes > 100_000, "{report:?}");
}

/// One damaged file must neither end the check nor turn the events of the others into none.
#[test]
fn the_verifier_counts_and_checks_what_is_left_after_damage_to_manifests_or_files() {
    let verify = |world: &World| {
        verify_disk(Arc::new(world.disk.clone()), Path::new("store"), &Default::default()).unwrap()
    };
    let files_of =
        |damage: &[Damage]| damage.iter().map(|damage| damage.file.clone()).collect::<BTreeSet<_>>();
    let world = sealed_store(ReadMode::Read);
    let (whole, paths) = (verify(&world), world.disk.paths());
    assert!(whole.damage.is_empty() && whole.events >= 24, "{whole:?}");
    let manifests: Vec<&String> = paths.iter().filter(|path| path.starts_with("manifest/0")).collect();
    let segment = paths.iter().find(|path| path.ends_with(".seg")).unwrap();
    let index = paths.iter().rfind(|path| path.ends_with(".idx")).unwrap();
    let journal = paths.iter().find(|path| path.ends_with(".jnl")).unwrap();
    let flip = |world: &World, path: &str, offset: usize| {
        let mut bytes = world.disk.contents(path).unwrap();
        bytes[offset] ^= 1;
        world.disk.damage(path, bytes);
    };
    for count in 0..=manifests.len() {
        let fork = world.fork();
        manifests.iter().rev().take(count).for_each(|path| fork.disk.damage(path, Vec::new()));
        flip(&fork, index, 5000);
        let report = verify(&fork);
        assert_eq!(report.events, whole.events, "{count} manifests and an index are damaged: {report:?}");
        let mut expected: BTreeSet<String> =
            manifests.iter().rev().take(count).map(|path| (*path).clone()).collect();
        expected.insert(index.clone());
        assert_eq!(files_of(&report.damage), expected);
        flip(&fork, segment, 4100);
        flip(&fork, journal, 4100);
        expected.extend([segment.clone(), journal.clone()]);
        let report = verify(&fork);
        assert!(report.events > 0 && report.events < whole.events, "{report:?}");
        assert!(files_of(&report.damage).is_superset(&expected), "{report:?}");
        assert!(report.bytes > 0 && report.files >= whole.files - manifests.len() as u64, "{report:?}");
    }
}

/// A file that cannot be read now is listed, in words that say so, and the others are read.
#[test]
fn the_verifier_lists_a_file_that_cannot_be_read_now_and_goes_on() {
    let world = sealed_store(ReadMode::Read);
    let paths = world.disk.paths();
    for ending in [".seg", ".idx", ".jnl"] {
        let fork = world.fork();
        let path = paths.iter().find(|path| path.ends_with(ending)).unwrap().clone();
        fork.disk.make_unreadable(&path, 4096..4100);
        let report =
            verify_disk(Arc::new(fork.disk.clone()), Path::new("store"), &Default::default()).unwrap();
        let listed = report.damage.iter().find(|damage| damage.file == path);
        assert!(listed.is_some() && report.events > 0, "{path}: {report:?}");
    }
}

/// `verify` must not even create a `LOCK` file.
#[test]
fn verifying_a_store_writes_nothing() {
    let world = sealed_store(ReadMode::Map);
    world.disk.trace();
    let report = allsource_engine::inspect::verify_disk(
        Arc::new(world.disk.clone()),
        Path::new("store"),
        &Default::default(),
    );
    assert_eq!(report.unwrap().damage, []);
    let done: BTreeSet<&str> = world.disk.trace().into_iter().map(|op| op.verb).collect();
    let looks = BTreeSet::from(["list", "open", "read", "length", "lock_shared"]);
    assert!(done.is_subset(&looks), "{done:?}");
}
