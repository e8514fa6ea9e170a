//! `allsource tail`: events as they are appended.

use std::io::BufRead;
use std::thread;
use std::time::Duration;

use clap::Args;

use super::client::{Client, NoAnswer, Parameter};
use super::failure::{Failure, Outcome};
use super::terminal::{self, Format, Output};
use super::{Server, show};

/// How long to wait before a stream that broke off is asked for again.
const PAUSE: Duration = Duration::from_secs(1);

/// How often a server that is gone is asked again before giving up.
const ATTEMPTS: u32 = 60;

/// Prints events as they are appended, until interrupted. A stream that breaks off goes on where it was.
#[derive(Debug, Args)]
pub(super) struct Tail {
    /// Where to begin: now, beginning, or a position, which is the first to be printed
    #[arg(long, value_name = "WHERE", default_value = "now")]
    from: String,
    /// Only events of this entity
    #[arg(long, value_name = "ENTITY")]
    entity: Option<String>,
    /// Only events of this type
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// Only events whose type begins like this
    #[arg(long, value_name = "PREFIX")]
    prefix: Option<String>,
    #[command(flatten)]
    format: Format,
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
        let client = self.server.connect();
        let (mut last_id, mut failures) = (None, 0);
        loop {
            match self.follow(&client, &mut last_id, &mut failures) {
                Ok(()) => {}
                Err(NoAnswer::Later(_)) if failures < ATTEMPTS => failures += 1,
                Err(reason) => return Err(reason.into()),
            }
            if failures == 1 {
                terminal::complain("the stream broke off; asking again");
            }
            thread::sleep(PAUSE);
        }
    }

    /// Prints until the stream ends.
    fn follow(
        &self,
        client: &Client,
        last_id: &mut Option<String>,
        failures: &mut u32,
    ) -> Result<(), NoAnswer> {
        let query = [
            Parameter("from", Some(self.from.clone())),
            Parameter("entity_id", self.entity.clone()),
            Parameter("event_type", self.event_type.clone()),
            Parameter("event_type_prefix", self.prefix.clone()),
        ];
        let mut stream = client.follow("/api/v1/events/stream", &query, last_id.as_deref())?;
        *failures = 0;
        let broken =
            |error: std::io::Error| NoAnswer::Later(Failure::new(format!("the stream broke off: {error}")));
        while let Some(message) = next(&mut stream).map_err(broken)? {
            if message.id.is_some() {
                last_id.clone_from(&message.id);
            }
            self.print(&message).map_err(|error| NoAnswer::Refused(error.into()))?;
        }
        Ok(())
    }

    fn print(&self, message: &Message) -> std::io::Result<()> {
        let is_event = matches!(message.kind.as_str(), "" | "event" | "message");
        match self.format.output {
            _ if message.data.is_empty() => Ok(()),
            Output::Table if is_event => terminal::say(&show::line(&message.data)),
            Output::Json | Output::Ndjson if is_event => terminal::say(&message.data),
            Output::Table if message.kind == "caught_up" => {
                terminal::complain("-- caught up; what follows is new --");
                Ok(())
            }
            _ if message.kind == "error" => {
                terminal::complain(&message.data);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// The next message of a stream, or `None` at its end; one cut short by the end does not count.
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
