//! `allsource state`: the state of an entity.

use std::collections::HashMap;
use std::process::ExitCode;

use clap::Args;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::client::{Parameter, path, understood};
use super::failure::Outcome;
use super::terminal::{self, Format, Output, counted};
use super::{Server, show, times};
use crate::numbers;

/// Print the state of an entity: its merged payloads, now or at any point in time
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  allsource state order-000001
  allsource state order-000001 --at-version 2
  allsource state order-000001 --as-of 7d --output json")]
pub(super) struct State {
    /// The entity
    entity: String,
    /// The state at this time: 2026-03-01T12:00:00Z, 2026-03-01 (the end of that day), or an age like 2h
    #[arg(long, value_name = "TIME", value_parser = times::until)]
    as_of: Option<String>,
    /// The state at this version
    #[arg(long, value_name = "N", conflicts_with = "as_of", value_parser = numbers::from_zero)]
    at_version: Option<u64>,
    /// The state when this position was the last of the store
    #[arg(long, value_name = "POSITION", conflicts_with_all = ["as_of", "at_version"], value_parser = numbers::from_one)]
    at_position: Option<u64>,
    #[command(flatten)]
    pub(super) format: Format,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Deserialize)]
struct Answer {
    event_count: u64,
    version: u64,
    last_updated: Option<String>,
    /// Kept as text: a member may hold a number that this program cannot represent.
    current_state: HashMap<String, Box<RawValue>>,
}

impl State {
    pub(super) fn run(self) -> Outcome {
        let query = [
            Parameter("as_of", self.as_of.clone()),
            Parameter("at_version", self.at_version.map(|version| version.to_string())),
            Parameter("at_position", self.at_position.map(|position| position.to_string())),
        ];
        let path = path(&["api", "v1", "entities", &self.entity, "state"]);
        let answer: Box<RawValue> = self.server.connect()?.ask(&path, &query)?;
        if self.format.output != Output::Table {
            terminal::say(answer.get())?;
            return Ok(ExitCode::SUCCESS);
        }
        let answer: Answer = understood(answer.get())?;
        let Answer { version, event_count, .. } = answer;
        let mut line = format!("{} at version {version}: {}", self.entity, counted(event_count, "event"));
        line.extend(answer.last_updated.map(|last| format!(", the last of {last}")));
        terminal::say(&line)?;
        show::members(&answer.current_state)?;
        Ok(ExitCode::SUCCESS)
    }
}
