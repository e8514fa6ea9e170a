//! Events and states on the terminal.

use std::collections::HashMap;
use std::io;

use comfy_table::Table;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::terminal::{self, Output};

/// Characters of a payload that a table shows.
const PAYLOAD_WIDTH: usize = 80;

/// What a table shows of an event, as the server sends it.
#[derive(Debug, Deserialize)]
struct Columns<'a> {
    #[serde(default)]
    position: u64,
    #[serde(default)]
    version: u64,
    timestamp: String,
    entity_id: String,
    event_type: String,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

/// Prints events byte for byte as the server sent them, or as a table.
pub(super) fn events(events: &[Box<RawValue>], output: Output) -> io::Result<()> {
    match output {
        Output::Ndjson => events.iter().try_for_each(|event| terminal::say(event.get())),
        Output::Json => {
            let texts: Vec<&str> = events.iter().map(|event| event.get()).collect();
            terminal::say(&format!("[{}]", texts.join(",")))
        }
        Output::Table => {
            let mut table = heading();
            for event in events {
                table.add_row(row(event.get()));
            }
            terminal::say(&table.trim_fmt())
        }
    }
}

/// One event as one line for people, for output that never ends.
pub(super) fn line(event: &str) -> String {
    row(event).join("  ")
}

/// Prints the members of a state as a table.
pub(super) fn members(members: &HashMap<String, Box<RawValue>>) -> io::Result<()> {
    let mut table = terminal::table(&["MEMBER", "VALUE"]);
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_by_key(|(name, _)| *name);
    for (name, value) in sorted {
        table.add_row([name.as_str(), value.get()]);
    }
    terminal::say(&table.trim_fmt())
}

fn heading() -> Table {
    terminal::table(&["POSITION", "TIMESTAMP", "ENTITY", "VERSION", "TYPE", "PAYLOAD"])
}

fn row(event: &str) -> Vec<String> {
    let Ok(event) = serde_json::from_str::<Columns<'_>>(event) else { return vec![event.to_owned()] };
    let payload = event.payload.map_or("", RawValue::get);
    vec![
        event.position.to_string(),
        event.timestamp,
        event.entity_id,
        event.version.to_string(),
        event.event_type,
        terminal::shorten(payload, PAYLOAD_WIDTH),
    ]
}
