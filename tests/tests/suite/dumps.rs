//! A dump of a damaged store contains everything readable, and reports what is missing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use allsource_engine::ExpectedVersion::Any;
use allsource_engine::inspect::{Dumped, Salvaged, dump_disk};
use allsource_engine::platform::sim::SimDisk;
use allsource_engine::{ReadMode, Step};
use allsource_tests::world::{World, entity};

use crate::damage::{sealed_store, store};

/// The result of a dump: events by position, and the ranges reported missing, with reasons.
struct Got {
    events: BTreeMap<u64, String>,
    missing: Vec<(u64, u64, String)>,
    dumped: Dumped,
}

fn dump(disk: &SimDisk) -> Got {
    let (mut events, mut missing, mut due) = (BTreeMap::new(), Vec::new(), 1);
    let dumped =
        dump_disk(Arc::new(disk.clone()), Path::new("store"), &Default::default(), &mut |salvaged| {
            match salvaged {
                Salvaged::Event(event) => {
                    let position = event.position().value();
                    assert_eq!(position, due, "a gap between two events was not reported");
                    due += 1;
                    events.insert(
                        position,
                        format!("{} {} {:?}", event.id(), event.entity_id(), event.payload()),
                    );
                }
                Salvaged::Missing { first, last, why } => {
                    assert!(first.value() == due && last >= first, "{first} to {last}, {due} is due");
                    due = last.value() + 1;
                    missing.push((first.value(), last.value(), why.to_owned()));
                }
            }
        });
    Got { events, missing, dumped: dumped.unwrap_or_else(|error| panic!("{error}")) }
}

/// Dumps the store with one file changed; every dumped event must be the original.
fn changed(world: &World, whole: &Got, path: &str, bytes: Option<Vec<u8>>, how: &str) -> Got {
    let fork = world.fork();
    match bytes {
        Some(bytes) => fork.disk.damage(path, bytes),
        None => fork.disk.lose(path),
    }
    let got = dump(&fork.disk);
    for (position, event) in &got.events {
        assert_eq!(whole.events.get(position), Some(event), "{path}, {how}: position {position}");
    }
    let lost = whole.events.len() - got.events.len();
    assert!(lost == 0 || !got.dumped.damage.is_empty(), "{path}, {how}: {lost} events lost without a report");
    let missing: u64 = got.missing.iter().map(|(first, last, _)| last - first + 1).sum();
    assert_eq!(got.dumped.missing, missing, "{path}, {how}");
    got
}

fn stores() -> Vec<World> {
    vec![store(), sealed_store(ReadMode::Read)]
}

#[test]
fn a_dump_of_an_undamaged_store_misses_nothing() {
    for world in stores() {
        let got = dump(&world.disk);
        assert!(got.events.len() > 10 && got.missing.is_empty() && got.dumped.damage.is_empty());
        assert_eq!(got.dumped.events, got.events.len() as u64);
    }
}

/// A dump must go on after damage, even when the newest manifest is empty.
#[test]
fn a_damaged_manifest_costs_no_event() {
    for world in stores() {
        let whole = dump(&world.disk);
        let paths = world.disk.paths();
        let newest = paths.iter().filter(|path| path.starts_with("manifest/0")).max().unwrap();
        let mut flipped = world.disk.contents(newest).unwrap();
        flipped[40] ^= 1;
        for bytes in [Vec::new(), flipped] {
            let got = changed(&world, &whole, newest, Some(bytes), "emptied or flipped");
            assert_eq!(got.events.len(), whole.events.len(), "{:?}", got.missing);
            assert!(got.dumped.damage.iter().any(|damage| damage.file == *newest));
        }
    }
}

/// Reading events by position needs only parts of an index; a dump reports damage to any of it.
#[test]
fn damage_anywhere_in_an_index_is_reported_and_costs_no_event() {
    for world in stores() {
        let whole = dump(&world.disk);
        assert!(whole.dumped.is_complete);
        for path in world.disk.paths().iter().filter(|path| path.ends_with(".idx")) {
            let bytes = world.disk.contents(path).unwrap();
            for place in (0..bytes.len()).step_by(bytes.len() / 16) {
                let mut flipped = bytes.clone();
                flipped[place] ^= 1;
                let got = changed(&world, &whole, path, Some(flipped), "flipped");
                assert!(got.events == whole.events && got.dumped.is_complete, "{path}, byte {place}");
                assert!(got.dumped.damage.iter().any(|damage| damage.file == *path), "{path}, byte {place}");
            }
            let got = changed(&world, &whole, path, None, "lost");
            assert!(got.dumped.is_complete && !got.dumped.damage.is_empty(), "{path}");
        }
    }
}

/// The manifest before it names the files that were merged, which are gone.
#[test]
fn a_merged_generation_that_only_a_damaged_manifest_names_is_dumped() {
    let mut world = World::new(6);
    world.options.seal_bytes = u64::MAX;
    world.open().unwrap();
    let segments = |world: &World| world.disk.paths().iter().filter(|path| path.ends_with(".seg")).count();
    let mut sealed = 0;
    while segments(&world) >= sealed {
        sealed = segments(&world);
        assert!(sealed < 64, "generations are merged");
        for n in 0..10 {
            world.send(&[(entity("default", "a"), Any, n % 2 == 0)]).unwrap();
        }
        world.settle().unwrap();
        world.step(Step::Freeze).unwrap();
        for step in [Step::Seal, Step::Merge, Step::Reclaim] {
            while world.step(step).unwrap() {}
        }
    }
    world.kill();
    let paths = world.disk.paths();
    let newest = paths.iter().filter(|path| path.starts_with("manifest/0")).max().unwrap();
    let fork = world.fork();
    paths.iter().filter(|path| path.ends_with(".jnl")).for_each(|path| fork.disk.lose(path));
    let whole = dump(&fork.disk);
    assert!(whole.missing.is_empty() && whole.events.len() >= 20);
    fork.disk.damage(newest, Vec::new());
    let got = dump(&fork.disk);
    assert!(got.events == whole.events, "{:?}", got.missing);
    assert!(got.dumped.damage.iter().any(|damage| damage.file == *newest));
}

/// Without a manifest, generations are found by their files, also when there is no journal either.
#[test]
fn what_no_manifest_names_any_more_is_dumped() {
    type Spoil = fn(&SimDisk, &str);
    let ways: [Spoil; 2] = [|disk, path| disk.damage(path, Vec::new()), SimDisk::lose];
    for (world, is_sealed) in stores().into_iter().zip([false, true]) {
        for spoil in ways {
            let fork = world.fork();
            let of = |start: &str| {
                world.disk.paths().into_iter().filter(move |path| path.starts_with(start)).collect::<Vec<_>>()
            };
            let whole = dump(&fork.disk);
            of("manifest/0").iter().for_each(|path| spoil(&fork.disk, path));
            let got = dump(&fork.disk);
            assert_eq!(got.events, whole.events, "{:?}", got.missing);
            assert!(got.dumped.damage.iter().any(|damage| damage.file.starts_with("manifest")));
            if is_sealed {
                of("journal/").iter().for_each(|path| fork.disk.lose(path));
                let got = dump(&fork.disk);
                assert_eq!(got.events.len(), 20, "{:?}", got.missing);
                let paths = of("segments/");
                let first = paths.iter().find(|path| path.ends_with(".seg")).unwrap();
                fork.disk.lose(first);
                let got = dump(&fork.disk);
                let missing: Vec<_> = got.missing.iter().map(|(first, last, _)| (*first, *last)).collect();
                assert_eq!((got.events.len(), missing), (10, vec![(1, 10)]));
            }
        }
    }
}

#[test]
fn damage_anywhere_costs_only_what_it_touches_and_is_reported() {
    for world in stores() {
        let whole = dump(&world.disk);
        let total = whole.events.len();
        for path in world.disk.paths().iter().filter(|path| !path.ends_with("tmp") && *path != "LOCK") {
            let original = world.disk.contents(path).unwrap();
            let used = original.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            let mut fewest = total;
            for offset in (0..used).step_by(37) {
                let mut bytes = original.clone();
                bytes[offset] ^= 0x10;
                let got = changed(&world, &whole, path, Some(bytes), &format!("byte {offset}"));
                // Damage to a file's header affects the whole file.
                if offset > 4096 || !path.starts_with("journal/") {
                    fewest = fewest.min(got.events.len());
                }
            }
            changed(&world, &whole, path, None, "lost");
            changed(&world, &whole, path, Some(original[..used / 2].to_vec()), "cut in half");
            println!("{path}: at least {fewest} of {total} events");
            let bound = if path.starts_with("journal/") { total - 3 } else { 0 };
            assert!(fewest >= bound, "{path}: one byte costs {} of {total} events", total - fewest);
        }
    }
}

/// Without its index a damaged generation could not be read at all.
#[test]
fn a_generation_without_index_and_with_a_damaged_segment_gives_its_other_events() {
    let mut world = World::new(5);
    world.options.seal_bytes = u64::MAX;
    world.open().unwrap();
    for n in 0..1000 {
        world.send(&[(entity("default", "a"), Any, true), (entity("acme", "b"), Any, n % 2 == 0)]).unwrap();
        world.settle().unwrap();
    }
    world.step(Step::Freeze).unwrap();
    world.settle().unwrap();
    world.close().unwrap();
    let whole = dump(&world.disk);
    let paths = world.disk.paths();
    let with = |end: &str| paths.iter().filter(|path| path.ends_with(end)).min().unwrap();
    let (index, segment) = (with(".idx"), with(".seg"));
    let fork = world.fork();
    fork.disk.damage(index, Vec::new());
    let mut bytes = fork.disk.contents(segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fork.disk.damage(segment, bytes);
    for path in paths.iter().filter(|path| path.ends_with(".jnl")) {
        fork.disk.lose(path);
    }
    let got = dump(&fork.disk);
    assert!(got.events.len() > 500, "{} of 2,000 events", got.events.len());
    assert!(got.events.iter().all(|(position, event)| whole.events.get(position) == Some(event)));
    let is_explained = |missing: &(u64, u64, String)| missing.2.contains("segments/");
    assert!(
        got.missing.iter().filter(|missing| missing.0 <= 1_900).all(is_explained),
        "{:?}",
        got.missing.first()
    );
    assert_eq!(got.events.len() as u64 + got.dumped.missing, 2_000);
}

#[test]
fn a_hole_in_the_middle_is_named_with_its_file() {
    let world = store();
    let whole = dump(&world.disk);
    let path = world.disk.paths().into_iter().find(|path| path.ends_with(".jnl")).unwrap();
    let mut bytes = world.disk.contents(&path).unwrap();
    bytes[4096 + 4096 * 2 + 100] ^= 1;
    let got = changed(&world, &whole, &path, Some(bytes), "one frame");
    let [(first, last, why)] = got.missing.as_slice() else { panic!("{:?}", got.missing) };
    assert!(*first > 1 && *last < whole.events.len() as u64 && why.contains(&path), "{first} {last} {why}");
}
