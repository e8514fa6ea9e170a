//! `allsource append`: appends one event.

use std::io::{self, Read as _};
use std::process::ExitCode;

use clap::Args;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::numbers;
use crate::problem::plain;

use super::client::understood;
use super::failure::{Exit, Failure, Outcome};
use super::terminal::{self, Format, Output};
use super::{Server, identifiers, times};

/// Append one event
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  allsource append user-1 user.created '{\"name\":\"Ada\"}'
  allsource append user-1 user.renamed '{\"name\":\"Ada L.\"}' --expected-version 1
  allsource append user-2 user.created '{\"name\":\"Grace\"}' --idempotency-key signup-42 --tag vip
  generate-report | allsource append report-7 report.filed -")]
pub(super) struct Append {
    /// Entity of the event, like order-17
    entity: String,
    /// Type of the event, like order.placed
    event_type: String,
    /// Payload as JSON; -: read it from standard input
    #[arg(default_value = "{}", allow_negative_numbers = true)]
    payload: String,
    /// Append only if the entity is at this version; 0: only if it does not exist yet; exists: only if it does
    #[arg(long, value_name = "N|exists", value_parser = expected, allow_negative_numbers = true)]
    expected_version: Option<Value>,
    /// Id of the event: appending the same event with the same id again changes nothing
    #[arg(long, value_name = "UUID", value_parser = identifiers::event_id)]
    id: Option<uuid::Uuid>,
    /// Key in place of an id: the event is appended once, however often the command runs
    #[arg(long, value_name = "KEY", conflicts_with = "id", value_parser = identifiers::key)]
    idempotency_key: Option<String>,
    /// Tag to find the event by; repeatable
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// Metadata as JSON
    #[arg(long, value_name = "JSON")]
    metadata: Option<String>,
    /// Timestamp of the event [default: now]: 2026-03-01T12:00:00Z, 2026-03-01, or an age like 2h
    #[arg(long, value_name = "TIME", value_parser = times::from)]
    timestamp: Option<String>,
    #[command(flatten)]
    pub(super) format: Format,
    #[command(flatten)]
    server: Server,
}

impl Append {
    pub(super) fn run(self) -> Outcome {
        let payload = if self.payload == "-" {
            let payload = io::read_to_string(io::stdin().lock().take(64 << 20))?;
            json_text("payload", &payload).map_err(|failure| failure.exit(Exit::Failed))?
        } else {
            json_text("payload", &self.payload)?
        };
        let mut body = Map::new();
        body.insert("entity_id".to_owned(), json!(self.entity));
        body.insert("event_type".to_owned(), json!(self.event_type));
        if !self.tag.is_empty() {
            body.insert("tags".to_owned(), json!(self.tag));
        }
        let optional = [
            ("expected_version", self.expected_version),
            ("id", self.id.map(|id| json!(id))),
            ("timestamp", self.timestamp.map(Value::from)),
        ];
        body.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        let mut body = Value::Object(body).to_string();
        body.pop();
        // Payload and metadata are sent unchanged: the store keeps them byte for byte.
        body.push_str(&format!(",\"payload\":{payload}"));
        if let Some(metadata) = &self.metadata {
            body.push_str(&format!(",\"metadata\":{}", json_text("metadata", metadata)?));
        }
        body.push('}');
        let key = self.idempotency_key.as_deref();
        let headers: Vec<(&str, &str)> = key.map(|key| ("Idempotency-Key", key)).into_iter().collect();
        let client = self.server.connect()?;
        let reply: Box<RawValue> =
            client.send_with("/api/v1/events", "application/json", &headers, body.as_bytes())?;
        match self.format.output {
            Output::Json | Output::Ndjson => terminal::say(reply.get())?,
            Output::Table => terminal::say(&understood::<Appended>(reply.get())?.summary())?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The answer to an append.
#[derive(Debug, Deserialize)]
struct Appended {
    event_id: String,
    version: u64,
    position: u64,
    #[serde(default)]
    replayed: bool,
}

impl Appended {
    fn summary(&self) -> String {
        let verb = if self.replayed { "already stored:" } else { "appended" };
        let Self { event_id, version, position, .. } = self;
        format!("{verb} {event_id} at version {version}, position {position}")
    }
}

/// The version an entity must be at, or that it must exist, as the server takes it.
fn expected(text: &str) -> Result<Value, String> {
    match text {
        "exists" => Ok(text.into()),
        _ => numbers::from_zero(text).map(Value::from).map_err(|problem| format!("{problem}, or exists")),
    }
}

/// JSON from the command line.
fn json_text(what: &str, text: &str) -> Result<Box<RawValue>, Failure> {
    serde_json::from_str(text.trim()).map_err(|error| {
        let advice = "write JSON text in double quotes, inside the shell's quotes: '\"like this\"'";
        let problem = format!("the {what} is not valid JSON: {}", plain(&error.to_string()));
        Failure::usage(problem).advise(advice)
    })
}
