//! `allsource read`: events that were appended.

use std::process::ExitCode;

use clap::Args;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Server;
use super::client::{Client, Parameter};
use super::failure::{Failure, Outcome};
use super::show;
use super::terminal::{self, Format, Output};

/// The most events one request brings.
const PAGE: u64 = 10_000;

/// Prints events in the order they were appended.
#[derive(Debug, Args)]
pub(super) struct Read {
    /// Only those of this entity
    entity: Option<String>,
    /// Only those of this type
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// Only those whose type begins like this
    #[arg(long, value_name = "PREFIX")]
    prefix: Option<String>,
    /// Only those with this tag
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// Only those that happened at this time or later
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only those that happened at this time or earlier
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// As until: events say themselves when they happened, whenever they were recorded
    #[arg(long, value_name = "TIME")]
    as_of: Option<String>,
    /// Newest first
    #[arg(long)]
    desc: bool,
    /// At most so many
    #[arg(long, value_name = "N", default_value = "100")]
    limit: u64,
    /// Begin at this position of the store
    #[arg(long, value_name = "POSITION")]
    from: Option<u64>,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Deserialize)]
struct Page {
    events: Vec<Box<RawValue>>,
    #[serde(default)]
    next_cursor: Option<String>,
}

impl Read {
    pub(super) fn run(self) -> Outcome {
        let client = self.server.connect();
        let (mut events, mut cursor, mut left) = (Vec::new(), None, self.limit);
        while left > 0 {
            let page = self.page(&client, cursor.take(), left)?;
            left -= left.min(page.events.len() as u64);
            if self.format.output == Output::Ndjson {
                show::events(&page.events, Output::Ndjson)?;
            } else {
                events.extend(page.events);
            }
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        if self.format.output != Output::Ndjson {
            show::events(&events, self.format.output)?;
        }
        if cursor.is_some() {
            terminal::complain(&format!("there are more; --limit takes a number larger than {}", self.limit));
        }
        Ok(ExitCode::SUCCESS)
    }

    fn page(&self, client: &Client, cursor: Option<String>, left: u64) -> Result<Page, Failure> {
        let query = [
            Parameter("entity_id", self.entity.clone()),
            Parameter("event_type", self.event_type.clone()),
            Parameter("event_type_prefix", self.prefix.clone()),
            Parameter("tag", self.tag.clone()),
            Parameter("since", self.since.clone()),
            Parameter("until", self.until.clone()),
            Parameter("as_of", self.as_of.clone()),
            Parameter("order", self.desc.then(|| "desc".to_owned())),
            Parameter("from", self.from.map(|position| position.to_string())),
            Parameter("limit", Some(left.min(PAGE).to_string())),
            Parameter("cursor", cursor),
        ];
        Ok(client.ask("/api/v1/events/query", &query)?)
    }
}
