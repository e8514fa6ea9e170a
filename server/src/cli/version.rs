//! `allsource version`: prints the release.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::failure::Outcome;
use super::terminal::{self, Format, Output};

/// Print the version of this program
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  allsource version\n  allsource version --output json")]
pub(super) struct Version {
    #[command(flatten)]
    pub(super) format: Format,
}

impl Version {
    pub(super) fn run(self) -> Outcome {
        let version = env!("CARGO_PKG_VERSION");
        match self.format.output {
            Output::Json | Output::Ndjson => terminal::say(&json!({"version": version}).to_string())?,
            Output::Table => terminal::say(&format!("allsource {version}"))?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
