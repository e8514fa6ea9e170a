//! Damage of any byte in any file is noticed before data is served.

use allsource_engine::ExpectedVersion::Any;
use allsource_engine::Step;
use allsource_tests::corruption::{lose, sweep};
use allsource_tests::world::{World, entity};

/// A store of two journal files whose last round is proven by a mark, closed.
pub(crate) fn store() -> World {
    let mut world = World::new(3);
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
        // An older manifest is kept and never consulted while there is a newer one.
        let is_superseded = prefix == "manifest/" && Some(path) != last.as_ref();
        let least = if is_superseded { 0 } else { swept.mutations / 20 };
        assert!(swept.mutations > 100 && swept.refused >= least, "{path}: {swept:?}");
    }
}

#[test]
fn every_damaged_byte_of_a_manifest_is_noticed() {
    sweep_all("manifest/", 1);
}

#[test]
fn damage_anywhere_in_the_journal_is_noticed() {
    sweep_all("journal/", 13);
}

/// The verifier stopped at the first damage and called that all of it.
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
    let report = allsource_engine::inspect::verify_disk(&world.disk, std::path::Path::new("store")).unwrap();
    let named: Vec<&str> = report.damage.iter().map(|damage| damage.file.as_str()).collect();
    assert_eq!(named, paths);
    assert!(report.bytes > 100_000, "{report:?}");
}
