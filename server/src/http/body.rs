//! Request bodies: checks their type and limits their size in memory.

use std::error::Error;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::metered::Refused;
use crate::problem::{Kind, Problem};

/// Most bytes of a body that is read into memory as a whole.
pub(super) const BODY_BYTES_MAX: usize = 16 << 20;

/// The media type of a body, without its parameters.
pub(super) fn media_type(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    value.split(';').next().unwrap_or("").trim()
}

/// Whether a media type is JSON.
pub(super) fn is_json(media_type: &str) -> bool {
    media_type.eq_ignore_ascii_case("application/json") || has_json_suffix(media_type)
}

fn has_json_suffix(media_type: &str) -> bool {
    media_type.rsplit_once('+').is_some_and(|(_, suffix)| suffix.eq_ignore_ascii_case("json"))
}

/// Whether a media type is one JSON text per line.
pub(super) fn is_ndjson(media_type: &str) -> bool {
    let names = ["application/x-ndjson", "application/ndjson", "application/jsonl"];
    names.iter().any(|name| media_type.eq_ignore_ascii_case(name))
}

/// The problem of a body with a media type that the path does not accept.
pub(super) fn unsupported(headers: &HeaderMap, expected: &str) -> Problem {
    let detail = match media_type(headers) {
        "" => format!("the request has no Content-Type; it must be {expected}"),
        other => format!("the Content-Type is {other}; it must be {expected}"),
    };
    Problem::new(Kind::UNSUPPORTED_TYPE, detail)
}

/// Refuses a compressed body, which would otherwise fail as invalid JSON.
pub(super) fn check_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    let encoding = headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or("");
    if encoding.is_empty() || encoding.eq_ignore_ascii_case("identity") {
        return Ok(());
    }
    let detail =
        format!("the Content-Encoding is {encoding}; send the body uncompressed, without this header");
    Err(Problem::new(Kind::UNSUPPORTED_TYPE, detail).with("header", "Content-Encoding"))
}

/// Reads a whole body.
pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|bytes: usize| bytes > BODY_BYTES_MAX) {
        return Err(too_large());
    }
    match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => Err(too_large()),
        Err(error) => Err(broken_off(&*error)),
    }
}

/// Reads a whole JSON body.
pub(super) async fn read_json(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    check_encoding(headers)?;
    if !is_json(media_type(headers)) {
        return Err(unsupported(headers, "application/json"));
    }
    read(headers, body).await
}

/// The problem of a body that was cut short, or refused while it arrived.
pub(super) fn broken_off(error: &(dyn Error + 'static)) -> Problem {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(refused) = error.downcast_ref::<Refused>() {
            return (*refused).into();
        }
        cause = error.source();
    }
    Problem::new(Kind::INVALID_BODY, format!("the body could not be read completely: {error}"))
}

fn too_large() -> Problem {
    let detail =
        format!("the body is larger than {BODY_BYTES_MAX} bytes; send NDJSON to the batch path instead");
    Problem::new(Kind::TOO_LARGE, detail).with("limit", BODY_BYTES_MAX)
}
