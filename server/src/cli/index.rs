//! `allsource index`: rebuilds the indexes of sealed files from their segments.

use std::path::{Path, PathBuf};

use allsource_engine::{Damage, OpenError, inspect};
use clap::Subcommand;
use serde_json::json;

use super::failure::{Failure, Outcome};
use super::terminal::{self, Format, Output, grouped};
use super::verify;

/// Repair the indexes of a store that no server has open
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  allsource index rebuild data")]
pub(super) enum Index {
    /// Rebuild every index from its segments
    ///
    /// Exit codes: 0 every index is rebuilt, 8 damage found, 1 the store could not be opened.
    #[command(
        after_help = "Examples:\n  allsource index rebuild data\n  allsource index rebuild data --output json"
    )]
    Rebuild {
        /// The folder of the store
        dir: PathBuf,
        #[command(flatten)]
        format: Format,
    },
}

impl Index {
    pub(super) fn format(&self) -> Format {
        let Self::Rebuild { format, .. } = self;
        *format
    }

    pub(super) fn run(self) -> Outcome {
        match self {
            Self::Rebuild { dir, format } => rebuild(&dir, format.output),
        }
    }
}

fn rebuild(dir: &Path, output: Output) -> Outcome {
    let (rebuilt_count, damage) = match inspect::rebuild_indexes(dir) {
        Ok(rebuilt) => (rebuilt.generations, rebuilt.damage),
        Err(OpenError::Damaged(damage)) => (0, vec![damage]),
        Err(error) => return Err(cannot_rebuild(dir, &error)),
    };
    match output {
        Output::Json | Output::Ndjson => {
            let damages = verify::damage_json(&damage);
            let report = json!({"complete": damage.is_empty(), "rebuilt": rebuilt_count, "damage": damages});
            terminal::say(&report.to_string())?;
        }
        Output::Table => terminal::say(&text(rebuilt_count, &damage))?,
    }
    Ok(verify::exit_code(&damage))
}

fn cannot_rebuild(dir: &Path, error: &OpenError) -> Failure {
    let failure = verify::cannot_open(dir, error);
    match error {
        OpenError::InUse(_) => failure.advise("stop the server first"),
        _ => failure,
    }
}

fn text(rebuilt_count: u64, damage: &[Damage]) -> String {
    let mut text = match rebuilt_count {
        1 => "rebuilt 1 index".to_owned(),
        _ => format!("rebuilt {} indexes", grouped(rebuilt_count)),
    };
    for damage in damage {
        text.push_str(&format!("\nDAMAGE {damage}"));
    }
    if !damage.is_empty() {
        text.push_str("\ndamaged: only undamaged segments give an index; restore a backup");
    }
    text
}
