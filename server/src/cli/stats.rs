//! `allsource stats`: how much the store holds.

use std::process::ExitCode;

use clap::Args;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::Server;
use super::failure::{Failure, Outcome};
use super::terminal::{self, Format, Output, grouped};

/// Prints how much the store holds.
#[derive(Debug, Args)]
pub(super) struct Stats {
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    server: Server,
}

impl Stats {
    pub(super) fn run(self) -> Outcome {
        let answer: Box<RawValue> = self.server.connect().ask("/api/v1/stats", &[])?;
        if self.format.output != Output::Table {
            terminal::say(answer.get())?;
            return Ok(ExitCode::SUCCESS);
        }
        let problem = |error| Failure::new(format!("cannot understand the answer: {error}"));
        let answer: Map<String, Value> = serde_json::from_str(answer.get()).map_err(problem)?;
        let mut table = terminal::table(&["WHAT", "HOW MANY"]);
        for (name, value) in &answer {
            let number = value.as_u64().map_or_else(|| value.to_string(), grouped);
            table.add_row([name.replace('_', " "), number]);
        }
        terminal::say(&table.trim_fmt())?;
        Ok(ExitCode::SUCCESS)
    }
}
