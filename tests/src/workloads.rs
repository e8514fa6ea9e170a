//! Small workloads for exhaustive crash tests. Each exercises one way to the disk.

use std::time::Duration;

use allsource_engine::ExpectedVersion::{Any, Empty, Exists};
use allsource_engine::platform::sim::Faults;
use allsource_engine::{Durability, ExpectedVersion, Step};

use crate::oracle::Broken;
use crate::world::{Wanted, World, entity};

/// A named workload.
pub struct Workload {
    /// What it is about.
    pub name: &'static str,
    /// Runs it from an empty machine. It goes on when the power is cut: everything then fails.
    pub run: fn(&mut World) -> Result<(), Broken>,
}

fn one(world: &mut World, id: &str) -> Result<(), Broken> {
    world.send(&[(entity("default", id), Any, true)]).map(drop)
}

/// Opens, or leaves the store closed when the power is gone.
fn open(world: &mut World) -> bool {
    world.open().is_ok()
}

fn append_and_settle(world: &mut World, count: usize) -> Result<(), Broken> {
    for n in 0..count {
        one(world, if n % 2 == 0 { "a" } else { "b" })?;
        world.settle()?;
    }
    Ok(())
}

/// Fills journal files: each event fills a block.
fn fill(world: &mut World, rounds: usize) -> Result<(), Broken> {
    for _ in 0..rounds {
        one(world, "filler")?;
        world.settle()?;
    }
    Ok(())
}

fn pipelined(world: &mut World) -> Result<(), Broken> {
    world.step(Step::Prepare)?;
    for id in ["a", "b", "a", "a"] {
        one(world, id)?;
        world.step(Step::Sequence)?;
        one(world, id)?;
        world.step(Step::Commit)?;
        world.step(Step::Sequence)?;
        world.step(Step::Commit)?;
    }
    Ok(())
}

fn mixed_batch() -> [Wanted; 3] {
    [
        (entity("default", "a"), Any, true),
        (entity("acme", "a"), Empty, false),
        (entity("default", "b"), Any, true),
    ]
}

const INTERVAL: Duration = Duration::from_millis(10);

fn weaker(world: &mut World, durability: Durability) -> Result<(), Broken> {
    world.options.durability = durability;
    if open(world) {
        append_and_settle(world, 2)?;
        world.clock.advance(11_000);
        append_and_settle(world, 2)?;
        world.close()?;
    }
    Ok(())
}

/// All workloads.
pub fn all() -> Vec<Workload> {
    let workload = |name, run| Workload { name, run };
    vec![
        workload("create", |world| {
            open(world);
            Ok(())
        }),
        workload("create and close", |world| if open(world) { world.close() } else { Ok(()) }),
        workload("one append", |world| if open(world) { append_and_settle(world, 1) } else { Ok(()) }),
        workload("three appends", |world| if open(world) { append_and_settle(world, 3) } else { Ok(()) }),
        workload("a batch over tenants", |world| {
            if open(world) {
                world.send(&mixed_batch())?;
                world.settle()?;
            }
            Ok(())
        }),
        workload("a refused batch", |world| {
            if open(world) {
                append_and_settle(world, 1)?;
                let stale = [(entity("default", "b"), Any, true), (entity("default", "a"), Empty, true)];
                world.send(&stale)?;
                one(world, "b")?;
                world.settle()?;
            }
            Ok(())
        }),
        workload("many appends in a round", |world| {
            if open(world) {
                for _ in 0..12 {
                    one(world, "a")?;
                }
                world.settle()?;
            }
            Ok(())
        }),
        workload("pipelined rounds", |world| if open(world) { pipelined(world) } else { Ok(()) }),
        workload("a conflict with a round in flight", |world| {
            if open(world) {
                one(world, "a")?;
                world.step(Step::Sequence)?;
                world.send(&[(entity("default", "a"), Empty, true)])?;
                world.settle()?;
            }
            Ok(())
        }),
        workload("a mark", |world| {
            if open(world) {
                append_and_settle(world, 2)?;
                world.step(Step::Mark)?;
                world.step(Step::Commit)?;
            }
            Ok(())
        }),
        workload("appends after a mark", |world| {
            if open(world) {
                append_and_settle(world, 1)?;
                world.step(Step::Mark)?;
                world.step(Step::Commit)?;
                append_and_settle(world, 2)?;
            }
            Ok(())
        }),
        workload("close and open", |world| {
            if open(world) {
                append_and_settle(world, 2)?;
                world.close()?;
            }
            if open(world) { append_and_settle(world, 1) } else { Ok(()) }
        }),
        workload("kill and open", |world| {
            if open(world) {
                append_and_settle(world, 2)?;
                one(world, "a")?;
                world.step(Step::Sequence)?;
            }
            world.engine = None;
            if open(world) { append_and_settle(world, 1) } else { Ok(()) }
        }),
        workload("a second journal file", |world| if open(world) { fill(world, 18) } else { Ok(()) }),
        workload("close on the edge of a file", |world| {
            if open(world) {
                fill(world, 15)?;
                world.close()?;
            }
            if open(world) { append_and_settle(world, 1) } else { Ok(()) }
        }),
        workload("the same id again", |world| {
            if open(world) {
                let target = entity("default", "a");
                let numbers = world.send(&[(target.clone(), Any, true)])?;
                world.settle()?;
                world.send_again(&target, numbers[0])?;
                world.settle()?;
            }
            Ok(())
        }),
        workload("a full disk", |world| {
            if open(world) {
                fill(world, 14)?;
                world.disk.set_faults(Faults { room: Some(0), ..world.disk.faults() });
                fill(world, 3)?;
                world.disk.set_faults(Faults { room: None, ..world.disk.faults() });
                world.send(&[(entity("default", "filler"), Exists, true)])?;
                world.settle()?;
            }
            Ok(())
        }),
        workload("expected versions", |world| {
            if open(world) {
                for version in 0..3 {
                    world.send(&[(entity("default", "a"), ExpectedVersion::number(version), true)])?;
                }
                world.settle()?;
            }
            Ok(())
        }),
        workload("no durability", |world| weaker(world, Durability::None)),
        workload("durability by interval", |world| weaker(world, Durability::Interval(INTERVAL))),
    ]
}
