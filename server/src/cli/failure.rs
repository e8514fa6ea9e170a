//! Why a command failed, and what to do about it.

use std::io;
use std::process::ExitCode;

use serde_json::{Map, Value, json};

use super::terminal::{self, Output};

/// How a command ends.
pub(super) type Outcome = Result<ExitCode, Failure>;

/// The kind of failure, for scripts. [`EXIT_CODES`] lists the exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// A local failure, or an answer that cannot be understood.
    Failed,
    /// The command line is wrong.
    Usage,
    /// The server refused the request and would refuse it again, or it refused lines of an import.
    Refused,
    /// There is no such event, entity or snapshot.
    NotFound,
    /// The entity is at another version, or the id or key belongs to another event.
    Conflict,
    /// No server answers at the address.
    Unreachable,
    /// The server answers, but cannot handle the request now.
    Unavailable,
    /// Stored data is damaged.
    Damaged,
    /// SIGINT or SIGTERM ended it; shells expect this code.
    Interrupted,
}

/// The exit codes, for `--help`.
pub(super) const EXIT_CODES: &str = "\
Exit codes:
    0  done
    1  failed: a file or input cannot be read, a file cannot be written, the store cannot be opened, an answer cannot be
       understood
    2  the command line is wrong, or a variable in place of an option; nothing was sent
    3  refused: the server does not accept the request, or lines of an import were refused
    4  not found: no such event, entity or snapshot
    5  conflict: the entity is at another version, or the id or key belongs to another event
    6  unreachable: no server answers at the address
    7  unavailable: the server is overloaded, stopping, out of disk space or has had a write fail; nothing is wrong with
       the request
    8  damaged: stored data is damaged
  130  interrupted";

impl Exit {
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::NotFound => 4,
            Self::Conflict => 5,
            Self::Unreachable => 6,
            Self::Unavailable => 7,
            Self::Damaged => 8,
            Self::Interrupted => 130,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Refused => "refused",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Unreachable => "unreachable",
            Self::Unavailable => "unavailable",
            Self::Damaged => "damaged",
            Self::Interrupted => "interrupted",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command ended early.
#[derive(Debug)]
pub(super) struct Failure {
    exit: Exit,
    message: String,
    advice: Option<String>,
    /// The problem document of the server.
    problem: Option<Value>,
    /// Whether the server may have done what it was asked all the same.
    is_outcome_unknown: bool,
}

impl Failure {
    /// A mistake on the command line.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::new(message).exit(Exit::Usage)
    }

    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Failed,
            message: message.into(),
            advice: None,
            problem: None,
            is_outcome_unknown: false,
        }
    }

    /// Adds what to do next.
    pub(super) fn advise(self, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..self }
    }

    /// Adds a line to the message.
    pub(super) fn also(self, more: &str) -> Self {
        Self { message: format!("{}\n  {more}", self.message), ..self }
    }

    pub(super) fn exit(self, exit: Exit) -> Self {
        Self { exit, ..self }
    }

    /// Keeps the server's problem document, for `--output json`.
    pub(super) fn problem(self, problem: Option<Value>) -> Self {
        Self { problem, ..self }
    }

    /// Says whether the server may have done what it was asked all the same.
    pub(super) fn outcome_unknown(self, is_outcome_unknown: bool) -> Self {
        Self { is_outcome_unknown, ..self }
    }

    pub(super) fn is_outcome_unknown(&self) -> bool {
        self.is_outcome_unknown
    }

    pub(super) fn is_not_found(&self) -> bool {
        self.exit == Exit::NotFound
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// Prints the failure on standard error. A closed standard output is no failure: its reader has seen enough.
    pub(super) fn report(self, output: Output) -> ExitCode {
        if self.message.is_empty() {
            return ExitCode::SUCCESS;
        }
        if output != Output::Table {
            terminal::complain(&json!({ "error": self.members() }).to_string());
            return self.exit.into();
        }
        terminal::complain(&format!("error: {}", self.message));
        if let Some(advice) = &self.advice {
            terminal::complain(&format!("  {advice}"));
        }
        self.exit.into()
    }

    fn members(&self) -> Map<String, Value> {
        let mut members = Map::new();
        members.insert("kind".to_owned(), self.exit.name().into());
        members.insert("exit_code".to_owned(), self.exit.code().into());
        members.insert("message".to_owned(), self.message.as_str().into());
        members.extend(self.advice.as_deref().map(|advice| ("advice".to_owned(), advice.into())));
        members.extend(self.problem.clone().map(|problem| ("problem".to_owned(), problem)));
        members
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(""),
            _ => Self::new(reason(&error)),
        }
    }
}

/// The system's error message without its error number, and without what the program was doing.
pub(super) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let said = text.split(" (os error ").next().unwrap_or(&text);
    said.strip_prefix("failed to lookup address information: ").unwrap_or(said).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_code_is_distinct_and_listed_in_the_help() {
        use Exit::{
            Conflict, Damaged, Failed, Interrupted, NotFound, Refused, Unavailable, Unreachable, Usage,
        };
        let all =
            [Failed, Usage, Refused, NotFound, Conflict, Unreachable, Unavailable, Damaged, Interrupted];
        for exit in all {
            assert!(EXIT_CODES.contains(&format!(" {}  ", exit.code())), "{exit:?}");
            assert_eq!(all.iter().filter(|other| other.code() == exit.code()).count(), 1, "{exit:?}");
        }
    }

    #[test]
    fn a_message_of_the_system_has_no_number() {
        assert_eq!(reason(&io::Error::from_raw_os_error(2)), "No such file or directory");
        assert_eq!(reason(&io::Error::other("plain")), "plain");
        let unknown = "failed to lookup address information: Name or service not known";
        assert_eq!(reason(&io::Error::other(unknown)), "Name or service not known");
    }
}
