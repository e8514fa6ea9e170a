//! `allsource dump`: prints every readable event of a store in the format of `allsource import`.

mod destination;

use std::io::{BufWriter, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use allsource_engine::inspect::{self, Dumped, Salvaged};
use clap::Args;

use super::failure::{Exit, Outcome};
use super::terminal::{self, counted};
use super::verify;
use crate::wire::write_source_line;
use destination::Destination;

/// Gaps to print; the others are only counted.
const SHOWN_MAX: u64 = 1_000;

/// Print every readable event of a store that no server has open
///
/// One JSON object per line, in the format of `allsource import`, with everything except positions and commit times.
/// Dumping continues after damage, and reports the missing positions on standard error.
///
/// Exit codes: 0 every event is written and nothing is damaged; 8 damage found: standard error says whether events are
/// missing, and when only indexes are damaged the dump is complete; 1 the store could not be opened.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  allsource dump data --to saved.ndjson
  allsource dump data | gzip > saved.ndjson.gz
  allsource dump data | allsource import --url http://127.0.0.1:8081")]
pub(super) struct Dump {
    /// The folder of the store
    dir: PathBuf,
    /// Write to this new file instead of standard output; it has its name once it is complete and on the disk
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

impl Dump {
    pub(super) fn run(self) -> Outcome {
        let mut output = BufWriter::with_capacity(1 << 20, Destination::open(self.to.as_deref())?);
        let (mut written, mut line, mut gaps) = (Ok(()), Vec::new(), 0);
        let dumped = inspect::dump(&self.dir, &mut |salvaged| match salvaged {
            Salvaged::Event(event) if written.is_ok() => {
                line.clear();
                write_source_line(&mut line, event);
                line.push(b'\n');
                written = output.write_all(&line);
            }
            Salvaged::Event(_) => {}
            Salvaged::Missing { first, last, why } => {
                gaps += 1;
                if gaps <= SHOWN_MAX {
                    let positions = match first == last {
                        true => format!("position {first}"),
                        false => format!("positions {first} to {last}"),
                    };
                    terminal::complain(&format!("MISSING {positions}: {why}"));
                }
            }
        });
        let dumped = dumped.map_err(|error| verify::cannot_open(&self.dir, &error))?;
        written.and_then(|()| output.flush())?;
        let destination = output.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        destination.complete()?;
        Ok(report(&dumped, gaps))
    }
}

fn report(dumped: &Dumped, gaps: u64) -> ExitCode {
    if dumped.damage.is_empty() {
        return ExitCode::SUCCESS;
    }
    if gaps > SHOWN_MAX {
        terminal::complain(&format!("MISSING {}", counted(gaps - SHOWN_MAX, "more gap")));
    }
    for damage in &dumped.damage {
        terminal::complain(&format!("DAMAGE {damage}"));
    }
    if dumped.is_complete {
        let events = counted(dumped.events, "event");
        terminal::complain(&format!(
            "{events} written: the dump is complete, only indexes are damaged, and `allsource index rebuild` mends them"
        ));
        return Exit::Damaged.into();
    }
    let (events, missing) = (counted(dumped.events, "event"), counted(dumped.missing, "event"));
    terminal::complain(&format!(
        "{events} written; {missing} known to be missing, and damage at the end of the journal may hide more"
    ));
    Exit::Damaged.into()
}
