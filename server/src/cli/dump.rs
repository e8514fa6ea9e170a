//! `allsource dump`: every readable event of a store, as `allsource import` takes it.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use allsource_engine::event::{EventRef, Payload};
use allsource_engine::inspect;
use clap::Args;
use serde_json::json;

use super::failure::Outcome;
use super::{terminal, verify};

/// Prints every readable event of a store that no server has open; `allsource import` takes what it prints.
#[derive(Debug, Args)]
pub(super) struct Dump {
    /// The folder of the store
    dir: PathBuf,
}

impl Dump {
    pub(super) fn run(self) -> Outcome {
        let mut output = BufWriter::with_capacity(1 << 20, io::stdout().lock());
        let mut written = Ok(());
        let report = inspect::dump(&self.dir, &mut |event| {
            if written.is_ok() {
                written = write(&mut output, event);
            }
        });
        let report = report.map_err(|error| verify::cannot_look(&self.dir, &error))?;
        written.and_then(|()| output.flush())?;
        for damage in &report.damage {
            terminal::complain(&format!("DAMAGE {damage}"));
        }
        Ok(verify::exit_code(&report))
    }
}

/// Writes the event with its payload and metadata byte for byte.
fn write(output: &mut impl Write, event: &EventRef) -> io::Result<()> {
    write!(
        output,
        r#"{{"id":"{}","event_type":{},"entity_id":{},"tenant_id":{},"timestamp":"{}""#,
        event.id(),
        json!(event.event_type()),
        json!(event.entity_id()),
        json!(event.tenant()),
        event.timestamp(),
    )?;
    let tags: Vec<&str> = event.tags().collect();
    if !tags.is_empty() {
        write!(output, r#","tags":{}"#, json!(tags))?;
    }
    if let Some(metadata) = event.metadata() {
        write!(output, r#","metadata":{metadata}"#)?;
    }
    match event.payload() {
        Payload::Json(text) => writeln!(output, r#","payload":{text}}}"#),
        Payload::Bytes(bytes) => writeln!(output, r#","payload_hex":"{}"}}"#, Hex(bytes)),
    }
}

struct Hex<'a>(&'a [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
