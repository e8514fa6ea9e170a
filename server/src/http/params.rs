//! Query strings: every parameter is known, given once unless it is a list, and of its type, or the request is refused.

use std::str::FromStr;

use allsource_engine::Position;
use allsource_engine::event::{InvalidTime, Timestamp};
use axum::extract::Query;
use axum::http::Uri;
use percent_encoding::percent_decode_str;

use crate::problem::{Kind, Problem, nearest};

/// The parameters of a request.
#[derive(Debug)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads a query string that may have the `known` parameters, each once.
    pub(super) fn of(uri: &Uri, known: &[&'static str]) -> Result<Self, Problem> {
        Self::with_lists(uri, known, &[])
    }

    /// Reads a query string that may have the `known` parameters, those of `lists` several times.
    pub(super) fn with_lists(uri: &Uri, known: &[&'static str], lists: &[&str]) -> Result<Self, Problem> {
        if uri.query().is_none_or(str::is_empty) {
            return Ok(Self(Vec::new()));
        }
        if percent_decode_str(uri.query().unwrap_or("")).decode_utf8().is_err() {
            return Err(Problem::new(
                Kind::INVALID_PARAMETER,
                "the query string is not UTF-8 once it is decoded",
            ));
        }
        let Query(given) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|error| Problem::new(Kind::INVALID_PARAMETER, error.to_string()))?;
        for (place, (name, value)) in given.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                return Err(unknown(name, known));
            }
            let is_list = lists.contains(&name.as_str());
            if !is_list && given.iter().take(place).any(|(earlier, _)| earlier == name) {
                return Err(invalid(name, "is given twice"));
            }
            if value.is_empty() {
                return Err(invalid(name, "is empty; leave it out if it is not meant"));
            }
        }
        Ok(Self(given))
    }

    /// Whether none was given.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text of a parameter.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// The texts of a parameter that may be given several times.
    pub(super) fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// A parameter as something that has a text form.
    pub(super) fn parsed<T: FromStr>(&self, name: &str, form: &str) -> Result<Option<T>, Problem> {
        let parse =
            |text: &str| text.parse().map_err(|_| invalid(name, &format!("must be {form}, `{text}` is not")));
        self.text(name).map(parse).transpose()
    }

    /// A moment.
    pub(super) fn time(&self, name: &str) -> Result<Option<Timestamp>, Problem> {
        self.text(name).map(|text| time(name, text)).transpose()
    }

    /// A position.
    pub(super) fn position(&self, name: &str) -> Result<Option<Position>, Problem> {
        let number: Option<u64> = self.parsed(name, "a position: a whole number from 1")?;
        let position = |number| Position::new(number).ok_or_else(|| invalid(name, "must be at least 1"));
        number.map(position).transpose()
    }

    /// Yes or no.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Problem> {
        self.parsed(name, "true or false")
    }

    /// Everything but some parameters, in one text: the same for the same question.
    pub(super) fn fingerprint(&self, except: &[&str]) -> String {
        let mut kept: Vec<_> = self.0.iter().filter(|(name, _)| !except.contains(&name.as_str())).collect();
        kept.sort();
        format!("{kept:?}")
    }
}

/// The moment that the text of a parameter says.
pub(super) fn time(name: &str, text: &str) -> Result<Timestamp, Problem> {
    text.parse().map_err(|error: InvalidTime| {
        let hint = if text.contains(' ') { "; write a `+` in a URL as %2B" } else { "" };
        invalid(name, &format!("`{text}` {error}{hint}"))
    })
}

/// A parameter has a value it cannot have.
pub(super) fn invalid(name: &str, problem: &str) -> Problem {
    Problem::new(Kind::INVALID_PARAMETER, format!("{name} {problem}")).with("parameter", name)
}

fn unknown(name: &str, known: &[&str]) -> Problem {
    let suggestion = nearest(name, known);
    let detail = match suggestion {
        Some(near) => format!("unknown parameter `{name}`; did you mean `{near}`?"),
        None if known.is_empty() => format!("unknown parameter `{name}`; this path takes none"),
        None => format!("unknown parameter `{name}`; known are {}", known.join(", ")),
    };
    let problem = Problem::new(Kind::UNKNOWN_PARAMETER, detail).with("parameter", name);
    problem.with("nearest", suggestion.map_or(serde_json::Value::Null, serde_json::Value::from))
}
