//! The server's log: a thread of its own writes lines to standard error. A log that cannot be written, or that has a
//! stalled reader, stops and delays nothing; lines that found no room are counted and reported.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::failure::Failure;
use super::terminal;
use crate::config::{Config, LogFormat};

const LOG_LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
/// Most lines that wait to be written.
const WAITING_MAX: usize = 4096;
/// How long to wait for the last lines when the server ends.
const DRAIN: Duration = Duration::from_secs(1);

/// Starts the log. Dropping the returned value waits for the last lines.
pub(super) fn start(config: &Config) -> Result<Log, Failure> {
    let refused = |problem: String| {
        Failure::new(format!("log level {:?}: {problem}", config.log_level))
            .advise("error, warn, info, debug or trace; or directives like info,allsource_server=debug")
    };
    // A lone word would be parsed as a module name, and would silence all others.
    let mut words = config.log_level.split(',').map(str::trim).filter(|word| !word.contains('='));
    if let Some(word) = words.find(|word| !LOG_LEVELS.contains(&word.to_lowercase().as_str())) {
        return Err(refused(format!("`{word}` is not a level")));
    }
    let filter = EnvFilter::try_new(&config.log_level).map_err(|error| refused(error.to_string()))?;
    let (sender, log) = Log::to(io::stderr());
    // Its own errors about lines it could not write would go to the same closed output.
    let fmt =
        tracing_subscriber::fmt().with_env_filter(filter).log_internal_errors(false).with_writer(sender);
    let started = match config.log_format {
        LogFormat::Text => fmt.with_ansi(terminal::is_watched()).try_init(),
        LogFormat::Json => fmt.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| Failure::new(format!("cannot start the log: {error}")))?;
    Ok(log)
}

enum Entry {
    Line(Vec<u8>),
    End,
}

/// Hands lines to the thread that writes them; never waits and never fails.
#[derive(Clone)]
struct Sender {
    entries: SyncSender<Entry>,
    dropped: Arc<AtomicU64>,
}

impl Write for Sender {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // Either the queue is full, or the thread has ended: the line is dropped.
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.entries.try_send(Entry::Line(line.to_vec()))
        {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Sender {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// The running log.
pub(super) struct Log {
    sender: Sender,
    ended: Receiver<()>,
}

impl Log {
    fn to(output: impl Write + Send + 'static) -> (Sender, Self) {
        let (entries, waiting) = sync_channel(WAITING_MAX);
        let (end, ended) = sync_channel(1);
        let sender = Sender { entries, dropped: Arc::default() };
        let dropped = Arc::clone(&sender.dropped);
        let writing = thread::Builder::new().name("allsource-log".to_owned()).spawn(move || {
            write_all(output, &waiting, &dropped);
            drop(end);
        });
        if let Err(error) = writing {
            terminal::complain(&format!("cannot start the log: {error}"));
        }
        (sender.clone(), Self { sender, ended })
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // If the queue is full, its reader has stalled: there is nothing to wait for.
        if self.sender.entries.try_send(Entry::End).is_ok() {
            // Either the thread has ended, or its reader has stalled.
            let _ = self.ended.recv_timeout(DRAIN);
        }
    }
}

fn write_all(mut output: impl Write, waiting: &Receiver<Entry>, dropped: &AtomicU64) {
    while let Ok(Entry::Line(line)) = waiting.recv() {
        if let 1.. = dropped.load(Ordering::Relaxed) {
            let count = dropped.swap(0, Ordering::Relaxed);
            let report =
                format!("WARN allsource: {count} log lines were dropped: the log's reader was too slow\n");
            note(output.write_all(report.as_bytes()));
        }
        note(output.write_all(&line));
    }
    note(output.flush());
}

/// A line that cannot be written is lost: there is nowhere to report it, and the next one may succeed.
fn note(written: io::Result<()>) {
    drop(written);
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Blocks until it is released.
    struct Stuck(mpsc::Receiver<()>, mpsc::Sender<Vec<u8>>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // An error means that it is released for good.
            let _ = self.0.recv();
            self.1.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stopped_reading_delays_nobody_and_lost_lines_are_counted() {
        let (let_go, stuck) = mpsc::channel();
        let (written, lines) = mpsc::channel();
        let (mut sender, log) = Log::to(Stuck(stuck, written));
        for number in 0..WAITING_MAX + 100 {
            sender.write_all(format!("{number}\n").as_bytes()).expect("a log line never fails");
        }
        drop(let_go);
        // The report comes before the next line that the thread writes, which may be the very first.
        let two =
            [lines.recv(), lines.recv()].map(|line| String::from_utf8(line.expect("a line")).expect("text"));
        assert!(two.contains(&"0\n".to_owned()), "{two:?}");
        assert!(two.iter().any(|line| line.contains("log lines were dropped")), "{two:?}");
        drop(log);
    }
}
