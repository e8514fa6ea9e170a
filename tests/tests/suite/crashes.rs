//! Crashes at every point of small workloads, and seeded simulation.

use std::sync::Arc;

use allsource_engine::event::{Entity, NewEvent};
use allsource_engine::platform::Disk as _;
use allsource_engine::platform::sim::{SimClock, SimDisk, SimEntropy};
use allsource_engine::{Batch, Engine, Options, Query, Step};
use allsource_tests::crash_points::{Effort, explore};
use allsource_tests::fixture::settle;
use allsource_tests::{simulation, workloads};

#[test]
fn a_crash_at_any_operation_of_any_workload_loses_nothing() {
    let effort = Effort { samples: 24, exhaustive_up_to: 6 };
    let (mut points, mut images, mut nested) = (0, 0, 0);
    for workload in workloads::all() {
        let tried = explore(&workload, effort).unwrap();
        points += tried.crash_points;
        images += tried.images;
        nested += tried.nested;
    }
    println!("{points} crash points, {images} images, {nested} with crashes inside recovery");
    assert!(points > 500 && nested > 500, "the workloads reach the disk");
}

#[test]
fn no_seed_breaks_a_promise() {
    let (mut acknowledged, mut crashes) = (0, 0);
    for seed in 0..2500 {
        let ran = simulation::run(seed, 300).unwrap();
        acknowledged += ran.acknowledged;
        crashes += ran.crashes;
    }
    println!("{acknowledged} events acknowledged over {crashes} crashes");
    assert!(acknowledged > 4000 && crashes > 1000, "the simulation appends and crashes");
}

/// Seeds that once failed, with the mistakes they found.
#[test]
fn seeds_that_once_failed_pass() {
    for (seed, actions) in [
        // A mark was written without its padding, and its file was continued inside a block.
        (26, 300),
        // The space reserved for a manifest was a second name of the current manifest.
        (1309, 400),
        // A file was continued before its name was durable, and a manifest then relied on it.
        (5877, 400),
        // A file was created before the name of the previous one was durable, and a crash kept only the later one.
        (7725, 400),
    ] {
        simulation::run(seed, actions).unwrap();
    }
}

#[test]
fn equal_seeds_give_equal_runs() {
    for seed in 0..20 {
        assert_eq!(simulation::run(seed, 200), simulation::run(seed, 200));
    }
}

/// Every unclean opening begins a journal file, and a store that holds little is never large enough to be sealed.
#[test]
fn crashes_do_not_pile_up_journal_files() {
    let (disk, entity) = (SimDisk::new(1), Entity::new("order-1").unwrap());
    let options = || Options { journal_file_bytes: 64 << 10, ..Options::default() };
    for opening in 0..600 {
        let (clock, entropy) = (Arc::new(SimClock::at(0)), Arc::new(SimEntropy::seeded(opening)));
        let engine = Engine::open_by_hand(Arc::new(disk.clone()), clock, entropy, options()).unwrap();
        let append = engine.append(Batch::to(&entity).event(NewEvent::json("t", "{}").unwrap()));
        settle(&engine);
        append.wait().unwrap();
        while engine.step(Step::Seal) {}
        let files = disk.list("journal").unwrap().len();
        assert!(files <= 260, "{files} journal files at opening {opening}");
        assert_eq!(engine.read(&Query::all()).unwrap().count() as u64, opening + 1);
        drop(engine);
        disk.crash(&mut || true);
    }
}
