//! `allsource seal`: moves all appended events into sealed files.

use std::process::ExitCode;

use clap::Args;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Server;
use super::client::understood;
use super::failure::Outcome;
use super::terminal::{self, Format, Output, grouped};

/// Move all appended events into sealed files now
///
/// Waits until the events are sealed. The server also seals by itself as events accumulate; use this to get the files,
/// or to free the memory, now.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  allsource seal\n  allsource seal --output json")]
pub(super) struct Seal {
    #[command(flatten)]
    pub(super) format: Format,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Deserialize)]
struct Answer {
    sealed_position: u64,
}

impl Seal {
    pub(super) fn run(self) -> Outcome {
        let client = self.server.connect()?;
        let answer: Box<RawValue> = client.send("/api/v1/maintenance/seal", "application/json", b"{}")?;
        if self.format.output != Output::Table {
            terminal::say(answer.get())?;
            return Ok(ExitCode::SUCCESS);
        }
        let answer: Answer = understood(answer.get())?;
        match answer.sealed_position {
            0 => terminal::say("there is nothing to seal: the store has no events")?,
            position => terminal::say(&format!("sealed up to position {}", grouped(position)))?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
