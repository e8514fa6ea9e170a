//! `allsource read`: prints stored events.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::Server;
use super::client::{Client, Parameter};
use super::failure::{Failure, Outcome};
use super::filter::Filter;
use super::show::Columns;
use super::terminal::{self, Format, Output};
use crate::numbers;

/// Most events in one answer.
const PAGE: u64 = 10_000;

/// Print events of one entity, or by type, tag and time
///
/// An event must meet all conditions. Write a time as 2026-03-01T12:00:00Z, as a day like 2026-03-01, or as an age:
/// 30s, 15m, 2h, 7d, 4w.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  allsource read order-000001
  allsource read --type order.placed --since 2h --newest-first
  allsource read --tag vip --tag overdue --columns position,entity,tags
  allsource read --prefix order. --payload-filter '{\"status\":\"paid\"}' --output ndjson")]
pub(super) struct Read {
    /// Only events of this entity
    entity: Option<String>,
    #[command(flatten)]
    filter: Filter,
    /// Only events whose payload has these members: {"status":"paid","customer.country":"NL"}
    #[arg(long, value_name = "JSON")]
    payload_filter: Option<String>,
    /// Oldest position first (asc) or newest first (desc)
    #[arg(long, value_name = "ORDER", default_value = "asc")]
    order: Order,
    /// Same as --order desc
    #[arg(long, alias = "desc", conflicts_with = "order")]
    newest_first: bool,
    /// At most this many events
    #[arg(long, value_name = "N", default_value = "100", value_parser = numbers::from_one, allow_negative_numbers = true)]
    limit: u64,
    /// Begin at this position of the store
    #[arg(long, value_name = "POSITION", value_parser = numbers::from_one)]
    from: Option<u64>,
    /// Continue where an earlier read with the same conditions ended
    #[arg(long, value_name = "CURSOR", allow_hyphen_values = true)]
    cursor: Option<String>,
    #[command(flatten)]
    columns: Columns,
    #[command(flatten)]
    pub(super) format: Format,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Order {
    Asc,
    Desc,
}

#[derive(Debug, Deserialize)]
struct Page {
    events: Vec<Box<RawValue>>,
    #[serde(default)]
    next_cursor: Option<String>,
}

impl Read {
    pub(super) fn run(self) -> Outcome {
        let client = self.server.connect()?;
        let (mut events, mut cursor, mut left) = (Vec::new(), self.cursor.clone(), self.limit);
        while left > 0 {
            let page = self.page(&client, cursor.take(), left)?;
            left -= left.min(page.events.len() as u64);
            if self.format.output == Output::Ndjson {
                self.columns.events(&page.events, Output::Ndjson)?;
            } else {
                events.extend(page.events);
            }
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        if self.format.output != Output::Ndjson {
            self.columns.events(&events, self.format.output)?;
        }
        if let Some(cursor) = cursor {
            let more = format!("there are more events: raise --limit, or continue with --cursor {cursor}");
            terminal::complain(&match self.format.output {
                Output::Table => more,
                Output::Json | Output::Ndjson => json!({ "note": more, "cursor": cursor }).to_string(),
            });
        }
        Ok(ExitCode::SUCCESS)
    }

    fn page(&self, client: &Client, cursor: Option<String>, left: u64) -> Result<Page, Failure> {
        let is_newest_first = self.newest_first || self.order == Order::Desc;
        let mut query = self.filter.parameters();
        query.extend([
            Parameter("entity_id", self.entity.clone()),
            Parameter("payload_filter", self.payload_filter.clone()),
            Parameter("order", is_newest_first.then(|| "desc".to_owned())),
            Parameter("from", self.from.map(|position| position.to_string())),
            Parameter("limit", Some(left.min(PAGE).to_string())),
            Parameter("cursor", cursor),
        ]);
        Ok(client.ask("/api/v1/events/query", &query)?)
    }
}
