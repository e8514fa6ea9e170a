//! The command line: one file a command. Commands on a running server talk HTTP; `verify`, `dump` and `index` work on
//! a store that no server has open.

mod failure;
mod machine;
mod terminal;
mod client;
mod show;
mod interrupt;
mod import;
mod demo;
mod append;
mod read;
mod state;
mod tail;
mod stats;
mod snapshot;
mod seal;
mod verify;
mod dump;
mod index;
mod bench;
mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Settings;
use client::Server;
use failure::Outcome;

/// An event store: append what happened, read any entity as it was at any moment.
///
/// Without a command it serves, as `allsource serve` does.
#[derive(Debug, Parser)]
#[command(name = "allsource", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Settings,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve(Settings),
    /// Append events from files of newline-delimited JSON, or from standard input
    Import(import::Import),
    /// Append the events of an invented ordering business, to have something to look at
    Demo(demo::Demo),
    /// Append one event
    Append(append::Append),
    /// Print events, of one entity or by type, tag and time
    Read(read::Read),
    /// Print what the events of an entity add up to, now or at any moment before
    State(state::State),
    /// Print events as they are appended
    Tail(tail::Tail),
    /// Print how much the store holds
    Stats(stats::Stats),
    /// Take, list or print snapshots: states of entities that the store keeps
    #[command(subcommand)]
    Snapshot(snapshot::Snapshot),
    /// Move everything that is appended into sealed files now
    Seal(seal::Seal),
    /// Check every byte of a store that no server has open: 0 clean, 1 damaged, 2 could not look
    Verify(verify::Verify),
    /// Print every readable event of a store that no server has open, one JSON object a line
    Dump(dump::Dump),
    /// Mend the indexes of a store that no server has open
    #[command(subcommand)]
    Index(index::Index),
    /// Measure the engine on this machine, beside what its disk alone can do
    Bench(bench::Bench),
}

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command {
        None => serve::run(arguments.serve),
        Some(command) => dispatch(command),
    }
    .unwrap_or_else(|failure| failure.report())
}

fn dispatch(command: Command) -> Outcome {
    match command {
        Command::Serve(command) => serve::run(command),
        Command::Import(command) => command.run(),
        Command::Demo(command) => command.run(),
        Command::Append(command) => command.run(),
        Command::Read(command) => command.run(),
        Command::State(command) => command.run(),
        Command::Tail(command) => command.run(),
        Command::Stats(command) => command.run(),
        Command::Snapshot(command) => command.run(),
        Command::Seal(command) => command.run(),
        Command::Verify(command) => command.run(),
        Command::Dump(command) => command.run(),
        Command::Index(command) => command.run(),
        Command::Bench(command) => command.run(),
    }
}
