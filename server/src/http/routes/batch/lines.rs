//! Any number of events, one a line, appended in chunks while they arrive. A line that is refused is told with its
//! number and keeps no other from being appended.

mod split;

use std::time::Duration;

use allsource_engine::error::AppendError;
use allsource_engine::{Acknowledged, Commit};
use axum::body::Body;
use axum::http::HeaderValue;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use crate::admission::{Admitted, append_all, append_each};
use crate::app::App;
use crate::http::body::broken_off;
use crate::http::reply::{Reply, json_value};
use crate::http::routes::append::Terms;
use crate::problem::Problem;
use crate::wire::parse_event;
use split::{Line, Lines};

/// Lines appended at once.
const CHUNK_LINES: usize = 1000;
/// Bytes appended at once.
const CHUNK_BYTES: usize = 4 << 20;
/// Refused lines that are listed; the rest are counted.
const LISTED_MAX: usize = 10_000;
/// How long to wait when the store is overloaded, and how often.
const PAUSE: Duration = Duration::from_millis(50);
const PAUSES_MAX: u32 = 200;

pub(super) async fn append(app: &App, terms: &Terms, body: &mut Body) -> Reply {
    let mut import = Import { app, terms, chunk: Vec::new(), chunk_bytes: 0, tally: Tally::default() };
    let mut lines = Lines::default();
    while let Some(frame) = body.frame().await {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => return Err(import.tally.interrupted(broken_off(&error))),
        };
        let Ok(data) = frame.into_data() else { continue };
        lines.push(data);
        while let Some(line) = lines.next() {
            import.take(line).await?;
        }
    }
    if let Some(line) = lines.finish() {
        import.take(line).await?;
    }
    import.flush().await?;
    let is_repeated =
        terms.key.is_some() && import.tally.total > 0 && import.tally.replayed == import.tally.total;
    let mut response = json_value(&Value::Object(import.tally.members()));
    if is_repeated {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    Ok(response)
}

#[derive(Default)]
struct Tally {
    /// Lines read, empty ones included.
    read: u64,
    /// Lines that are settled: appended or refused.
    settled: u64,
    total: u64,
    ingested: u64,
    replayed: u64,
    refused_count: u64,
    refused: Vec<Value>,
    is_only_written: bool,
}

impl Tally {
    fn members(&mut self) -> serde_json::Map<String, Value> {
        let mut members = serde_json::Map::new();
        members.insert("total".to_owned(), self.total.into());
        members.insert("ingested".to_owned(), self.ingested.into());
        members.insert("replayed".to_owned(), self.replayed.into());
        members.insert("refused_count".to_owned(), self.refused_count.into());
        members.insert("refused".to_owned(), std::mem::take(&mut self.refused).into());
        if self.is_only_written {
            members.insert("durability".to_owned(), "written".into());
        }
        members
    }

    fn refuse(&mut self, line: u64, problem: &Problem) {
        self.refused_count += 1;
        if self.refused.len() < LISTED_MAX {
            self.refused.push(json!({
                "line": line,
                "error": problem.detail(),
                "type": format!("/problems/{}", problem.kind().slug),
            }));
        }
    }

    fn accept(&mut self, commit: &Commit) {
        self.ingested += commit.events.len() as u64;
        self.replayed += commit.events.iter().filter(|event| event.replayed).count() as u64;
        self.is_only_written |= commit.acknowledged == Acknowledged::Written;
    }

    /// A problem that ended the import, with how far it came: everything up to `line` need not be sent again.
    fn interrupted(&mut self, problem: Problem) -> Problem {
        let line = self.settled;
        self.members()
            .into_iter()
            .fold(problem, |problem, (name, value)| problem.with(&name, value))
            .with("line", line)
    }
}

struct Import<'a> {
    app: &'a App,
    terms: &'a Terms,
    chunk: Vec<(u64, Admitted)>,
    chunk_bytes: usize,
    tally: Tally,
}

impl Import<'_> {
    async fn take(&mut self, line: Line) -> Result<(), Problem> {
        self.tally.read += 1;
        let number = self.tally.read;
        let text: Bytes = match line {
            Line::Text(text) if text.trim_ascii().is_empty() => return Ok(()),
            Line::Text(text) => text,
            Line::TooLong(problem) => {
                self.tally.total += 1;
                self.tally.refuse(number, &problem);
                return Ok(());
            }
        };
        self.tally.total += 1;
        let admitted =
            parse_event(&text).and_then(|body| self.terms.admit(&body, number - 1, body.expected()));
        match admitted {
            Err(problem) => self.tally.refuse(number, &problem),
            Ok(admitted) => {
                self.chunk.push((number, admitted));
                self.chunk_bytes += text.len();
            }
        }
        if self.chunk.len() >= CHUNK_LINES || self.chunk_bytes >= CHUNK_BYTES {
            self.flush().await
        } else {
            Ok(())
        }
    }

    /// Appends what was taken: as one batch, or line by line if one of them keeps the batch from being appended.
    async fn flush(&mut self) -> Result<(), Problem> {
        let (numbers, admitted): (Vec<u64>, Vec<Admitted>) =
            std::mem::take(&mut self.chunk).into_iter().unzip();
        self.chunk_bytes = 0;
        if admitted.is_empty() {
            self.tally.settled = self.tally.read;
            return Ok(());
        }
        for _ in 0..PAUSES_MAX {
            match append_all(self.app.store(), &admitted).await {
                Ok(commit) => {
                    self.tally.accept(&commit);
                    self.tally.settled = self.tally.read;
                    return Ok(());
                }
                Err(AppendError::Overloaded) => tokio::time::sleep(PAUSE).await,
                Err(error) if is_about_a_line(&error) => return self.flush_each(&numbers, admitted).await,
                Err(error) => return Err(self.tally.interrupted(error.into())),
            }
        }
        Err(self.tally.interrupted(AppendError::Overloaded.into()))
    }

    async fn flush_each(&mut self, numbers: &[u64], admitted: Vec<Admitted>) -> Result<(), Problem> {
        let outcomes = append_each(self.app.store(), admitted).await;
        for (number, outcome) in numbers.iter().zip(outcomes) {
            match outcome {
                Ok(commit) => self.tally.accept(&commit),
                Err(error) if is_about_a_line(&error) => {
                    self.tally.refuse(*number, &self.terms.problem(error.into()));
                }
                Err(error) => return Err(self.tally.interrupted(error.into())),
            }
            self.tally.settled = *number;
        }
        self.tally.settled = self.tally.read;
        Ok(())
    }
}

/// Whether other lines can be appended all the same.
fn is_about_a_line(error: &AppendError) -> bool {
    matches!(
        error,
        AppendError::Conflict { .. }
            | AppendError::Invalid { .. }
            | AppendError::Duplicate { .. }
            | AppendError::RepeatedId { .. }
            | AppendError::TooLarge { .. }
    )
}
