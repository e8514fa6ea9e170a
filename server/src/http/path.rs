//! The parts of a path that hold a name.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

use crate::problem::{Kind, Problem};

/// The name in a path such as `/api/v1/entities/{id}/state`.
pub(super) struct PathName(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for PathName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        if let Some(escape) = broken_escape(parts.uri.path()) {
            let detail =
                format!("`{escape}` is not % and two hexadecimal digits; write a % of a name as %25");
            return Err(Problem::new(Kind::INVALID_PATH, detail));
        }
        match Path::from_request_parts(parts, state).await {
            Ok(Path(name)) => Ok(Self(name)),
            Err(rejection) => Err(Problem::new(Kind::INVALID_PATH, rejection.to_string())),
        }
    }
}

/// The first % of a path that two hexadecimal digits do not follow, with what follows it.
fn broken_escape(path: &str) -> Option<String> {
    let mut rest = path;
    while let Some((_, after)) = rest.split_once('%') {
        let digits = after.bytes().take(2).filter(u8::is_ascii_hexdigit).count();
        if digits < 2 {
            return Some(format!("%{}", after.chars().take(2).collect::<String>()));
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percent_sign_begins_two_hexadecimal_digits() {
        let check =
            |path, expected: Option<&str>| assert_eq!(broken_escape(path).as_deref(), expected, "{path}");
        check("/a", None);
        check("/%25%aF", None);
        check("/%zz", Some("%zz"));
        check("/%41%4", Some("%4"));
        check("/%", Some("%"));
        check("/%%41", Some("%%4"));
    }
}
