//! The command line: one file per command. Most commands talk HTTP to a running server; `verify`, `dump` and `index`
//! work on a store that no server has open.

mod terminal;
mod failure;
mod machine;
mod times;
mod identifiers;
mod client;
mod filter;
mod show;
mod interrupt;
mod log;
mod import;
mod demo;
mod append;
mod read;
mod get;
mod state;
mod tail;
mod stats;
mod snapshot;
mod seal;
mod verify;
mod dump;
mod index;
mod bench;
mod version;
mod serve;
mod usage;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Settings;
use client::Server;
use failure::Outcome;
use terminal::Output;

/// An event store: append events, and read the state of any entity at any point in time.
///
/// Without a command it runs the server, like `allsource serve`.
#[derive(Debug, Parser)]
#[command(name = "allsource", version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
#[command(after_long_help = [EXAMPLES, failure::EXIT_CODES].join("\n\n"))]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Settings,
}

const EXAMPLES: &str = "\
Examples:
  allsource serve --data data
  allsource demo --events 10000
  allsource read order-000001
  allsource tail --from beginning";

#[derive(Debug, Subcommand)]
enum Command {
    #[command(about = "Run the server", after_help = serve::EXAMPLES)]
    Serve(Settings),
    Import(import::Import),
    Demo(demo::Demo),
    Append(append::Append),
    Read(read::Read),
    Get(get::Get),
    State(state::State),
    Tail(tail::Tail),
    Stats(stats::Stats),
    #[command(subcommand)]
    Snapshot(snapshot::Snapshot),
    Seal(seal::Seal),
    Verify(verify::Verify),
    Dump(dump::Dump),
    #[command(subcommand)]
    Index(index::Index),
    Bench(bench::Bench),
    Version(version::Version),
}

/// Runs the command on the command line.
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage::refuse(&error),
    };
    let output = arguments.command.as_ref().map_or(Output::Table, Command::output);
    match arguments.command {
        None => serve::run(arguments.serve),
        Some(command) => command.run(),
    }
    .unwrap_or_else(|failure| failure.report(output))
}

impl Command {
    fn run(self) -> Outcome {
        match self {
            Self::Serve(command) => serve::run(command),
            Self::Import(command) => command.run(),
            Self::Demo(command) => command.run(),
            Self::Append(command) => command.run(),
            Self::Read(command) => command.run(),
            Self::Get(command) => command.run(),
            Self::State(command) => command.run(),
            Self::Tail(command) => command.run(),
            Self::Stats(command) => command.run(),
            Self::Snapshot(command) => command.run(),
            Self::Seal(command) => command.run(),
            Self::Verify(command) => command.run(),
            Self::Dump(command) => command.run(),
            Self::Index(command) => command.run(),
            Self::Bench(command) => command.run(),
            Self::Version(command) => command.run(),
        }
    }

    /// The output format of answers and errors.
    fn output(&self) -> Output {
        let format = match self {
            Self::Serve(_) | Self::Dump(_) => return Output::Table,
            Self::Import(command) => command.format,
            Self::Demo(command) => command.format,
            Self::Append(command) => command.format,
            Self::Read(command) => command.format,
            Self::Get(command) => command.format,
            Self::State(command) => command.format,
            Self::Tail(command) => command.format,
            Self::Stats(command) => command.format,
            Self::Snapshot(command) => command.format(),
            Self::Seal(command) => command.format,
            Self::Verify(command) => command.format,
            Self::Index(command) => command.format(),
            Self::Bench(command) => command.format,
            Self::Version(command) => command.format,
        };
        format.output
    }
}
