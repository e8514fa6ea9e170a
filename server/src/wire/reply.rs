//! Answers other than events and commits.

use serde::Serialize;
use serde_json::Value;

use crate::problem::Problem;

/// The outcome of an import.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Imported {
    /// Lines that are not empty.
    pub total: u64,
    /// Events that are stored, including those stored before.
    pub ingested: u64,
    /// Events that were stored before.
    pub replayed: u64,
    /// Lines refused.
    pub refused_count: u64,
    /// The first refused lines.
    pub refused: Vec<RefusedLine>,
    /// `written`: not synced yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub durability: Option<&'static str>,
}

/// A line that was refused.
#[derive(Debug, Clone, Serialize)]
pub struct RefusedLine {
    /// Its number, from 1.
    pub line: u64,
    /// Why.
    pub error: String,
    /// The type of the problem.
    #[serde(rename = "type")]
    pub kind: String,
}

/// The starts of the server, newest first.
#[derive(Debug, Clone, Serialize)]
pub struct StartsReply<'a> {
    /// The starts asked for.
    pub starts: Vec<StartRow<'a>>,
    /// The number of starts that are kept.
    pub total: usize,
}

/// A start of the server.
#[derive(Debug, Clone, Serialize)]
pub struct StartRow<'a> {
    /// The incarnation of the store that it wrote.
    pub incarnation: &'a str,
    /// The release.
    pub version: &'a str,
    /// When it began to serve.
    pub started_at: &'a str,
    /// When it had answered its last request; `None`: it is running, or did not end in order.
    pub stopped_at: Option<&'a str>,
}

/// The size of the store or of a tenant.
#[derive(Debug, Clone, Serialize)]
pub struct StatsReply {
    /// Events.
    pub total_events: u64,
    /// Entities that have events.
    pub total_entities: u64,
    /// Distinct event types.
    pub total_event_types: u64,
    /// The highest position, or the tenant's number of events.
    pub total_ingested: u64,
    /// The incarnation that writes now.
    pub incarnation: String,
    /// Which incarnation wrote which part of the log, newest first.
    pub lineage: Vec<LineageSpan>,
}

/// A part of the log that one incarnation wrote.
#[derive(Debug, Clone, Serialize)]
pub struct LineageSpan {
    /// The incarnation.
    pub incarnation: String,
    /// The first position it may have written.
    pub first_position: u64,
}

/// The position up to which events are sealed.
#[derive(Debug, Clone, Serialize)]
pub struct SealedReply {
    /// The position; 0 if the store is empty.
    pub sealed_position: u64,
}

impl Imported {
    /// Adds the fields to a problem.
    pub fn add_to(&self, problem: Problem) -> Problem {
        match to_value(self) {
            Value::Object(members) => {
                members.into_iter().fold(problem, |problem, (name, value)| problem.with(&name, value))
            }
            _ => unreachable!("a struct is an object"),
        }
    }
}

fn to_value(reply: &impl Serialize) -> Value {
    #[expect(clippy::expect_used, reason = "an answer has names for keys and no numbers that JSON lacks")]
    serde_json::to_value(reply).expect("an answer is JSON")
}

/// The text of an answer.
pub fn to_json(reply: &impl Serialize) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "an answer has names for keys and no numbers that JSON lacks")]
    serde_json::to_vec(reply).expect("an answer is JSON")
}
