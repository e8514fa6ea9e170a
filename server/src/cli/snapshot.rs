//! `allsource snapshot`: stored states of entities.

use std::collections::HashMap;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::client::{Parameter, path, understood};
use super::failure::{Failure, Outcome};
use super::terminal::{self, Format, Output, counted, grouped};
use super::{Server, show};
use crate::numbers;

const PATH: &str = "/api/v1/snapshots";

/// Take, list or print snapshots, the stored states of entities
///
/// With a snapshot, the store need not read every event of an entity to get its state. It also takes snapshots by itself.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  allsource snapshot create user-1
  allsource snapshot list user-1
  allsource snapshot latest user-1 --output json")]
pub(super) enum Snapshot {
    /// Take a snapshot of an entity as it is now
    #[command(after_help = "Examples:\n  allsource snapshot create user-1")]
    Create {
        /// The entity
        entity: String,
        #[command(flatten)]
        terms: Terms,
    },
    /// List snapshots, newest first for each entity
    #[command(
        after_help = "Examples:\n  allsource snapshot list\n  allsource snapshot list user-1 --limit 10"
    )]
    List {
        /// Only snapshots of this entity
        entity: Option<String>,
        /// At most this many
        #[arg(long, value_name = "N", default_value = "1000", value_parser = numbers::from_one)]
        limit: u64,
        #[command(flatten)]
        terms: Terms,
    },
    /// Print the newest snapshot of an entity
    #[command(after_help = "Examples:\n  allsource snapshot latest user-1 --output json")]
    Latest {
        /// The entity
        entity: String,
        #[command(flatten)]
        terms: Terms,
    },
}

/// The options that all snapshot commands share.
#[derive(Debug, Args)]
pub(super) struct Terms {
    #[command(flatten)]
    pub(super) format: Format,
    #[command(flatten)]
    server: Server,
}

/// The fields of a snapshot that a table shows.
#[derive(Debug, Deserialize)]
struct Row {
    #[serde(alias = "snapshot_id")]
    id: String,
    entity_id: String,
    created_at: String,
    as_of: String,
    event_count: u64,
    size_bytes: u64,
    snapshot_type: String,
    version: u64,
}

#[derive(Debug, Deserialize)]
struct Listed {
    snapshots: Vec<Box<RawValue>>,
    total: u64,
}

#[derive(Debug, Deserialize)]
struct Kept {
    /// Kept as text: a member may hold a number that this program cannot represent.
    state: HashMap<String, Box<RawValue>>,
}

impl Snapshot {
    pub(super) fn format(&self) -> Format {
        match self {
            Self::Create { terms, .. } | Self::List { terms, .. } | Self::Latest { terms, .. } => {
                terms.format
            }
        }
    }

    pub(super) fn run(self) -> Outcome {
        match self {
            Self::Create { entity, terms } => create(&entity, &terms)?,
            Self::List { entity, limit, terms } => list(entity, limit, &terms)?,
            Self::Latest { entity, terms } => latest(&entity, &terms)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn create(entity: &str, terms: &Terms) -> Result<(), Failure> {
    let body = json!({ "entity_id": entity }).to_string();
    let reply: Box<RawValue> = terms.server.connect()?.send(PATH, "application/json", body.as_bytes())?;
    if terms.format.output != Output::Table {
        terminal::say(reply.get())?;
        return Ok(());
    }
    let row: Row = understood(reply.get())?;
    let (events, bytes) = (counted(row.event_count, "event"), counted(row.size_bytes, "byte"));
    let what = format!("{} at version {}: {events}, {bytes}", row.entity_id, row.version);
    terminal::say(&format!("took snapshot {} of {what}", row.id))?;
    Ok(())
}

fn list(entity: Option<String>, limit: u64, terms: &Terms) -> Result<(), Failure> {
    let query = [Parameter("entity_id", entity), Parameter("limit", Some(limit.to_string()))];
    let answer: Box<RawValue> = terms.server.connect()?.ask(PATH, &query)?;
    let listed: Listed = understood(answer.get())?;
    match terms.format.output {
        Output::Json => terminal::say(answer.get())?,
        Output::Ndjson => listed.snapshots.iter().try_for_each(|one| terminal::say(one.get()))?,
        Output::Table => print(&listed.snapshots)?,
    }
    if listed.total > listed.snapshots.len() as u64 {
        let total = counted(listed.total, "snapshot");
        let more = format!("{total} in all; raise --limit above {limit} to list more");
        terminal::note(terms.format.output, &more);
    }
    Ok(())
}

fn print(snapshots: &[Box<RawValue>]) -> Result<(), Failure> {
    let columns = ["ENTITY", "VERSION", "EVENTS", "AS OF", "CREATED", "TYPE", "BYTES", "ID"];
    let mut rows = Vec::with_capacity(snapshots.len());
    for snapshot in snapshots {
        let row: Row = understood(snapshot.get())?;
        rows.push(vec![
            row.entity_id,
            row.version.to_string(),
            grouped(row.event_count),
            row.as_of,
            row.created_at,
            row.snapshot_type,
            grouped(row.size_bytes),
            row.id,
        ]);
    }
    terminal::table(&columns, rows)?;
    Ok(())
}

fn latest(entity: &str, terms: &Terms) -> Result<(), Failure> {
    let path = path(&["api", "v1", "snapshots", entity, "latest"]);
    let answer: Box<RawValue> = terms.server.connect()?.ask(&path, &[]).map_err(|reason| {
        let failure = Failure::from(reason);
        let advice = format!("take one with: allsource snapshot create {entity}");
        if failure.is_not_found() { failure.advise(advice) } else { failure }
    })?;
    if terms.format.output != Output::Table {
        terminal::say(answer.get())?;
        return Ok(());
    }
    let row: Row = understood(answer.get())?;
    let kept: Kept = understood(answer.get())?;
    let events = counted(row.event_count, "event");
    let what = format!("{} at version {}: {events}", row.entity_id, row.version);
    let (last, taken, kind) = (row.as_of, row.created_at, row.snapshot_type);
    terminal::say(&format!("{what}, the last of {last}; taken {taken} ({kind})"))?;
    show::members(&kept.state)?;
    Ok(())
}
