//! `allsource dump`: every readable event of a store, as `allsource import` takes it.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use allsource_engine::inspect;
use clap::Args;

use super::failure::Outcome;
use super::{terminal, verify};
use crate::wire::write_source_line;

/// Print every readable event of a store that no server has open
///
/// One JSON object a line, as `allsource import` takes it. Exit codes: 0 everything, 8 there is damage, 1 could not look.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  allsource dump data > saved.ndjson
  allsource dump data | gzip > saved.ndjson.gz")]
pub(super) struct Dump {
    /// The folder of the store
    dir: PathBuf,
}

impl Dump {
    pub(super) fn run(self) -> Outcome {
        let mut output = BufWriter::with_capacity(1 << 20, io::stdout().lock());
        let (mut written, mut line) = (Ok(()), Vec::new());
        let report = inspect::dump(&self.dir, &mut |event| {
            if written.is_ok() {
                line.clear();
                write_source_line(&mut line, event);
                line.push(b'\n');
                written = output.write_all(&line);
            }
        });
        let report = report.map_err(|error| verify::cannot_look(&self.dir, &error))?;
        written.and_then(|()| output.flush())?;
        for damage in &report.damage {
            terminal::complain(&format!("DAMAGE {damage}"));
        }
        Ok(verify::exit_code(&report.damage))
    }
}
