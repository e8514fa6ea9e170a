//! Runs every target on mutated seeds, reproducibly: `smoke --scale 1 --seed 1`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use allsource_fuzz::mutate::mutate;
use allsource_fuzz::{Target, canary, targets};
use clap::Parser;
use fastrand::Rng;

#[derive(Parser)]
struct Args {
    /// Multiply the number of runs by this
    #[arg(long, default_value_t = 1)]
    scale: u32,
    /// Seed of the random mutations
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Run only this target
    #[arg(long)]
    only: Option<String>,
    /// Run this one input instead, given in hexadecimal
    #[arg(long, requires = "only")]
    input: Option<String>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let chosen = |target: &Target| args.only.as_ref().is_none_or(|name| name == target.name);
    if let Some(input) = &args.input {
        targets().iter().filter(|target| chosen(target)).for_each(|target| (target.run)(&from_hex(input)));
        return ExitCode::SUCCESS;
    }
    std::panic::set_hook(Box::new(|_| {}));
    if smoke(&canary(), 1, args.seed).is_ok() {
        println!("canary: FAILED: it survived, so this run would catch nothing");
        return ExitCode::FAILURE;
    }
    let mut code = ExitCode::SUCCESS;
    for target in targets().iter().filter(|target| chosen(target)) {
        match smoke(target, args.scale, args.seed) {
            Ok(runs) => println!("{}: {runs} runs", target.name),
            Err((input, said)) => {
                println!("{}: FAILED: {said}", target.name);
                println!("  smoke --only {} --input {}", target.name, to_hex(&input));
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

/// The number of runs, or the input that failed with its panic message.
fn smoke(target: &Target, scale: u32, seed: u64) -> Result<u32, (Vec<u8>, String)> {
    let (seeds, mut rng) = ((target.seeds)(), Rng::with_seed(seed));
    let runs = target.runs.saturating_mul(scale);
    for number in 0..runs {
        let mut input = match seeds.get(number as usize) {
            Some(seed) => seed.clone(),
            None => mutate(&mut rng, &seeds),
        };
        if rng.bool() {
            (target.repair)(&mut input);
        }
        catch_unwind(AssertUnwindSafe(|| (target.run)(&input))).map_err(|panic| {
            let said = panic.downcast_ref::<String>().cloned();
            let said = said.or_else(|| panic.downcast_ref::<&str>().map(|said| (*said).to_owned()));
            (input, said.unwrap_or_default())
        })?;
    }
    Ok(runs)
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|digit| digit.to_digit(16))
        .filter_map(|digit| digit.try_into().ok())
        .collect();
    digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect()
}
