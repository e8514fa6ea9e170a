//! `allsource tail`: prints events as they are appended.

use std::io::BufRead;
use std::thread;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::Server;
use super::client::{Client, NoAnswer, Parameter, said};
use super::failure::{self, Exit, Failure, Outcome};
use super::filter::Filter;
use super::show::Columns;
use super::terminal::{self, Format, Output};

/// The pause before reconnecting to a broken stream.
const PAUSE: Duration = Duration::from_secs(1);

/// Reconnection attempts before giving up.
const ATTEMPTS: u32 = 60;

/// Print events as they are appended, until interrupted
///
/// If the connection breaks, the stream resumes where it was.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  allsource tail
  allsource tail --from beginning --prefix order.
  allsource tail --cursor 11-0b5cf0e2d2c84c03a3f7d1b8e1b0c9aa
  allsource tail --from-time 2h --output ndjson > events.ndjson")]
pub(super) struct Tail {
    /// Where to begin: now, beginning, or the first position to print
    #[arg(long, value_name = "WHERE", default_value = "now", conflicts_with = "from_time")]
    from: String,
    /// Continue after this cursor, which a stream gave with its last event
    #[arg(long, value_name = "CURSOR", conflicts_with_all = ["from", "from_time"])]
    cursor: Option<String>,
    /// Only events of this entity
    #[arg(long, value_name = "ENTITY")]
    entity: Option<String>,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    columns: Columns,
    #[command(flatten)]
    pub(super) format: Format,
    #[command(flatten)]
    server: Server,
}

/// One message of a stream of server-sent events.
#[derive(Debug, Default, PartialEq, Eq)]
struct Message {
    id: Option<String>,
    kind: String,
    data: String,
}

impl Tail {
    pub(super) fn run(self) -> Outcome {
        let client = self.server.connect()?;
        let mut progress = Progress::default();
        loop {
            match self.follow(&client, &mut progress) {
                Ok(()) => {}
                Err(NoAnswer::Later(_)) if progress.may_retry() => progress.failures += 1,
                Err(reason) => return Err(progress.advise(reason.into())),
            }
            if progress.failures <= 1 && !progress.is_break_reported {
                terminal::note(self.format.output, "the stream broke off; reconnecting");
                progress.is_break_reported = true;
            }
            thread::sleep(PAUSE);
        }
    }

    /// Prints until the stream ends.
    fn follow(&self, client: &Client, progress: &mut Progress) -> Result<(), NoAnswer> {
        let mut query = self.filter.parameters();
        let begins_elsewhere = self.cursor.is_some() || query.iter().any(Parameter::is_from_time);
        query.extend([
            Parameter("from", (!begins_elsewhere).then(|| self.from.clone())),
            Parameter("cursor", self.cursor.clone()),
            Parameter("entity_id", self.entity.clone()),
        ]);
        let mut stream = client.follow("/api/v1/events/stream", &query, progress.last_id.as_deref())?;
        if progress.is_break_reported {
            terminal::note(self.format.output, "the stream continues");
        }
        *progress = Progress { last_id: progress.last_id.take(), has_answered: true, ..Progress::default() };
        let broken = |error: std::io::Error| {
            let reason = failure::reason(&error);
            NoAnswer::Later(Failure::new(format!("the stream broke off: {reason}")).exit(Exit::Unreachable))
        };
        while let Some(message) = next(&mut stream).map_err(broken)? {
            if message.id.is_some() {
                progress.last_id.clone_from(&message.id);
            }
            self.print(&message).map_err(|error| NoAnswer::Refused(error.into()))?;
        }
        Ok(())
    }

    fn print(&self, message: &Message) -> std::io::Result<()> {
        let is_event = matches!(message.kind.as_str(), "" | "event" | "message");
        match self.format.output {
            _ if message.data.is_empty() => Ok(()),
            Output::Table if is_event => terminal::say(&self.columns.line(&message.data)),
            Output::Json | Output::Ndjson if is_event => terminal::say(&message.data),
            Output::Table if message.kind == "caught_up" => {
                terminal::complain("-- caught up; new events follow --");
                Ok(())
            }
            Output::Table if message.kind == "error" => {
                terminal::complain(&format!("error: {}", said(&message.data)));
                Ok(())
            }
            _ if message.kind == "error" => {
                terminal::complain(&json!({ "error": problem(&message.data) }).to_string());
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// The error that a stream reports, as JSON in the form of every other error.
fn problem(data: &str) -> Value {
    json!({ "kind": "stream", "message": said(data), "problem": serde_json::from_str::<Value>(data).ok() })
}

/// How far a stream got, and the state of its connection.
#[derive(Debug, Default)]
struct Progress {
    /// Where to resume.
    last_id: Option<String>,
    /// Whether the server ever answered: if not, the command fails at once.
    has_answered: bool,
    failures: u32,
    is_break_reported: bool,
}

impl Progress {
    /// Says how to continue, if anything was printed.
    fn advise(&self, failure: Failure) -> Failure {
        match &self.last_id {
            Some(cursor) => failure.advise(format!(
                "to continue, give the same options with --cursor {cursor} in place of --from"
            )),
            None => failure,
        }
    }

    fn may_retry(&self) -> bool {
        self.has_answered && self.failures < ATTEMPTS
    }
}

/// The next message of a stream, or `None` at its end; a message cut short by the end is dropped.
fn next(stream: &mut impl BufRead) -> std::io::Result<Option<Message>> {
    let mut message = Message::default();
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let text = line.trim_end_matches(['\n', '\r']);
        if text.is_empty() {
            return Ok(Some(message));
        }
        let (field, value) = text.split_once(':').unwrap_or((text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => message.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut message.kind),
            "data" if message.data.is_empty() => value.clone_into(&mut message.data),
            "data" => message.data.extend(["\n", value]),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_read_message_by_message_and_a_torn_one_is_not_shown() {
        let text = ": heartbeat\n\nid: 7\ndata: {\"a\":1}\n\nevent: caught_up\r\nid:8\r\ndata:x\r\ndata: y\r\n\r\nid: 9\ndata: torn";
        let mut stream = text.as_bytes();
        let mut read = || next(&mut stream).unwrap();
        assert_eq!(read(), Some(Message::default()));
        let message = |id: &str, kind: &str, data: &str| {
            Some(Message { id: Some(id.to_owned()), kind: kind.to_owned(), data: data.to_owned() })
        };
        assert_eq!(read(), message("7", "", "{\"a\":1}"));
        assert_eq!(read(), message("8", "caught_up", "x\ny"));
        assert_eq!(read(), None);
    }
}
