//! The server as a separate process that tests can kill.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take to report its address.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server process. Dropping it kills it.
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts `program` on the store in `data`, on a free port, with small journal files.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(program: &Path, data: &Path) -> Self {
        Self::start_with(program, data, &[])
    }

    /// Like [`Process::start`], with more arguments, which may set another journal file length.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start_with(program: &Path, data: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data);
        if !arguments.contains(&"--journal-file-bytes") {
            command.args(["--journal-file-bytes", "1048576"]);
        }
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        Self { child: command.spawn().expect("the program starts") }
    }

    /// Waits until it serves; returns its address.
    ///
    /// # Errors
    /// Its log, if it ends or does not serve in time.
    pub fn address(&mut self) -> Result<String, String> {
        let deadline = Instant::now() + PATIENCE;
        let mut lines = BufReader::new(self.child.stderr.take().expect("its log, once")).lines();
        let mut said = Vec::new();
        while Instant::now() < deadline {
            let Some(Ok(line)) = lines.next() else { break };
            if let Some((_, rest)) = line.split_once("address=") {
                let address = rest.split_whitespace().next().unwrap_or_default().to_owned();
                // Keep reading its log: a full pipe would block it.
                std::thread::spawn(move || lines.for_each(drop));
                return Ok(address);
            }
            said.push(line);
        }
        Err(said.join("\n"))
    }

    /// Kills it immediately.
    pub fn kill(mut self) {
        self.end();
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Panics
    /// If it cannot be asked, or fails.
    pub fn stop(mut self) {
        let pid = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status().expect("kill can be run");
        assert!(asked.success(), "the server is asked to stop");
        let status = self.child.wait().expect("the server ends");
        assert!(status.success(), "the server ended with an error: {status}");
    }

    fn end(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}
