//! `allsource stats`: the size of the store.

use std::process::ExitCode;

use clap::Args;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::Server;
use super::client::understood;
use super::failure::Outcome;
use super::terminal::{self, Format, Output, grouped};

/// Print the size of the store, or of one tenant
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  allsource stats\n  allsource stats --tenant acme --output json")]
pub(super) struct Stats {
    #[command(flatten)]
    pub(super) format: Format,
    #[command(flatten)]
    server: Server,
}

impl Stats {
    pub(super) fn run(self) -> Outcome {
        let answer: Box<RawValue> = self.server.connect()?.ask("/api/v1/stats", &[])?;
        if self.format.output != Output::Table {
            terminal::say(answer.get())?;
            return Ok(ExitCode::SUCCESS);
        }
        let answer: Map<String, Value> = understood(answer.get())?;
        let rows = answer.iter().flat_map(|(name, value)| rows(name, value)).map(Vec::from);
        terminal::table(&["WHAT", "VALUE"], rows.collect())?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The rows of one member: one, but for the lineage, which has one for each incarnation.
fn rows(name: &str, value: &Value) -> Vec<[String; 2]> {
    let what = name.replace('_', " ");
    match value {
        Value::Array(spans) => spans.iter().map(|span| [what.clone(), incarnation(span)]).collect(),
        Value::String(text) => vec![[what, text.clone()]],
        _ => vec![[what, value.as_u64().map_or_else(|| value.to_string(), grouped)]],
    }
}

/// An incarnation and where it began, or the value as it is if it is of another form.
fn incarnation(span: &Value) -> String {
    let [id, first] = ["incarnation", "first_position"].map(|name| span.get(name));
    match (id.and_then(Value::as_str), first.and_then(Value::as_u64)) {
        (Some(id), Some(first)) => format!("{id} from position {}", grouped(first)),
        _ => span.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_lineage_is_a_row_for_each_incarnation() {
        let lineage =
            json!([{"incarnation": "b", "first_position": 1301}, {"incarnation": "a", "first_position": 1}]);
        let expected = ["b from position 1,301", "a from position 1"];
        assert_eq!(rows("lineage", &lineage), expected.map(|text| ["lineage".to_owned(), text.to_owned()]));
        assert_eq!(rows("total_events", &json!(2012)), [["total events".to_owned(), "2,012".to_owned()]]);
        assert_eq!(rows("incarnation", &json!("b")), [["incarnation".to_owned(), "b".to_owned()]]);
    }
}
