//! `allsource import`: appends files of newline-delimited JSON as fast as the server accepts them.

mod line;
mod foreign;
mod chunk;
mod progress;
mod source;
mod upload;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use clap::Args;

use super::failure::{Exit, Failure, Outcome};
use super::interrupt::Interrupt;
use super::terminal::{self, Format, Output};
use super::{Server, machine};
use crate::numbers;
use source::Source;

pub(super) use chunk::{Chunks, Lines};
pub(super) use progress::{Progress, Total};
pub(super) use upload::{Because, End, Stopped, Tally, Upload, post};

/// Append events from files of newline-delimited JSON, or from standard input
///
/// A line is one event: {"event_type":…,"entity_id":…,"payload":…}, optionally with "timestamp", "id", "tags",
/// "metadata" and "tenant_id". An event without an id gets one derived from the text of its line and the number of equal
/// lines before it, so importing the same lines again, from any file, appends nothing twice.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  allsource import events.ndjson
  zstd -dc events.ndjson.zst | allsource import
  allsource import january.ndjson.gz february.ndjson.gz --tenant acme")]
pub(super) struct Import {
    /// Files, plain or gzip; none or -: standard input
    files: Vec<PathBuf>,
    /// Start at this line of the file
    #[arg(long, value_name = "N", default_value = "1", value_parser = numbers::from_one)]
    from_line: u64,
    /// Append these events even if equal lines were imported before
    #[arg(long)]
    again: bool,
    /// Derive ids from this name, too: equal lines are the same event only under the same name
    #[arg(long, value_name = "NAME", conflicts_with = "again")]
    name: Option<String>,
    /// Lines per request
    #[arg(long, value_name = "N", default_value = "5000", value_parser = numbers::within::<u32>(1..=100_000))]
    chunk: u32,
    /// Print at most this many refused lines; the others are only counted
    #[arg(long, value_name = "N", default_value = "100", value_parser = numbers::from_zero)]
    show_refused: u64,
    #[command(flatten)]
    pub(super) format: Format,
    #[command(flatten)]
    server: Server,
}

impl Import {
    pub(super) fn run(mut self) -> Outcome {
        if self.files.is_empty() {
            self.files.push(PathBuf::from("-"));
        }
        if self.files.len() > 1 && self.from_line > 1 {
            return Err(Failure::usage("--from-line applies to one file; import the others separately"));
        }
        let name = self.name.clone().or_else(|| self.again.then(|| format!("run-{}", machine::random_id())));
        let interrupt = Interrupt::watch();
        let client = self.server.connect()?;
        client.greet()?;
        let started = machine::now();
        let mut tally = Tally::default();
        for path in &self.files {
            let source = Source::open(path)?;
            let progress = Progress::start(source.total());
            let chunks = Chunks::new(source, name.as_deref(), self.from_line, self.chunk);
            let mut upload = Upload {
                interrupt: &interrupt,
                progress: &progress,
                output: self.format.output,
                label: label(path),
                tally: &mut tally,
                show_refused: self.show_refused,
            };
            let end = upload.run(chunks, &mut |body| post(&client, body));
            progress.finish();
            match end {
                End::Complete => {}
                End::Stopped(stopped) => {
                    tally.report(started.elapsed(), self.format.output)?;
                    return Err(explain(path, name.as_deref(), stopped));
                }
            }
        }
        tally.report(started.elapsed(), self.format.output)?;
        if tally.replayed > 0 && self.format.output == Output::Table {
            terminal::complain(
                "already stored: events with these ids, or lines with the same text, were imported before; if they \
                happened again, import them with --again or under another --name",
            );
        }
        Ok(tally.exit_code())
    }
}

/// Reports how far an import got, and how to import the rest.
fn explain(path: &Path, name: Option<&str>, stopped: Stopped) -> Failure {
    let Stopped { reached, uncertain, because } = stopped;
    let name = name.map(|name| format!(" --name {name}")).unwrap_or_default();
    let go_on = format!("allsource import {} --from-line {}{name}", path.display(), reached + 1);
    let mut so_far = format!("{}: every line up to {reached} was processed", label(path));
    if let Some(last) = uncertain {
        let (first, again) = (reached + 1, "importing again appends nothing twice");
        so_far.push_str(&match first == last {
            true => format!("; whether line {last} was appended is unknown, and {again}"),
            false => format!("; whether lines {first} to {last} were appended is unknown, and {again}"),
        });
    }
    match because {
        Because::Interrupted => Failure::new(format!("interrupted; {so_far}"))
            .exit(Exit::Interrupted)
            .advise(format!("continue with: {go_on}")),
        Because::Server(failure) => failure.also(&so_far).advise(format!("continue with: {go_on}")),
        Because::Source(broken) => {
            let problem = format!("{}: cannot read line {}: {}", label(path), broken.line, broken.reason);
            let advice = "import an intact copy, or the remaining lines as a file of their own: lines that are already \
            imported are not appended again";
            Failure::new(problem).also(&so_far).advise(advice)
        }
    }
}

fn label(path: &Path) -> String {
    if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() }
}
