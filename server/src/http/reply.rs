//! Answers: JSON bytes, problems, and the tags of versions.

use allsource_engine::Version;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::problem::Problem;

/// What a handler gives back.
pub(super) type Reply = Result<Response, Problem>;

/// A body of JSON that is ready.
pub(super) fn json(body: Vec<u8>) -> Response {
    of_type("application/json", Body::from(body))
}

/// A body of JSON from a value.
pub(super) fn json_value(value: &serde_json::Value) -> Response {
    json(value.to_string().into_bytes())
}

/// A body of any type.
pub(super) fn of_type(content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Body::from(self.to_value().to_string());
        let mut response = of_type("application/problem+json", body);
        *response.status_mut() =
            StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if let Some(seconds) = self.member("retry_after").and_then(serde_json::Value::as_u64) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The tag of what is read of an entity at a version.
pub(super) fn version_tag(version: Version) -> HeaderValue {
    #[expect(clippy::expect_used, reason = "digits and quotes are header text")]
    HeaderValue::from_str(&format!("\"{version}\"")).expect("header text")
}

/// Whether the caller has what the tag stands for already.
pub(super) fn is_known(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = known.flat_map(|list| list.split(',')).map(str::trim);
    tags.any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one).as_bytes() == tag.as_bytes())
}

/// The answer to a caller who has it already.
pub(super) fn not_modified(tag: HeaderValue) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    response.headers_mut().insert(header::ETAG, tag);
    response
}

/// Whether the `Accept` header names a type.
pub(super) fn accepts(headers: &HeaderMap, content_type: &str) -> bool {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut types = values.flat_map(|list| list.split(',')).filter_map(|one| one.split(';').next());
    types.any(|one| one.trim().eq_ignore_ascii_case(content_type))
}
