//! `allsource demo`: generates the events of an invented ordering business, the same for the same seed.

mod catalog;
mod journey;
mod business;
#[cfg(test)]
mod tests;

use std::io;
use std::process::ExitCode;

use chrono::{DateTime, SubsecRound, Utc};
use clap::Args;
use serde_json::value::RawValue;

use super::client::{Client, Parameter};
use super::failure::{Exit, Failure, Outcome};
use super::import::{Because, Chunks, End, Lines, Progress, Tally, Total, Upload, post};
use super::interrupt::Interrupt;
use super::terminal::{self, Format, Output};
use super::{Server, machine, times};
use crate::numbers;
use business::Business;

const CHUNK_LINES: u32 = 5_000;

/// Append the events of an invented ordering business, as sample data
///
/// Covers about the last 90 days: customers, carts, orders, payments, shipments, returns.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  allsource demo --events 10000
  allsource demo --events 1000 --seed 2 --print > events.ndjson")]
pub(super) struct Demo {
    /// Number of events
    #[arg(long, value_name = "N", default_value = "10000", value_parser = numbers::from_one)]
    events: u64,
    /// Seed of the business: the same seed always invents the same one
    #[arg(long, value_name = "S", default_value = "1", value_parser = numbers::from_zero)]
    seed: u64,
    /// Time of the last event [default: now]; with the same time and seed nothing is appended twice
    #[arg(long, value_name = "TIME", value_parser = times::exact)]
    ending: Option<DateTime<Utc>>,
    /// Print the events in the format of `allsource import` instead of appending them
    #[arg(long)]
    print: bool,
    #[command(flatten)]
    pub(super) format: Format,
    #[command(flatten)]
    server: Server,
}

impl Demo {
    pub(super) fn run(self) -> Outcome {
        let ending = self.ending.unwrap_or_else(|| machine::today().trunc_subsecs(0));
        let mut events = DemoLines { business: Business::new(self.seed, self.events, ending), done: 0 };
        if self.print {
            let mut line = Vec::new();
            while events.next_line(&mut line)? {
                terminal::say(&String::from_utf8_lossy(&line))?;
                line.clear();
            }
            return Ok(ExitCode::SUCCESS);
        }
        let client = self.server.connect()?;
        client.greet()?;
        if self.ending.is_none() {
            self.refuse_to_mix(&client)?;
        }
        let (interrupt, progress) = (Interrupt::watch(), Progress::start(Total::Events(self.events)));
        let started = machine::now();
        let mut tally = Tally::default();
        let name = format!("demo-{}", self.seed);
        let chunks = Chunks::new(events, Some(&name), 1, CHUNK_LINES);
        let mut upload = Upload {
            interrupt: &interrupt,
            progress: &progress,
            output: self.format.output,
            label: "demo".to_owned(),
            tally: &mut tally,
            show_refused: 100,
        };
        let end = upload.run(chunks, &mut |body| post(&client, body));
        progress.finish();
        tally.report(started.elapsed(), self.format.output)?;
        match end {
            End::Stopped(stopped) => Err(self.explain(stopped.because, ending)),
            End::Complete => {
                if self.format.output == Output::Table {
                    self.say_what_next();
                }
                Ok(tally.exit_code())
            }
        }
    }

    /// Refuses a business that is already stored: its events would be appended a second time.
    fn refuse_to_mix(&self, client: &Client) -> Result<(), Failure> {
        #[derive(serde::Deserialize)]
        struct Found {
            events: Vec<Box<RawValue>>,
        }
        let first = business::first_customer(self.seed);
        let query = [Parameter("entity_id", Some(first.clone())), Parameter("limit", Some("1".to_owned()))];
        let found: Found = client.ask("/api/v1/events/query", &query)?;
        if found.events.is_empty() {
            return Ok(());
        }
        let advice = format!("invent another one: --seed {}", self.seed.wrapping_add(1));
        Err(Failure::new(format!("the business of seed {} is already stored ({first})", self.seed))
            .advise(advice))
    }

    fn explain(&self, because: Because, ending: DateTime<Utc>) -> Failure {
        let again = format!("--events {} --seed {} --ending {}", self.events, self.seed, ending.to_rfc3339());
        let failure = match because {
            Because::Interrupted => Failure::new("interrupted").exit(Exit::Interrupted),
            Because::Server(failure) => failure,
            Because::Source(broken) => Failure::new(broken.reason),
        };
        failure.advise(format!("append the rest: allsource demo {again}"))
    }

    fn say_what_next(&self) {
        let order = business::first_order(self.seed);
        let lines = [
            "try:",
            &format!("  allsource read {order}"),
            &format!("  allsource state {order}"),
            "  allsource stats",
        ];
        lines.iter().for_each(|line| terminal::complain(line));
    }
}

/// The events of a business as lines to import.
struct DemoLines {
    business: Business,
    done: u64,
}

impl Lines for DemoLines {
    fn next_line(&mut self, line: &mut Vec<u8>) -> io::Result<bool> {
        let Some(event) = self.business.next() else { return Ok(false) };
        self.done += 1;
        serde_json::to_writer(line, &event)?;
        Ok(true)
    }

    fn done(&self) -> u64 {
        self.done
    }
}
