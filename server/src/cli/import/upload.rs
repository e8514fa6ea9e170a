//! Uploads chunks strictly in order, so that the events of each entity stay in order.

use std::io;
use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::chunk::{Broken, Chunk, Chunks, Lines};
use super::progress::{Progress, per_second};
use crate::cli::client::{Client, NoAnswer};
use crate::cli::failure::{Exit, Failure};
use crate::cli::interrupt::Interrupt;
use crate::cli::terminal::{self, Output, counted, grouped};

/// Chunks prepared while one is being sent.
const CHUNKS_AHEAD: usize = 2;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How often a waiting command checks for an interrupt.
const GLANCE: Duration = Duration::from_millis(200);

/// How long to wait for a server that does not answer: long enough to restart and recover.
const PATIENCE: Duration = Duration::from_secs(60);

/// The server's answer to a chunk.
#[derive(Debug, Default, Deserialize)]
pub(in crate::cli) struct Reply {
    ingested: u64,
    #[serde(default)]
    replayed: u64,
    #[serde(default)]
    refused: Vec<RefusedLine>,
    /// The number of refused lines, including those not listed.
    #[serde(default)]
    refused_count: u64,
}

#[derive(Debug, Deserialize)]
struct RefusedLine {
    line: usize,
    error: String,
}

/// The outcome so far.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct Tally {
    /// Events appended.
    pub(in crate::cli) appended: u64,
    /// Events that were stored before.
    pub(in crate::cli) replayed: u64,
    /// Lines that are not events, or that the server refused.
    pub(in crate::cli) refused: u64,
}

/// How an upload ended.
#[derive(Debug)]
pub(in crate::cli) enum End {
    /// Every line was handled.
    Complete,
    /// Some lines were not.
    Stopped(Stopped),
}

/// An upload that stopped before the end.
#[derive(Debug)]
pub(in crate::cli) struct Stopped {
    /// Every line up to this one was handled.
    pub(in crate::cli) reached: u64,
    /// The last of the lines after that whose outcome is unknown, if there are any.
    pub(in crate::cli) uncertain: Option<u64>,
    /// What stopped it.
    pub(in crate::cli) because: Because,
}

/// What stopped an upload.
#[derive(Debug)]
pub(in crate::cli) enum Because {
    /// The user.
    Interrupted,
    /// The server, or the connection to it.
    Server(Failure),
    /// The source.
    Source(Broken),
}

/// A chunk that could not be appended.
struct Unsettled {
    because: Because,
    is_outcome_unknown: bool,
}

/// Appends one chunk.
pub(in crate::cli) fn post(client: &Client, body: &[u8]) -> Result<Reply, NoAnswer> {
    client.send("/api/v1/events/batch", "application/x-ndjson", body)
}

/// An upload of one source.
pub(in crate::cli) struct Upload<'a> {
    pub(in crate::cli) interrupt: &'a Interrupt,
    pub(in crate::cli) progress: &'a Progress,
    /// The format of messages.
    pub(in crate::cli) output: Output,
    /// The name of the source in messages.
    pub(in crate::cli) label: String,
    pub(in crate::cli) tally: &'a mut Tally,
    /// Most refused lines to print, over all sources of the tally.
    pub(in crate::cli) show_refused: u64,
}

impl Upload<'_> {
    /// Prepares chunks on a thread of its own and sends them with `send`.
    pub(in crate::cli) fn run<L: Lines + 'static>(
        &mut self,
        chunks: Chunks<L>,
        send: &mut dyn FnMut(&[u8]) -> Result<Reply, NoAnswer>,
    ) -> End {
        let (ready, next) = sync_channel(CHUNKS_AHEAD);
        // The thread is not joined: it may be blocked on a terminal without input.
        thread::spawn(move || chunks.map(|chunk| ready.send(chunk)).all(|sent| sent.is_ok()));
        let mut reached = 0;
        loop {
            let mut uncertain = None;
            let because = match next.recv_timeout(GLANCE) {
                _ if self.interrupt.is_requested() => Because::Interrupted,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return End::Complete,
                Ok(Err(broken)) => Because::Source(broken),
                Ok(Ok(chunk)) => match self.settle(&chunk, send) {
                    Ok(()) => {
                        reached = chunk.last_line;
                        continue;
                    }
                    Err(failed) => {
                        uncertain = failed.is_outcome_unknown.then_some(chunk.last_line);
                        failed.because
                    }
                },
            };
            return End::Stopped(Stopped { reached, uncertain, because });
        }
    }

    fn settle(
        &mut self,
        chunk: &Chunk,
        send: &mut dyn FnMut(&[u8]) -> Result<Reply, NoAnswer>,
    ) -> Result<(), Unsettled> {
        let mut refused: Vec<(u64, &str)> =
            chunk.refused.iter().map(|refused| (refused.line, refused.reason.as_str())).collect();
        let reply = match chunk.numbers.is_empty() {
            true => Reply::default(),
            false => self.insist(&chunk.body, send)?,
        };
        self.tally.appended += reply.ingested.saturating_sub(reply.replayed);
        self.tally.replayed += reply.replayed;
        for line in &reply.refused {
            let number = line.line.checked_sub(1).and_then(|index| chunk.numbers.get(index));
            refused.push((number.copied().unwrap_or(chunk.last_line), &line.error));
        }
        refused.sort_by_key(|(line, _)| *line);
        for (line, reason) in refused {
            self.refuse(line, reason);
        }
        self.tally.refused += reply.refused_count.saturating_sub(reply.refused.len() as u64);
        self.progress.advance(chunk.done, self.tally.appended + self.tally.replayed);
        Ok(())
    }

    fn refuse(&mut self, line: u64, reason: &str) {
        self.tally.refused += 1;
        if self.tally.refused <= self.show_refused {
            let text = match self.output {
                Output::Table => format!("{}:{line}: {reason}", self.label),
                Output::Json | Output::Ndjson => {
                    json!({"refused": {"file": self.label, "line": line, "reason": reason}}).to_string()
                }
            };
            self.progress.around(|| terminal::complain(&text));
        } else if self.tally.refused == self.show_refused + 1 {
            self.note("more lines were refused; --show-refused prints more of them");
        }
    }

    fn note(&self, text: &str) {
        self.progress.around(|| terminal::note(self.output, text));
    }

    /// Sends until there is an answer or the patience runs out. The ids in the body make a resend harmless.
    fn insist(
        &self,
        body: &[u8],
        send: &mut dyn FnMut(&[u8]) -> Result<Reply, NoAnswer>,
    ) -> Result<Reply, Unsettled> {
        let (mut pause, mut waited) = (FIRST_PAUSE, Duration::ZERO);
        let mut is_outcome_unknown = false;
        loop {
            let (failure, may_retry) = match send(body) {
                Ok(reply) => return Ok(reply),
                Err(NoAnswer::Refused(failure)) => (failure, false),
                Err(NoAnswer::Later(failure)) => (failure, true),
            };
            // A later attempt that was refused says nothing about an earlier one.
            is_outcome_unknown |= failure.is_outcome_unknown();
            if self.interrupt.is_requested() {
                return Err(Unsettled { because: Because::Interrupted, is_outcome_unknown });
            }
            if !may_retry || waited >= PATIENCE {
                return Err(Unsettled { because: Because::Server(failure), is_outcome_unknown });
            }
            if waited.is_zero() {
                let seconds = PATIENCE.as_secs();
                self.note(&format!("{}; retrying for {seconds} s", failure.message()));
            }
            thread::sleep(pause);
            waited += pause;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

impl Tally {
    /// The exit code of a command that got to its end.
    pub(in crate::cli) fn exit_code(&self) -> ExitCode {
        if self.refused == 0 { ExitCode::SUCCESS } else { Exit::Refused.into() }
    }

    /// Prints the summary.
    pub(in crate::cli) fn report(&self, elapsed: Duration, output: Output) -> io::Result<()> {
        let events = self.appended + self.replayed;
        let rate = per_second(events, elapsed);
        if output != Output::Table {
            let summary = json!({
                "appended": self.appended, "replayed": self.replayed, "refused": self.refused,
                "seconds": elapsed.as_secs_f64(), "events_per_second": rate,
            });
            return terminal::say(&summary.to_string());
        }
        terminal::say(&format!(
            "{} in {:.1} s ({}/s): {} appended, {} already stored; {} refused",
            counted(events, "event"),
            elapsed.as_secs_f64(),
            grouped(rate),
            grouped(self.appended),
            grouped(self.replayed),
            counted(self.refused, "line"),
        ))
    }
}
