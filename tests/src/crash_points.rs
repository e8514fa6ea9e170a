//! Crashes at every disk operation of a workload, in every way.

use allsource_engine::platform::sim::Seeded;

use crate::oracle::Broken;
use crate::workloads::Workload;
use crate::world::World;

/// How thorough to be.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Crash images per crash point, when there are too many to try all.
    pub samples: u64,
    /// With at most this many undecided sectors and names, every combination is tried.
    pub exhaustive_up_to: usize,
}

/// Counts of what was tried.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tried {
    /// Operations where the power was cut.
    pub crash_points: u64,
    /// Distinct images the crashes left.
    pub images: u64,
    /// Images among them whose recovery was interrupted too.
    pub nested: u64,
}

/// Cuts the power at every operation of the workload and checks every image it may leave.
pub fn explore(workload: &Workload, effort: Effort) -> Result<Tried, Broken> {
    let mut tried = Tried::default();
    for cut in 0.. {
        let mut world = World::new(7);
        world.cut_power_after(cut);
        (workload.run)(&mut world).map_err(|broken| at(workload, cut, &broken))?;
        let is_whole_run = world.disk.ops() <= cut;
        tried.crash_points += 1;
        explore_images(&mut world, effort, &mut tried, cut).map_err(|broken| at(workload, cut, &broken))?;
        if is_whole_run {
            return Ok(tried);
        }
    }
    Ok(tried)
}

fn at(workload: &Workload, cut: u64, broken: &str) -> Broken {
    format!("workload {:?}, power cut at operation {cut}: {broken}", workload.name)
}

fn explore_images(world: &mut World, effort: Effort, tried: &mut Tried, cut: u64) -> Result<(), Broken> {
    world.kill();
    let undecided = world.disk.undecided();
    let is_exhaustive = undecided <= effort.exhaustive_up_to;
    let count = if is_exhaustive { 1 << undecided } else { effort.samples };
    let mut random = Seeded::new(cut);
    for image in 0..count {
        let mut fork = world.fork();
        let mut bit = 0;
        fork.crash(&mut || {
            bit += 1;
            if is_exhaustive { image >> (bit - 1) & 1 == 1 } else { keep_sampled(image, &mut random) }
        });
        tried.images += 1;
        if image % 8 == 3 {
            crash_in_recovery(&fork, image, tried)?;
        }
        reopen(&mut fork).map_err(|broken| format!("image {image} of {count}: {broken}"))?;
    }
    Ok(())
}

/// Keeps nothing, then everything, then random choices.
fn keep_sampled(image: u64, random: &mut Seeded) -> bool {
    match image {
        0 => false,
        1 => true,
        _ => random.chance(u32::try_from(image * 37 % 1000).unwrap_or(500)),
    }
}

/// Cuts the power a second time during recovery, and then a third time.
fn crash_in_recovery(world: &World, image: u64, tried: &mut Tried) -> Result<(), Broken> {
    let mut random = Seeded::new(image);
    let mut fork = world.fork();
    for _ in 0..2 {
        fork.cut_power_after(random.below(40));
        let _ = fork.open();
        fork.crash(&mut || random.chance(500));
    }
    tried.nested += 1;
    reopen(&mut fork).map_err(|broken| format!("after crashes inside recovery: {broken}"))
}

/// Opens what a crash left, checks it, appends, reopens, and checks again.
fn reopen(world: &mut World) -> Result<(), Broken> {
    for _ in 0..2 {
        world.open().map_err(|error| format!("does not open: {error}"))?;
        world.check()?;
        world.send(&[(
            crate::world::entity("default", "a"),
            allsource_engine::ExpectedVersion::Any,
            true,
        )])?;
        world.settle()?;
        world.check()?;
        world.kill();
    }
    Ok(())
}
