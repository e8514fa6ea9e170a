//! Problems: how every layer reports a request that was refused or failed, in one shape (RFC 9457).

mod kinds;
mod nearest;
mod parser;
mod from;

use serde_json::{Map, Value};

pub use kinds::Kind;
pub use nearest::nearest;
pub use parser::plain;

/// A request that was refused or failed: the kind of problem, a description, and data for programs.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    kind: Kind,
    detail: String,
    error: Option<&'static str>,
    members: Map<String, Value>,
}

impl Problem {
    /// A problem of a kind; `detail` says what is wrong with this request.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), error: None, members: Map::new() }
    }

    /// Adds a data member, for programs.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// The same problem as one of another kind.
    #[must_use]
    pub fn of_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// The same problem about a part of the request.
    #[must_use]
    pub fn within(mut self, place: &str) -> Self {
        self.detail = format!("{place}: {}", self.detail);
        self
    }

    /// Sets the `error` member to a word that existing clients compare with.
    #[must_use]
    fn error_word(mut self, word: &'static str) -> Self {
        self.error = Some(word);
        self
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its HTTP status.
    pub fn status(&self) -> u16 {
        self.kind.status
    }

    /// What is wrong with this request.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// A data member.
    pub fn member(&self, name: &str) -> Option<&Value> {
        self.members.get(name)
    }

    /// The body of the answer.
    pub fn to_value(&self) -> Value {
        let error = match self.error {
            Some(word) => word.to_owned(),
            None => format!("{}: {}", self.kind.prefix, self.detail),
        };
        let mut body = Map::new();
        body.insert("type".to_owned(), self.kind.path().into());
        body.insert("title".to_owned(), self.kind.title.into());
        body.insert("status".to_owned(), self.status().into());
        body.insert("detail".to_owned(), self.detail.clone().into());
        body.insert("error".to_owned(), error.into());
        body.extend(self.members.clone());
        Value::Object(body)
    }
}

#[cfg(test)]
mod tests;
