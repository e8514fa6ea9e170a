//! Small workloads for exhaustive crash tests. Each exercises one path to the disk.

mod sealing;

use std::time::Duration;

use allsource_engine::ExpectedVersion::{Any, Empty, Exists};
use allsource_engine::platform::sim::Faults;
use allsource_engine::{Durability, ExpectedVersion, Step};

use crate::oracle::Broken;
use crate::world::{Wanted, World, entity};

/// A named workload.
pub struct Workload {
    /// Its name in reports.
    pub name: &'static str,
    /// Runs it from an empty machine. It continues after a power cut, when every operation fails.
    pub run: fn(&mut World) -> Result<(), Broken>,
}

fn one(world: &mut World, id: &str) -> Result<(), Broken> {
    world.send(&[(entity("default", id), Any, true)]).map(drop)
}

/// Opens the store, or leaves it closed if the power is cut.
fn open(world: &mut World) -> bool {
    world.open().is_ok()
}

/// Opens the store and continues with `then`, unless the power is cut.
fn opened(world: &mut World, run: impl FnOnce(&mut World) -> Result<(), Broken>) -> Result<(), Broken> {
    if open(world) { run(world) } else { Ok(()) }
}

fn append_and_settle(world: &mut World, count: usize) -> Result<(), Broken> {
    for n in 0..count {
        one(world, if n % 2 == 0 { "a" } else { "b" })?;
        world.settle()?;
    }
    Ok(())
}

/// Fills journal files with events of one block each.
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

fn mark(world: &mut World) -> Result<(), Broken> {
    world.step(Step::Mark)?;
    world.step(Step::Commit).map(drop)
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
    opened(world, |world| {
        append_and_settle(world, 2)?;
        world.clock.advance(11_000);
        append_and_settle(world, 2)?;
        world.close()
    })
}

/// All workloads.
pub fn all() -> Vec<Workload> {
    [appends(), lives(), edges(), sealing::seals(), sealing::repairs()].into_iter().flatten().collect()
}

fn workload(name: &'static str, run: fn(&mut World) -> Result<(), Broken>) -> Workload {
    Workload { name, run }
}

/// The kinds of append.
fn appends() -> Vec<Workload> {
    vec![
        workload("one append", |world| opened(world, |world| append_and_settle(world, 1))),
        workload("three appends", |world| opened(world, |world| append_and_settle(world, 3))),
        workload("a batch over tenants", |world| {
            opened(world, |world| {
                world.send(&mixed_batch())?;
                world.settle()
            })
        }),
        workload("a refused batch", |world| {
            opened(world, |world| {
                append_and_settle(world, 1)?;
                world.send(&[(entity("default", "b"), Any, true), (entity("default", "a"), Empty, true)])?;
                one(world, "b")?;
                world.settle()
            })
        }),
        workload("many appends in a round", |world| {
            opened(world, |world| {
                (0..12).try_for_each(|_| one(world, "a"))?;
                world.settle()
            })
        }),
        workload("pipelined rounds", |world| opened(world, pipelined)),
        workload("a conflict with a round in flight", |world| {
            opened(world, |world| {
                one(world, "a")?;
                world.step(Step::Sequence)?;
                world.send(&[(entity("default", "a"), Empty, true)])?;
                world.settle()
            })
        }),
        workload("the same id again", |world| {
            opened(world, |world| {
                let target = entity("default", "a");
                let numbers = world.send(&[(target.clone(), Any, true)])?;
                world.settle()?;
                world.send_again(&target, numbers[0])?;
                world.settle()
            })
        }),
        workload("expected versions", |world| {
            opened(world, |world| {
                for version in 0..3 {
                    world.send(&[(entity("default", "a"), ExpectedVersion::number(version), true)])?;
                }
                world.settle()
            })
        }),
    ]
}

/// The ways a store is created, closed and reopened.
fn lives() -> Vec<Workload> {
    vec![
        workload("create", |world| opened(world, |_| Ok(()))),
        workload("create and close", |world| opened(world, World::close)),
        workload("close and open", |world| {
            opened(world, |world| {
                append_and_settle(world, 2)?;
                world.close()
            })?;
            opened(world, |world| append_and_settle(world, 1))
        }),
        workload("kill and open", |world| {
            opened(world, |world| {
                append_and_settle(world, 2)?;
                one(world, "a")?;
                world.step(Step::Sequence).map(drop)
            })?;
            world.engine = None;
            opened(world, |world| append_and_settle(world, 1))
        }),
        workload("no durability", |world| weaker(world, Durability::None)),
        workload("durability by interval", |world| weaker(world, Durability::Interval(INTERVAL))),
    ]
}

/// Marks, the ends of files, and full disks.
fn edges() -> Vec<Workload> {
    vec![
        workload("a mark", |world| {
            opened(world, |world| {
                append_and_settle(world, 2)?;
                mark(world)
            })
        }),
        workload("appends after a mark", |world| {
            opened(world, |world| {
                append_and_settle(world, 1)?;
                mark(world)?;
                append_and_settle(world, 2)
            })
        }),
        workload("a second journal file", |world| opened(world, |world| fill(world, 18))),
        workload("close on the edge of a file", |world| {
            opened(world, |world| {
                fill(world, 15)?;
                world.close()
            })?;
            opened(world, |world| append_and_settle(world, 1))
        }),
        workload("a full disk", |world| {
            opened(world, |world| {
                fill(world, 14)?;
                world.disk.set_faults(Faults { room: Some(0), ..world.disk.faults() });
                fill(world, 3)?;
                world.disk.set_faults(Faults { room: None, ..world.disk.faults() });
                world.send(&[(entity("default", "filler"), Exists, true)])?;
                world.settle()
            })
        }),
        workload("a full disk that copies on write", |world| {
            opened(world, |world| {
                append_and_settle(world, 2)?;
                for rate in [1000, 500, 0] {
                    world.disk.set_faults(Faults { full_write: rate, ..world.disk.faults() });
                    world.send(&mixed_batch())?;
                    world.step(Step::Sequence)?;
                    // Built on the refused round.
                    one(world, "a")?;
                    world.step(Step::Commit)?;
                    world.settle()?;
                    mark(world)?;
                }
                append_and_settle(world, 1)
            })
        }),
        workload("a rotation that is refused and tried again", |world| {
            opened(world, |world| {
                fill(world, 14)?;
                for rate in [1000, 700, 0] {
                    world.disk.set_faults(Faults { full_write: rate, ..world.disk.faults() });
                    fill(world, 3)?;
                }
                world.send(&[(entity("default", "filler"), Exists, true)])?;
                world.settle()
            })
        }),
    ]
}
