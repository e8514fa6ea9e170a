//! `allsource state`: what the events of an entity add up to.

use std::collections::HashMap;
use std::process::ExitCode;

use clap::Args;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::client::{Parameter, path};
use super::failure::{Failure, Outcome};
use super::terminal::{self, Format, Output};
use super::{Server, show};

/// Prints the state of an entity: its events, merged in order.
#[derive(Debug, Args)]
pub(super) struct State {
    /// The entity
    entity: String,
    /// As it was at this time: RFC 3339, like 2026-03-01T12:00:00Z
    #[arg(long, value_name = "TIME")]
    as_of: Option<String>,
    /// As it was at this version
    #[arg(long, value_name = "N", conflicts_with = "as_of")]
    at_version: Option<u64>,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Deserialize)]
struct Answer {
    event_count: u64,
    last_updated: Option<String>,
    /// As text: a member may hold a number that this program cannot.
    current_state: HashMap<String, Box<RawValue>>,
}

impl State {
    pub(super) fn run(self) -> Outcome {
        let query = [
            Parameter("as_of", self.as_of.clone()),
            Parameter("at_version", self.at_version.map(|version| version.to_string())),
        ];
        let path = path(&["api", "v1", "entities", &self.entity, "state"]);
        let answer: Box<RawValue> = self.server.connect().ask(&path, &query)?;
        if self.format.output != Output::Table {
            terminal::say(answer.get())?;
            return Ok(ExitCode::SUCCESS);
        }
        let problem = |error| Failure::new(format!("cannot understand the answer: {error}"));
        let answer: Answer = serde_json::from_str(answer.get()).map_err(problem)?;
        let last = answer.last_updated.unwrap_or_default();
        terminal::say(&format!("{}: {} events, the last of {last}", self.entity, answer.event_count))?;
        show::members(&answer.current_state)?;
        Ok(ExitCode::SUCCESS)
    }
}
