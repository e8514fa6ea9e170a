//! Interprets bytes as a program of appends, steps, faults and crashes, and runs it on a store and its model.

use allsource_engine::platform::sim::Faults;
use allsource_engine::{ExpectedVersion, Step};
use allsource_tests::oracle::Broken;
use allsource_tests::world::{World, entity};

/// The longest program, in actions.
const ACTIONS_MAX: usize = 120;

/// Runs the program; every promise must hold after every restart and at the end.
pub fn program(data: &[u8]) {
    let mut bytes = data.iter().copied();
    let mut world = World::new(7);
    if let Err(broken) = run(&mut world, &mut bytes) {
        panic!("{broken}");
    }
}

fn run(world: &mut World, bytes: &mut dyn Iterator<Item = u8>) -> Result<(), Broken> {
    reopen(world)?;
    for _ in 0..ACTIONS_MAX {
        let Some(byte) = bytes.next() else { break };
        act(world, byte, bytes)?;
    }
    world.crash(&mut || false);
    reopen(world)?;
    world.settle()?;
    world.check()
}

fn act(world: &mut World, byte: u8, bytes: &mut dyn Iterator<Item = u8>) -> Result<(), Broken> {
    match byte % 20 {
        16 => world.step(Step::Freeze).map(drop),
        17 => world.step(Step::Seal).map(drop),
        18 => world.step(Step::Merge).map(drop),
        19 => world.step(Step::Snapshot).map(drop),
        0..5 => {
            let argument = bytes.next().unwrap_or(0);
            let target =
                entity(["default", "acme"][usize::from(byte >> 7)], ["a", "b"][usize::from(argument >> 7)]);
            let expected = match argument % 8 {
                0 => ExpectedVersion::Empty,
                1 => ExpectedVersion::Exists,
                number @ 2..5 => ExpectedVersion::number(u64::from(number)),
                _ => ExpectedVersion::Any,
            };
            let wanted = vec![(target, expected, argument & 8 != 0); 1 + usize::from(argument >> 4 & 3)];
            world.send(&wanted).map(drop)
        }
        5..8 => world.step(Step::Sequence).map(drop),
        8..11 => world.step(Step::Commit).map(drop),
        11 => world.step(Step::Prepare).map(drop),
        12 => world.step(Step::Mark).map(drop),
        13 => {
            let operations = world.disk.ops() + u64::from(bytes.next().unwrap_or(0) % 16);
            world.disk.set_faults(Faults { power_cut_at: Some(operations), ..Faults::default() });
            Ok(())
        }
        14 => {
            let mut choices = bytes.next().unwrap_or(0);
            world.crash(&mut || {
                choices = choices.rotate_left(1);
                choices & 1 == 1
            });
            reopen(world)
        }
        _ => {
            world.close()?;
            world.kill();
            reopen(world)
        }
    }
}

fn reopen(world: &mut World) -> Result<(), Broken> {
    world.disk.set_faults(Faults::default());
    world.open().map_err(|error| format!("does not open: {error}"))?;
    world.check()
}

/// Programs that reach deep states.
pub fn seeds() -> Vec<Vec<u8>> {
    let append_and_commit = [0, 5, 5, 8];
    vec![
        append_and_commit.repeat(12),
        [&append_and_commit[..], &[12, 8, 15], &append_and_commit, &[14, 0x55]].concat(),
        [0, 5, 0, 5, 8, 5, 8, 14, 0xAA, 0, 5, 5, 8, 13, 2, 0, 5, 5, 8, 14, 3].to_vec(),
        [&[11][..], &[0, 0x35, 5, 8].repeat(20), &[14, 0xF0]].concat(),
        [&[0, 5, 5, 8, 16, 8, 17].repeat(9)[..], &[18, 19, 14, 0x3C]].concat(),
    ]
}
