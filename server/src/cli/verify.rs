//! `allsource verify`: checks every byte of a store.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use allsource_engine::inspect::{self, Report};
use allsource_engine::{Damage, OpenError};
use clap::Args;
use serde_json::{Value, json};

use super::failure::{Exit, Failure, Outcome};
use super::terminal::{self, Format, Output, counted};

/// Check every byte of a store that no server has open, without changing anything
///
/// Exit codes: 0 no damage, 8 damage found, 1 the store could not be checked.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  allsource verify data\n  allsource verify data --output json")]
pub(super) struct Verify {
    /// The folder of the store
    dir: PathBuf,
    #[command(flatten)]
    pub(super) format: Format,
}

impl Verify {
    pub(super) fn run(self) -> Outcome {
        let check = |dir: &Path| inspect::verify(dir).map_err(|error| cannot_open(dir, &error));
        let report = check(&self.dir)?;
        let folder = self.dir.join(crate::system::FOLDER);
        let system = folder.is_dir().then(|| check(&folder)).transpose()?;
        match self.format.output {
            Output::Json | Output::Ndjson => {
                terminal::say(&json(&report, system.as_ref()).to_string())?;
            }
            Output::Table => {
                terminal::say(&text(&report))?;
                if let Some(system) = &system {
                    terminal::say(&format!("\nThe system log, in {}: {}", folder.display(), text(system)))?;
                }
            }
        }
        let damage = [report.damage, system.map(|system| system.damage).unwrap_or_default()].concat();
        Ok(exit_code(&damage))
    }
}

pub(super) fn cannot_open(dir: &Path, error: &OpenError) -> Failure {
    let failure = Failure::new(error.to_string());
    match error {
        OpenError::InUse(_) => failure.advise("stop the server first, or check a copy of the folder"),
        OpenError::NotAStore { .. } => {
            failure.advise(format!("is {} the folder given to --data?", dir.display()))
        }
        OpenError::Newer { .. } => failure.advise("use the release that wrote it, or a later one"),
        _ => failure,
    }
}

pub(super) fn exit_code(damage: &[Damage]) -> ExitCode {
    if damage.is_empty() { ExitCode::SUCCESS } else { Exit::Damaged.into() }
}

/// Damage as JSON, for programs.
pub(super) fn damage_json(damage: &[Damage]) -> Vec<Value> {
    let object =
        |damage: &Damage| json!({ "file": damage.file, "offset": damage.offset, "problem": damage.problem });
    damage.iter().map(object).collect()
}

fn json(report: &Report, system: Option<&Report>) -> Value {
    let system = system.map(|system| json(system, None));
    json!({
        "clean": report.damage.is_empty(), "files": report.files, "bytes": report.bytes, "events": report.events,
        "torn_bytes": report.torn_bytes, "damage": damage_json(&report.damage), "system_log": system,
    })
}

fn text(report: &Report) -> String {
    let mut text = format!(
        "{}, {}, {}",
        counted(report.files, "file"),
        counted(report.bytes, "byte"),
        counted(report.events, "event")
    );
    if report.torn_bytes > 0 {
        let torn = counted(report.torn_bytes, "byte");
        text.push_str(&format!(
            "\n{torn} of an append that a crash cut short: it was never acknowledged, and this is not damage"
        ));
    }
    for damage in &report.damage {
        text.push_str(&format!("\nDAMAGE {damage}"));
    }
    text.push_str(if report.damage.is_empty() {
        "\nclean"
    } else {
        "\ndamaged: restore a backup; `allsource dump` prints every readable event"
    });
    text
}
