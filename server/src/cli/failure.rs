//! Why a command ended without doing what it was asked, and what to do about it.

use std::io;
use std::process::ExitCode;

use super::terminal;

/// How a command ends.
pub(super) type Outcome = Result<ExitCode, Failure>;

/// Why a command ended early.
#[derive(Debug)]
pub(super) struct Failure {
    code: u8,
    message: String,
    advice: Option<String>,
}

impl Failure {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { code: 1, message: message.into(), advice: None }
    }

    /// Says what to do next.
    pub(super) fn advise(self, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..self }
    }

    /// Says more about it.
    pub(super) fn also(self, more: &str) -> Self {
        Self { message: format!("{}\n  {more}", self.message), ..self }
    }

    pub(super) fn with_code(self, code: u8) -> Self {
        Self { code, ..self }
    }

    #[cfg(test)]
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// Prints it; a reader of the output that has seen enough is no failure.
    pub(super) fn report(self) -> ExitCode {
        if self.message.is_empty() {
            return ExitCode::SUCCESS;
        }
        terminal::complain(&format!("error: {}", self.message));
        if let Some(advice) = &self.advice {
            terminal::complain(&format!("  {advice}"));
        }
        ExitCode::from(self.code)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(""),
            _ => Self::new(error.to_string()),
        }
    }
}
