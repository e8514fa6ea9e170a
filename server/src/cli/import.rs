//! `allsource import`: appends files of newline-delimited JSON, as fast as the server takes them.

mod line;
mod source;
mod chunk;
mod progress;
mod upload;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::failure::{Failure, Outcome};
use super::interrupt::{self, Interrupt};
use super::terminal::{self, Output};
use super::{Server, machine};
use source::Source;

pub(super) use chunk::{Chunks, Lines};
pub(super) use progress::{Progress, Total};
pub(super) use upload::{End, Stopped, Tally, Upload, post};

/// Appends events from files, or from standard input.
///
/// A line is one event: {"event_type":…,"entity_id":…,"payload":…} and, if you like, "timestamp", "id", "tags",
/// "metadata" and "tenant_id". An event without an id gets one made from the name of the file, the number of the
/// line and its text, so that importing the same file again, or going on after an interruption, appends nothing
/// twice.
#[derive(Debug, Args)]
pub(super) struct Import {
    /// Files, plain or gzip; none or - for standard input
    files: Vec<PathBuf>,
    /// Begin with this line of the file
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u64).range(1..))]
    from_line: u64,
    /// Append events anew even if the same file was imported before
    #[arg(long)]
    again: bool,
    /// Make ids with this name in place of the file's; standard input has none of its own
    #[arg(long, value_name = "NAME", conflicts_with = "again")]
    name: Option<String>,
    /// Lines in one request
    #[arg(long, value_name = "N", default_value = "5000", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    chunk: u32,
    /// How to print the summary
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    output: Output,
    #[command(flatten)]
    server: Server,
}

impl Import {
    pub(super) fn run(mut self) -> Outcome {
        if self.files.is_empty() {
            self.files.push(PathBuf::from("-"));
        }
        if self.files.len() > 1 && (self.from_line > 1 || self.name.is_some()) {
            return Err(Failure::new(
                "--from-line and --name are about one file; import the others separately",
            ));
        }
        let run = format!("run-{}", machine::random_id());
        let interrupt = Interrupt::watch();
        let client = self.server.connect();
        let started = machine::now();
        let mut tally = Tally::default();
        for path in &self.files {
            let source = Source::open(path)?;
            let name = self.name_of(&source, &run);
            let progress = Progress::start(source.total());
            let chunks = Chunks::new(source, &name, self.from_line, self.chunk);
            let mut upload =
                Upload { interrupt: &interrupt, progress: &progress, label: label(path), tally: &mut tally };
            let end = upload.run(chunks, &mut |body| post(&client, body));
            progress.finish();
            match end {
                End::Complete => {}
                End::Stopped(stopped) => {
                    tally.report(started.elapsed(), self.output)?;
                    return self.explain(path, &name, stopped);
                }
            }
        }
        tally.report(started.elapsed(), self.output)?;
        if tally.replayed > 0 {
            terminal::complain(
                "there already: lines with the same text and number were imported from a file of the same name; \
                 if these are other events, import them with --name or --again",
            );
        }
        Ok(if tally.refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// What makes the ids of this source's events differ from those of another.
    fn name_of(&self, source: &Source, run: &str) -> String {
        let own = source.name().filter(|_| !self.again);
        self.name.clone().or(own).unwrap_or_else(|| run.to_owned())
    }

    fn explain(&self, path: &Path, name: &str, stopped: Stopped) -> Outcome {
        let next = stopped.reached + 1;
        let needs_name = self.again || path == Path::new("-") || self.name.is_some();
        let name = if needs_name { format!(" --name {name}") } else { String::new() };
        let advice = format!("go on with: allsource import {} --from-line {next}{name}", path.display());
        let so_far = format!("{}: every line up to {} is done", label(path), stopped.reached);
        Err(match stopped.because {
            None => Failure::new(format!("interrupted; {so_far}")).with_code(interrupt::EXIT_CODE),
            Some(failure) => failure.also(&so_far),
        }
        .advise(advice))
    }
}

fn label(path: &Path) -> String {
    if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() }
}
