//! Runs the command line as its users do.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// How long a command may take to print a line.
const PATIENCE: Duration = Duration::from_secs(30);

/// The program, pointed at a server.
pub struct Program {
    path: PathBuf,
    url: String,
}

/// The result of a command.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl Program {
    /// The program at `path`, talking to the server at `address`.
    pub fn new(path: &Path, address: &str) -> Self {
        Self { path: path.to_owned(), url: format!("http://{address}") }
    }

    /// The server's address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The server's address: `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// A command, not yet run.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.path);
        command.args(arguments).env("ALLSOURCE_URL", &self.url);
        command
    }

    /// Runs a command with `input` on its standard input.
    ///
    /// # Panics
    /// If it cannot be run.
    pub fn run_with(&self, arguments: &[&str], input: &str) -> Ran {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let mut stdin = child.stdin.take().expect("its standard input");
        let input = input.to_owned();
        let writing = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
        let output = child.wait_with_output().expect("the program ends");
        // A command that reads no input closes the pipe.
        let _ = writing.join();
        Ran::of(output)
    }

    /// Runs a command that never ends by itself until it has printed `lines` lines.
    ///
    /// # Panics
    /// If it ends earlier, or prints nothing for a long time.
    pub fn tail(&self, arguments: &[&str], lines: usize) -> String {
        let mut command = self.command(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the program starts");
        let output = BufReader::new(child.stdout.take().expect("its standard output"));
        let (line, printed) = std::sync::mpsc::channel();
        std::thread::spawn(move || output.lines().map_while(Result::ok).all(|text| line.send(text).is_ok()));
        let next = |_| printed.recv_timeout(PATIENCE).expect("another line");
        let text = (0..lines).map(next).collect::<Vec<_>>().join("\n");
        child.kill().expect("it still runs");
        child.wait().expect("it ends");
        text
    }

    /// Runs a command.
    ///
    /// # Panics
    /// If it cannot be run.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, "")
    }
}

impl Ran {
    fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Self { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }

    /// The output of a command that must have succeeded.
    ///
    /// # Panics
    /// If it failed.
    pub fn success(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }
}
