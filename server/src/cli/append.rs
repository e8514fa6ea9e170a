//! `allsource append`: one event.

use std::io::{self, Read as _};
use std::process::ExitCode;

use clap::Args;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::Server;
use super::failure::{Failure, Outcome};
use super::terminal::{self, Format, Output};

/// Appends one event.
#[derive(Debug, Args)]
pub(super) struct Append {
    /// What the event is about, like order-17
    entity: String,
    /// What happened, like order.placed
    event_type: String,
    /// JSON that says more; - reads it from standard input
    #[arg(default_value = "{}")]
    payload: String,
    /// Append only if this is the entity's version; 0: it must not exist yet
    #[arg(long, value_name = "N")]
    expected_version: Option<u64>,
    /// An id of your own: appending the same event with it again changes nothing
    #[arg(long, value_name = "UUID")]
    id: Option<uuid::Uuid>,
    /// A label to find the event by; may be given several times
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// JSON about the event that is not part of it
    #[arg(long, value_name = "JSON")]
    metadata: Option<String>,
    /// When it happened, if not now: RFC 3339, like 2026-03-01T12:00:00Z
    #[arg(long, value_name = "TIME")]
    timestamp: Option<String>,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    server: Server,
}

impl Append {
    pub(super) fn run(self) -> Outcome {
        let payload = if self.payload == "-" {
            io::read_to_string(io::stdin().lock().take(64 << 20))?
        } else {
            self.payload
        };
        let payload = json_text("payload", &payload)?;
        let mut body = Map::new();
        body.insert("entity_id".to_owned(), json!(self.entity));
        body.insert("event_type".to_owned(), json!(self.event_type));
        if !self.tag.is_empty() {
            body.insert("tags".to_owned(), json!(self.tag));
        }
        let optional = [
            ("expected_version", self.expected_version.map(Value::from)),
            ("id", self.id.map(|id| json!(id))),
            ("timestamp", self.timestamp.map(Value::from)),
        ];
        body.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        let mut body = Value::Object(body).to_string();
        body.pop();
        // Payload and metadata go out as they were written: the store keeps them byte for byte.
        body.push_str(&format!(",\"payload\":{payload}"));
        if let Some(metadata) = &self.metadata {
            body.push_str(&format!(",\"metadata\":{}", json_text("metadata", metadata)?));
        }
        body.push('}');
        let reply: Box<RawValue> =
            self.server.connect().send("/api/v1/events", "application/json", body.as_bytes())?;
        match self.format.output {
            Output::Json | Output::Ndjson => terminal::say(reply.get())?,
            Output::Table => terminal::say(&summary(reply.get()))?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn json_text(what: &str, text: &str) -> Result<Box<RawValue>, Failure> {
    serde_json::from_str(text.trim()).map_err(|error| {
        let advice = "text is written in quotes, inside those of the shell: '\"like this\"'";
        Failure::new(format!("the {what} is not valid JSON: {error}")).advise(advice)
    })
}

fn summary(reply: &str) -> String {
    let reply: Value = serde_json::from_str(reply).unwrap_or_default();
    let member = |name| reply.get(name).unwrap_or(&Value::Null);
    let verb = if member("replayed") == &Value::Bool(true) { "was there already:" } else { "appended" };
    let id = member("event_id").as_str().unwrap_or_default();
    format!("{verb} {id} at version {}, position {}", member("version"), member("position"))
}
