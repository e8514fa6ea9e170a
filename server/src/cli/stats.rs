//! `allsource stats`: the size of the store.

use std::process::ExitCode;

use clap::Args;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::Server;
use super::client::understood;
use super::failure::Outcome;
use super::terminal::{self, Format, Output, grouped};

/// Print the size of the store, or of one tenant
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  allsource stats\n  allsource stats --tenant acme --output json")]
pub(super) struct Stats {
    #[command(flatten)]
    pub(super) format: Format,
    #[command(flatten)]
    server: Server,
}

impl Stats {
    pub(super) fn run(self) -> Outcome {
        let answer: Box<RawValue> = self.server.connect()?.ask("/api/v1/stats", &[])?;
        if self.format.output != Output::Table {
            terminal::say(answer.get())?;
            return Ok(ExitCode::SUCCESS);
        }
        let answer: Map<String, Value> = understood(answer.get())?;
        let row = |(name, value): (&String, &Value)| {
            vec![name.replace('_', " "), value.as_u64().map_or_else(|| value.to_string(), grouped)]
        };
        terminal::table(&["WHAT", "COUNT"], answer.iter().map(row).collect())?;
        Ok(ExitCode::SUCCESS)
    }
}
