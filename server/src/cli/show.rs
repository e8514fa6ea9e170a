//! Events and states on the terminal.

use std::collections::HashMap;
use std::io;

use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::terminal::{self, Output};

/// A column of a table of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Column {
    Position,
    Timestamp,
    Recorded,
    Tenant,
    Entity,
    Version,
    Type,
    Id,
    Tags,
    Metadata,
    Payload,
}

const USUAL: [Column; 6] =
    [Column::Position, Column::Timestamp, Column::Entity, Column::Version, Column::Type, Column::Payload];

/// The columns of a table of events.
#[derive(Debug, Args)]
pub(super) struct Columns {
    /// Columns of the table, separated by commas
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',', hide_possible_values = false)]
    columns: Vec<Column>,
    /// All columns, including id, tags and metadata
    #[arg(long, conflicts_with = "columns")]
    wide: bool,
}

impl Columns {
    fn chosen(&self) -> Vec<Column> {
        match (self.wide, self.columns.as_slice()) {
            (true, _) => Column::value_variants().to_vec(),
            (false, []) => USUAL.to_vec(),
            (false, chosen) => chosen.to_vec(),
        }
    }

    /// Prints events as a table, or byte for byte as the server sent them.
    pub(super) fn events(&self, events: &[Box<RawValue>], output: Output) -> io::Result<()> {
        match output {
            Output::Ndjson => events.iter().try_for_each(|event| terminal::say(event.get())),
            Output::Json => {
                let texts: Vec<&str> = events.iter().map(|event| event.get()).collect();
                terminal::say(&format!("[{}]", texts.join(",")))
            }
            Output::Table => {
                let columns = self.chosen();
                let names: Vec<String> = columns.iter().map(|column| column.heading()).collect();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let rows = events.iter().map(|event| row(event.get(), &columns)).collect();
                terminal::table(&names, rows)
            }
        }
    }

    /// One event as one line of a table, for output that never ends.
    pub(super) fn line(&self, event: &str) -> String {
        let line = terminal::plain(&row(event, &self.chosen()).join("  "));
        match terminal::width() {
            Some(width) => terminal::shorten(&line, width),
            None => line,
        }
    }
}

/// Prints every column of one event, one per line.
pub(super) fn event(event: &str) -> io::Result<()> {
    let columns = Column::value_variants();
    let values = row(event, columns);
    if values.len() < columns.len() {
        return terminal::say(event);
    }
    let lines = columns.iter().zip(values).map(|(column, value)| format!("{:<10} {value}", column.heading()));
    lines.filter(|line| line.len() > 11).try_for_each(|line| terminal::say(line.trim_end()))
}

/// Prints the members of a state as a table.
pub(super) fn members(members: &HashMap<String, Box<RawValue>>) -> io::Result<()> {
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_by_key(|(name, _)| *name);
    let rows = sorted.into_iter().map(|(name, value)| vec![name.clone(), value.get().to_owned()]);
    terminal::table(&["MEMBER", "VALUE"], rows.collect())
}

/// An event as the server sends it.
#[derive(Debug, Deserialize)]
struct Sent<'a> {
    #[serde(default)]
    id: String,
    #[serde(default)]
    position: u64,
    #[serde(default)]
    version: u64,
    timestamp: String,
    #[serde(default)]
    recorded_at: String,
    #[serde(default)]
    tenant_id: String,
    entity_id: String,
    event_type: String,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(borrow, default)]
    metadata: Option<&'a RawValue>,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
    #[serde(default)]
    payload_base64: Option<String>,
}

impl Column {
    fn heading(self) -> String {
        format!("{self:?}").to_uppercase()
    }
}

/// The columns of an event; an event that cannot be parsed is one column.
fn row(event: &str, columns: &[Column]) -> Vec<String> {
    let Ok(event) = serde_json::from_str::<Sent<'_>>(event) else { return vec![event.to_owned()] };
    let cell = |column: &Column| match column {
        Column::Position => event.position.to_string(),
        Column::Timestamp => event.timestamp.clone(),
        Column::Recorded => event.recorded_at.clone(),
        Column::Tenant => event.tenant_id.clone(),
        Column::Entity => event.entity_id.clone(),
        Column::Version => event.version.to_string(),
        Column::Type => event.event_type.clone(),
        Column::Id => event.id.clone(),
        Column::Tags => event.tags.join(", "),
        Column::Metadata => event.metadata.map_or("", RawValue::get).to_owned(),
        Column::Payload => match &event.payload_base64 {
            Some(bytes) => format!("base64:{bytes}"),
            None => event.payload.map_or("null", RawValue::get).to_owned(),
        },
    };
    columns.iter().map(cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_the_columns_asked_for() {
        let event = r#"{"id":"9b","event_type":"t","entity_id":"e","tenant_id":"acme","payload":{"a": 1},
            "timestamp":"2026-01-01T00:00:00Z","metadata":null,"version":2,"position":7,"tags":["x","y, z"]}"#;
        let asked = [Column::Position, Column::Id, Column::Tags, Column::Metadata, Column::Payload];
        assert_eq!(row(event, &asked), ["7", "9b", "x, y, z", "", "{\"a\": 1}"]);
        assert_eq!(row("no event", &asked), ["no event"]);
        let bytes =
            r#"{"event_type":"t","entity_id":"e","timestamp":"","payload":null,"payload_base64":"AA=="}"#;
        assert_eq!(row(bytes, &[Column::Payload]), ["base64:AA=="]);
    }
}
