//! Query strings. A request is refused if a parameter is unknown, repeated without being a list, or of the wrong type.

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
    /// Parses a query string with the `known` parameters, each at most once.
    pub(super) fn of(uri: &Uri, known: &[&'static str]) -> Result<Self, Problem> {
        Self::with_lists(uri, known, &[])
    }

    /// Parses a query string with the `known` parameters; those in `lists` may be repeated.
    pub(super) fn with_lists(uri: &Uri, known: &[&'static str], lists: &[&str]) -> Result<Self, Problem> {
        if uri.query().is_none_or(str::is_empty) {
            return Ok(Self(Vec::new()));
        }
        if percent_decode_str(uri.query().unwrap_or("")).decode_utf8().is_err() {
            return Err(Problem::new(
                Kind::INVALID_PARAMETER,
                "the query string is not UTF-8 after decoding",
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
                return Err(invalid(name, "is empty; leave it out if you do not need it"));
            }
        }
        Ok(Self(given))
    }

    /// Whether the request has no parameters.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text of a parameter.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// The texts of a parameter that may be repeated.
    pub(super) fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// A parameter parsed from its text form.
    pub(super) fn parsed<T: FromStr>(&self, name: &str, form: &str) -> Result<Option<T>, Problem> {
        let parse =
            |text: &str| text.parse().map_err(|_| invalid(name, &format!("must be {form}, but is `{text}`")));
        self.text(name).map(parse).transpose()
    }

    /// A parameter that is a time.
    pub(super) fn time(&self, name: &str) -> Result<Option<Timestamp>, Problem> {
        self.text(name).map(|text| time(name, text)).transpose()
    }

    /// A parameter that is a position.
    pub(super) fn position(&self, name: &str) -> Result<Option<Position>, Problem> {
        let number: Option<u64> = self.parsed(name, "a position: a whole number from 1")?;
        let position = |number| Position::new(number).ok_or_else(|| invalid(name, "must be at least 1"));
        number.map(position).transpose()
    }

    /// A parameter that is true or false.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Problem> {
        self.parsed(name, "true or false")
    }

    /// All parameters but some, as one text: equal for equal questions.
    pub(super) fn fingerprint(&self, except: &[&str]) -> String {
        let mut kept: Vec<_> = self.0.iter().filter(|(name, _)| !except.contains(&name.as_str())).collect();
        kept.sort();
        format!("{kept:?}")
    }
}

/// Parses the time in a parameter.
pub(super) fn time(name: &str, text: &str) -> Result<Timestamp, Problem> {
    text.parse().map_err(|error: InvalidTime| {
        let hint = if text.contains(' ') { "; write a `+` in a URL as %2B" } else { "" };
        invalid(name, &format!("`{text}` {error}{hint}"))
    })
}

/// The problem of a parameter with an invalid value.
pub(super) fn invalid(name: &str, problem: &str) -> Problem {
    Problem::new(Kind::INVALID_PARAMETER, format!("{name} {problem}")).with("parameter", name)
}

fn unknown(name: &str, known: &[&str]) -> Problem {
    let suggestion = nearest(name, known);
    let detail = match suggestion {
        Some(near) => format!("unknown parameter `{name}`; did you mean `{near}`?"),
        None if known.is_empty() => format!("unknown parameter `{name}`; this path takes none"),
        None => format!("unknown parameter `{name}`; known parameters: {}", known.join(", ")),
    };
    let problem = Problem::new(Kind::UNKNOWN_PARAMETER, detail).with("parameter", name);
    problem.with("nearest", suggestion.map_or(serde_json::Value::Null, serde_json::Value::from))
}
