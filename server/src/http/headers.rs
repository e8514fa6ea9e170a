//! Request headers that may be given once.

use axum::http::HeaderMap;

use crate::problem::{Kind, Problem};

/// The value of a header, without the spaces around it; `None` if it is not given.
///
/// # Errors
/// When it is given twice, or is not visible ASCII: two programs on the way of a request could understand either
/// differently.
pub(super) fn only<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(invalid_header(name, "is given twice"));
    }
    let text = value.to_str().map_err(|_| invalid_header(name, "has characters other than visible ASCII"))?;
    Ok(Some(text.trim_ascii()))
}

/// The problem of a header with an invalid value.
pub(super) fn invalid_header(name: &str, problem: &str) -> Problem {
    Problem::new(Kind::INVALID_HEADER, format!("{name} {problem}")).with("header", name)
}
