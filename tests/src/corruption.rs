//! Damages every byte of a store: the store must give the same answers, or name the damaged file.

use std::sync::Arc;

use allsource_engine::platform::sim::{Seeded, SimDisk};

use crate::oracle::Broken;
use crate::queries;
use crate::world::World;

/// Counts of what was tried.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tried {
    /// Damaged stores opened.
    pub mutations: u64,
    /// Stores among them that refused to open, or refused a read, with a typed error.
    pub refused: u64,
    /// Damaged sealed files that changed no answer.
    pub repaired: u64,
}

/// Damages one file on the world's disk in every way and checks each result. Only every `stride`th byte is damaged.
pub fn sweep(world: &World, path: &str, stride: usize) -> Result<Tried, Broken> {
    let original = world.disk.contents(path).ok_or_else(|| format!("{path} does not exist"))?;
    let used = original.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let mut tried = Tried::default();
    for offset in (0..used + 512).step_by(stride) {
        let Some(byte) = original.get(offset) else { break };
        let values =
            (0..8).map(|bit| byte ^ (1 << bit)).chain([0, 0xff, byte.wrapping_mul(31).wrapping_add(7)]);
        for value in values.filter(|value| value != byte) {
            let mut bytes = original.clone();
            bytes[offset] = value;
            judge(world, path, bytes, &format!("byte {offset} set to {value:#04x}"), &mut tried)?;
        }
    }
    for length in (0..original.len()).step_by(stride * 16) {
        judge(world, path, original[..length].to_vec(), &format!("cut to {length} bytes"), &mut tried)?;
    }
    for sector in 0..used.div_ceil(512) {
        let mut zeroed = original.clone();
        let end = (sector * 512 + 512).min(zeroed.len());
        zeroed[sector * 512..end].fill(0);
        judge(world, path, zeroed, &format!("sector {sector} zeroed"), &mut tried)?;
        if end + 512 <= original.len() {
            let mut swapped = original.clone();
            let (one, two) = swapped[sector * 512..].split_at_mut(512);
            one.swap_with_slice(&mut two[..512]);
            judge(world, path, swapped, &format!("sectors {sector} and {} swapped", sector + 1), &mut tried)?;
            let mut doubled = original.clone();
            doubled.copy_within(sector * 512..end, end);
            judge(world, path, doubled, &format!("sector {sector} written twice"), &mut tried)?;
        }
    }
    Ok(tried)
}

/// Removes a file, and puts other files in its place.
pub fn lose(world: &World, path: &str, siblings: &[String]) -> Result<Tried, Broken> {
    let mut tried = Tried::default();
    let lost = world.fork();
    lost.disk.lose(path);
    check(lost, path, "lost", &mut tried)?;
    for sibling in siblings.iter().filter(|sibling| *sibling != path) {
        let bytes = world.disk.contents(sibling).unwrap_or_default();
        judge(world, path, bytes, &format!("replaced by {sibling}"), &mut tried)?;
    }
    judge(world, path, Vec::new(), "emptied", &mut tried)?;
    Ok(tried)
}

fn judge(world: &World, path: &str, bytes: Vec<u8>, how: &str, tried: &mut Tried) -> Result<(), Broken> {
    let fork = world.fork();
    if fork.disk.contents(path).as_ref() == Some(&bytes) {
        return Ok(());
    }
    fork.disk.damage(path, bytes);
    check(fork, path, how, tried)
}

/// The store must give the same answers or name a file in its refusal, and the verifier must agree.
fn check(mut world: World, path: &str, how: &str, tried: &mut Tried) -> Result<(), Broken> {
    tried.mutations += 1;
    let verdict = verify(&world.disk);
    let is_sealed = path.starts_with("segments/");
    match world.open() {
        Ok(()) => {
            let answers = world.check().and_then(|()| ask(&world));
            match answers {
                Err(broken) if is_sealed && broken.contains("segments/") => tried.refused += 1,
                Err(broken) => return Err(format!("{path}, {how}: {broken}")),
                Ok(()) => tried.repaired += u64::from(is_sealed),
            }
            if is_sealed && verdict.is_ok_and(|is_clean| is_clean) {
                return Err(format!("{path}, {how}: verify finds no damage"));
            }
        }
        Err(error) => {
            tried.refused += 1;
            let text = error.to_string();
            if !text.contains("journal") && !text.contains("manifest") {
                return Err(format!("{path}, {how}: refused without naming a file: {text}"));
            }
            if verdict.is_ok_and(|is_clean| is_clean) {
                return Err(format!("{path}, {how}: refused ({text}), but verify finds no damage"));
            }
        }
    }
    Ok(())
}

/// Runs queries that use every kind of index.
fn ask(world: &World) -> Result<(), Broken> {
    let engine = world.engine.as_ref().ok_or("the store is not open")?;
    queries::check(engine, &mut Seeded::new(7), 12)
}

/// Whether the verifier finds no damage; an error if it cannot read the store.
fn verify(disk: &SimDisk) -> Result<bool, String> {
    let report = allsource_engine::inspect::verify_disk(
        Arc::new(disk.clone()),
        std::path::Path::new("store"),
        &Default::default(),
    );
    report.map(|report| report.damage.is_empty()).map_err(|error| error.to_string())
}
