//! `allsource seal`: everything that is appended moves into sealed files now.

use std::process::ExitCode;

use clap::Args;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Server;
use super::failure::{Failure, Outcome};
use super::terminal::{self, Format, Output, grouped};

/// Moves everything that is appended into sealed files, and waits until that is done. It happens by itself as events
/// gather: this is for those who want the files, or the memory, now.
#[derive(Debug, Args)]
pub(super) struct Seal {
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Deserialize)]
struct Answer {
    sealed_position: u64,
}

impl Seal {
    pub(super) fn run(self) -> Outcome {
        let client = self.server.connect();
        let answer: Box<RawValue> = client.send("/api/v1/maintenance/seal", "application/json", b"{}")?;
        if self.format.output != Output::Table {
            terminal::say(answer.get())?;
            return Ok(ExitCode::SUCCESS);
        }
        let problem = |error| Failure::new(format!("cannot understand the answer: {error}"));
        let answer: Answer = serde_json::from_str(answer.get()).map_err(problem)?;
        match answer.sealed_position {
            0 => terminal::say("there is nothing to seal: the store has no events")?,
            position => terminal::say(&format!("sealed up to position {}", grouped(position)))?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
