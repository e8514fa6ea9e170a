//! `allsource dump`: every readable event of a store, as `allsource import` takes it.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use allsource_engine::inspect::{self, Dumped, Salvaged};
use clap::Args;

use super::failure::{Exit, Outcome};
use super::terminal::{self, grouped};
use super::verify;
use crate::wire::write_source_line;

/// How many gaps are printed; the others are only counted.
const SHOWN_MAX: u64 = 1_000;

/// Print every readable event of a store that no server has open
///
/// One JSON object a line, as `allsource import` takes it. Everything is kept but positions and commit times. Damage does
/// not end it: which events are missing is printed on standard error.
///
/// Exit codes: 0 everything is there, 8 there is damage, 1 could not look.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  allsource dump data > saved.ndjson
  allsource dump data | gzip > saved.ndjson.gz
  allsource dump data | allsource import --url http://127.0.0.1:8081")]
pub(super) struct Dump {
    /// The folder of the store
    dir: PathBuf,
}

impl Dump {
    pub(super) fn run(self) -> Outcome {
        let mut output = BufWriter::with_capacity(1 << 20, io::stdout().lock());
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
                    terminal::complain(&format!("MISSING positions {first} to {last}: {why}"));
                }
            }
        });
        let dumped = dumped.map_err(|error| verify::cannot_look(&self.dir, &error))?;
        written.and_then(|()| output.flush())?;
        Ok(report(&dumped, gaps))
    }
}

fn report(dumped: &Dumped, gaps: u64) -> ExitCode {
    if dumped.damage.is_empty() {
        return ExitCode::SUCCESS;
    }
    if gaps > SHOWN_MAX {
        terminal::complain(&format!("MISSING {} more gaps", grouped(gaps - SHOWN_MAX)));
    }
    for damage in &dumped.damage {
        terminal::complain(&format!("DAMAGE {damage}"));
    }
    let (events, missing) = (grouped(dumped.events), grouped(dumped.missing));
    terminal::complain(&format!(
        "{events} events printed; {missing} known to be missing, others may be behind damage at the end of the journal"
    ));
    Exit::Damaged.into()
}
