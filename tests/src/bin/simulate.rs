//! Long campaigns: `simulate seeds 1000000 100000`, `simulate crash-points 4096`, `simulate kills 1000`.

use std::process::ExitCode;

use allsource_tests::crash_points::{Effort, explore};
use allsource_tests::{kills, simulation, workloads};
use clap::{Parser, Subcommand};

#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    campaign: Campaign,
}

#[derive(Subcommand)]
enum Campaign {
    /// Run `count` consecutive seeds.
    Seeds {
        /// The first seed.
        first: u64,
        /// Number of seeds.
        count: u64,
        /// Actions in each run.
        #[arg(long, default_value_t = 400)]
        actions: u64,
    },
    /// Crash at every operation of every workload.
    CrashPoints {
        /// Crash images per crash point, when there are too many to try all.
        samples: u64,
    },
    /// Kill the server beside this program while clients append.
    Kills {
        /// Number of kills.
        count: u64,
        /// Seed of the random moments.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
}

fn main() -> ExitCode {
    let failed = match Args::parse().campaign {
        Campaign::Seeds { first, count, actions } => seeds(first, count, actions),
        Campaign::CrashPoints { samples } => crash_points(samples),
        Campaign::Kills { count, seed } => kill(count, seed),
    };
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn seeds(first: u64, count: u64, actions: u64) -> bool {
    let (mut acknowledged, mut crashes) = (0, 0);
    for seed in first..first + count {
        match simulation::run(seed, actions) {
            Ok(ran) => {
                acknowledged += ran.acknowledged;
                crashes += ran.crashes;
            }
            Err(broken) => {
                println!("FAILED {broken}");
                println!("still fails with {} actions", simulation::shrink(seed, actions));
                return true;
            }
        }
    }
    println!(
        "{count} seeds from {first}: {acknowledged} events acknowledged, {crashes} crashes, 0 broken promises"
    );
    false
}

fn crash_points(samples: u64) -> bool {
    for workload in workloads::all() {
        match explore(&workload, Effort { samples, exhaustive_up_to: 12 }) {
            Ok(tried) => println!("{}: {tried:?}", workload.name),
            Err(broken) => {
                println!("FAILED {broken}");
                return true;
            }
        }
    }
    false
}

fn kill(count: u64, seed: u64) -> bool {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let program = std::env::current_exe().expect("this program").with_file_name("server");
    let outcome = kills::run(&program, folder.path(), count, seed);
    match &outcome {
        Ok(survived) => println!("{survived:?}, 0 broken promises"),
        Err(broken) => println!("FAILED {broken}; the store was kept in {}", folder.keep().display()),
    }
    outcome.is_err()
}
