//! The parts of a path that hold a name.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

use crate::problem::{Kind, Problem};

/// The name in a path such as `/api/v1/entities/{id}/state`.
pub(super) struct PathName(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for PathName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(name)) => Ok(Self(name)),
            Err(rejection) => Err(Problem::new(Kind::INVALID_PATH, rejection.to_string())),
        }
    }
}
