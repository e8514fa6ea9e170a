//! `allsource get`: prints one event by its id.

use std::process::ExitCode;

use clap::Args;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::client::path;
use super::failure::Outcome;
use super::terminal::{self, Format, Output};
use super::{Server, identifiers, show};

/// Print one event by its id
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  allsource get 9b2f8c1e-6a53-4f6e-9f2b-1d1f5a0c7e11
  allsource get 9b2f8c1e-6a53-4f6e-9f2b-1d1f5a0c7e11 --output json --tenant acme")]
pub(super) struct Get {
    /// The id of the event, a UUID
    #[arg(value_parser = identifiers::event_id)]
    id: uuid::Uuid,
    #[command(flatten)]
    pub(super) format: Format,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Deserialize)]
struct Found {
    event: Box<RawValue>,
}

impl Get {
    pub(super) fn run(self) -> Outcome {
        let id = self.id.hyphenated().to_string();
        let found: Found = self.server.connect()?.ask(&path(&["api", "v1", "events", &id]), &[])?;
        match self.format.output {
            Output::Json | Output::Ndjson => terminal::say(found.event.get())?,
            Output::Table => show::event(found.event.get())?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
