//! Answers: JSON, problems, and entity tags of versions.

use allsource_engine::{Incarnation, Version};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use mime::Mime;

use super::kept::{IsCharged, kept};
use crate::budget::Hold;
use crate::problem::Problem;

/// The result of a handler.
pub(super) type Reply = Result<Response, Problem>;

/// An answer with a JSON body.
pub(super) fn json(body: Vec<u8>) -> Response {
    of_type("application/json", Body::from(body))
}

/// An answer with a JSON body that is charged already. The charge shrinks to the body and is kept until it is sent.
pub(super) fn charged(body: Vec<u8>, charge: impl Into<Hold>) -> Response {
    charged_with(body, charge, ())
}

/// As [`charged`], with another charge, which the answer keeps as it is.
pub(super) fn charged_with(body: Vec<u8>, charge: impl Into<Hold>, other: impl Send + 'static) -> Response {
    let charge = charge.into();
    charge.shrink_to(body.capacity());
    let mut response = of_type("application/json", Body::from(kept(body, (charge, other))));
    response.extensions_mut().insert(IsCharged);
    response
}

/// An answer with a body of any media type.
pub(super) fn of_type(content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Body::from(self.to_value().to_string());
        let mut response = of_type("application/problem+json", body);
        #[expect(clippy::expect_used, reason = "every kind of problem has a status of HTTP")]
        let status = StatusCode::from_u16(self.status()).expect("the kind has a valid status");
        *response.status_mut() = status;
        response.extensions_mut().insert(self.kind());
        if let Some(seconds) = self.member("retry_after").and_then(serde_json::Value::as_u64) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The entity tag of a version, which says who wrote it: after a restore, the same version may be another event.
pub(super) fn version_tag(version: Version, incarnation: Incarnation) -> HeaderValue {
    #[expect(clippy::expect_used, reason = "digits, letters and quotes are header text")]
    HeaderValue::from_str(&format!("\"{version}-{incarnation}\"")).expect("header text")
}

/// Whether the caller already has the version of this tag.
pub(super) fn is_known(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = known.flat_map(|list| list.split(',')).map(str::trim);
    tags.any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one).as_bytes() == tag.as_bytes())
}

/// The answer to a caller that already has this version.
pub(super) fn not_modified(tag: HeaderValue) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    response.headers_mut().insert(header::ETAG, tag);
    response
}

/// The weight that the `Accept` header gives a media type; `None` if the header does not name the type.
fn quality(headers: &HeaderMap, content_type: &str) -> Option<f32> {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges =
        values.flat_map(|list| list.split(',')).filter_map(|range| range.trim().parse::<Mime>().ok());
    let named = ranges.filter(|range| range.essence_str() == content_type);
    named.map(|range| weight(&range)).max_by(f32::total_cmp)
}

fn weight(range: &Mime) -> f32 {
    let Some(q) = range.get_param("q") else { return 1.0 };
    // A malformed weight does not rule a type out.
    q.as_str().parse::<f32>().ok().filter(|q| (0.0..=1.0).contains(q)).unwrap_or(1.0)
}

/// Whether the `Accept` header names a type and accepts it.
pub(super) fn accepts(headers: &HeaderMap, content_type: &str) -> bool {
    quality(headers, content_type).is_some_and(|quality| quality > 0.0)
}

/// Whether the `Accept` header names a type and gives it at least the weight of the `usual` one.
pub(super) fn prefers(headers: &HeaderMap, content_type: &str, usual: &str) -> bool {
    let usual = quality(headers, usual).unwrap_or(0.0);
    quality(headers, content_type).is_some_and(|quality| quality > 0.0 && quality >= usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_taken_where_it_is_named_wanted_and_not_the_lesser() {
        let check = |accept: &'static str, expected: bool| {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(prefers(&headers, "application/x-ndjson", "application/json"), expected, "{accept}");
        };
        check("application/x-ndjson", true);
        check("Application/X-NDJSON", true);
        check("application/x-ndjson; q=0.5", true);
        check("application/x-ndjson;q=0", false);
        check("application/x-ndjson;q=0.000, */*", false);
        check("text/html, application/x-ndjson;q=0.9, */*;q=0.8", true);
        check("application/json, application/x-ndjson;q=0.9", false);
        check("application/json, application/x-ndjson", true);
        check("application/json;q=0, application/x-ndjson;q=0.1", true);
        check("*/*", false);
        check("application/x-ndjson;q=high", true);
        check("", false);
    }
}
