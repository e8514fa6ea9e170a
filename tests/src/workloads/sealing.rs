//! Workloads that seal.

use allsource_engine::ExpectedVersion::Any;
use allsource_engine::{Durability, ExpectedVersion, Step};

use super::{Workload, append_and_settle, fill, one, opened, workload};
use crate::oracle::Broken;
use crate::world::{World, entity};

fn seal(world: &mut World) -> Result<(), Broken> {
    world.step(Step::Freeze)?;
    world.step(Step::Commit)?;
    world.step(Step::Seal).map(drop)
}

/// Seals a few times, with single-event appends in between.
fn append_and_seal(world: &mut World, times: usize) -> Result<(), Broken> {
    for _ in 0..times {
        append_and_settle(world, 1)?;
        seal(world)?;
    }
    Ok(())
}

/// Sealing, and what follows it.
pub(super) fn seals() -> Vec<Workload> {
    vec![
        workload("a seal", |world| {
            opened(world, |world| {
                append_and_settle(world, 3)?;
                seal(world)
            })
        }),
        workload("appends around a seal", |world| {
            opened(world, |world| {
                append_and_settle(world, 2)?;
                world.step(Step::Freeze)?;
                world.step(Step::Commit)?;
                append_and_settle(world, 1)?;
                world.step(Step::Seal)?;
                append_and_settle(world, 1)
            })
        }),
        workload("a seal and an opening", |world| {
            opened(world, |world| {
                append_and_settle(world, 2)?;
                seal(world)?;
                append_and_settle(world, 1)?;
                world.close()
            })?;
            opened(world, |world| append_and_settle(world, 1))
        }),
        workload("the same id again after a seal", |world| {
            opened(world, |world| {
                let target = entity("default", "a");
                let numbers = world.send(&[(target.clone(), Any, true)])?;
                world.settle()?;
                seal(world)?;
                world.send_again(&target, numbers[0])?;
                world.send(&[(target, ExpectedVersion::number(1), true)])?;
                world.settle()
            })
        }),
        workload("two generations and a kill", |world| {
            opened(world, |world| {
                append_and_seal(world, 2)?;
                one(world, "a")
            })?;
            world.engine = None;
            opened(world, |world| append_and_settle(world, 1))
        }),
        workload("a seal without durability", |world| {
            world.options.durability = Durability::None;
            opened(world, |world| append_and_seal(world, 1))
        }),
    ]
}

/// Files that are replaced.
pub(super) fn repairs() -> Vec<Workload> {
    vec![
        workload("a merge", |world| {
            opened(world, |world| {
                append_and_seal(world, 8)?;
                world.step(Step::Merge)?;
                append_and_settle(world, 1)
            })
        }),
        workload("a snapshot", |world| {
            opened(world, |world| {
                append_and_settle(world, 9)?;
                world.step(Step::Snapshot)?;
                append_and_settle(world, 1)?;
                world.close()
            })?;
            opened(world, |world| append_and_settle(world, 1))
        }),
        workload("a recycled journal file", |world| {
            opened(world, |world| {
                fill(world, 18)?;
                seal(world)?;
                fill(world, 16)?;
                seal(world)?;
                fill(world, 2)
            })
        }),
        workload("a rebuilt index", |world| {
            opened(world, |world| {
                append_and_seal(world, 1)?;
                world.close()
            })?;
            let index = world.disk.paths().into_iter().find(|path| path.ends_with(".idx"));
            if let Some(index) = index {
                world.disk.lose(&index);
            }
            opened(world, |world| {
                // A read rebuilds the index in memory. Without power nothing can be read, and nothing may be written.
                let _ = world.check();
                world.step(Step::Index)?;
                append_and_settle(world, 1)
            })
        }),
    ]
}
