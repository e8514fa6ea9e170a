//! The server's log: lines go to standard error from a thread of their own. A log that cannot be written, or whose
//! reader has stopped reading, ends and delays nothing; lines that found no room are counted and reported.

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
/// Lines that may wait to be written.
const WAITING_MAX: usize = 4096;
/// How long the last lines are waited for when the server ends.
const DRAIN: Duration = Duration::from_secs(1);

/// Starts the log. What is returned waits for the last lines when it is dropped.
pub(super) fn start(config: &Config) -> Result<Log, Failure> {
    let refused = |problem: String| {
        Failure::new(format!("log level {:?}: {problem}", config.log_level))
            .advise("error, warn, info, debug or trace; or directives like info,allsource_server=debug")
    };
    // A word alone would be taken for the name of a part of the program, and silence all others.
    let mut words = config.log_level.split(',').map(str::trim).filter(|word| !word.contains('='));
    if let Some(word) = words.find(|word| !LOG_LEVELS.contains(&word.to_lowercase().as_str())) {
        return Err(refused(format!("`{word}` is no level")));
    }
    let filter = EnvFilter::try_new(&config.log_level).map_err(|error| refused(error.to_string()))?;
    let (sender, log) = Log::to(io::stderr());
    // Its own complaints about lines it could not write would go where the lines could not.
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
        // A thread that is gone writes nothing any more, as a full queue does not for now.
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
            terminal::complain(&format!("there is no log: {error}"));
        }
        (sender.clone(), Self { sender, ended })
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // When the queue is full, nobody takes what is in it: there is nothing to wait for.
        if self.sender.entries.try_send(Entry::End).is_ok() {
            // Either the thread has ended, or it writes where nobody reads.
            let _ = self.ended.recv_timeout(DRAIN);
        }
    }
}

fn write_all(mut output: impl Write, waiting: &Receiver<Entry>, dropped: &AtomicU64) {
    while let Ok(Entry::Line(line)) = waiting.recv() {
        if let 1.. = dropped.load(Ordering::Relaxed) {
            let count = dropped.swap(0, Ordering::Relaxed);
            let report =
                format!("WARN allsource: {count} log lines were dropped: nobody took them in time\n");
            note(output.write_all(report.as_bytes()));
        }
        note(output.write_all(&line));
    }
    note(output.flush());
}

/// A line that cannot be written is lost; there is nowhere to say so, and the next may succeed.
fn note(written: io::Result<()>) {
    drop(written);
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Takes nothing until it is let go.
    struct Stuck(mpsc::Receiver<()>, mpsc::Sender<Vec<u8>>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // An error means that it is let go for good.
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
        // The report comes before the next line that the thread takes, which may be the first of all.
        let two =
            [lines.recv(), lines.recv()].map(|line| String::from_utf8(line.expect("a line")).expect("text"));
        assert!(two.contains(&"0\n".to_owned()), "{two:?}");
        assert!(two.iter().any(|line| line.contains("log lines were dropped")), "{two:?}");
        drop(log);
    }
}
