//! Request bodies: checks their type and limits their size in memory.

use std::error::Error;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt as _;

use super::arriving::Late;
use crate::budget::{Budget, Buffer, Pieces};
use crate::problem::{Kind, Problem};
use crate::wire::LINE_BYTES_MAX;

/// Most bytes of a body that is read into memory as a whole.
pub(super) const BODY_BYTES_MAX: usize = 18 << 20;

const _: () = assert!(LINE_BYTES_MAX + 4096 < BODY_BYTES_MAX, "the largest event fits into a batch");

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

/// Reads a whole body into a buffer that is charged as it grows.
pub(super) async fn read(budget: &Budget, headers: &HeaderMap, mut body: Body) -> Result<Buffer, Problem> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let most: usize = announced.unwrap_or(BODY_BYTES_MAX);
    if most > BODY_BYTES_MAX {
        return Err(too_large());
    }
    let mut pieces = Pieces::new(budget, most);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken_off(&error))?;
        // A frame keeps the connection's read buffer alive, so its bytes are copied and the frame is dropped.
        let Ok(data) = frame.into_data() else { continue };
        if pieces.len() + data.len() > BODY_BYTES_MAX {
            return Err(too_large());
        }
        pieces.extend(&data)?;
    }
    Ok(pieces.join()?)
}

/// Reads a whole JSON body.
pub(super) async fn read_json(budget: &Budget, headers: &HeaderMap, body: Body) -> Result<Buffer, Problem> {
    check_encoding(headers)?;
    if !is_json(media_type(headers)) {
        return Err(unsupported(headers, "application/json"));
    }
    read(budget, headers, body).await
}

/// The problem of a body that was cut short, or came too late.
pub(super) fn broken_off(error: &(dyn Error + 'static)) -> Problem {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(late) = error.downcast_ref::<Late>() {
            return (*late).into();
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::stream;

    use super::*;

    const MIB: usize = 1 << 20;

    fn pieces(count: usize, bytes: usize) -> Body {
        let piece = Bytes::from(vec![b'x'; bytes]);
        let pieces = std::iter::repeat_n(piece, count).map(Ok::<_, std::io::Error>);
        Body::from_stream(stream::iter(pieces))
    }

    #[tokio::test]
    async fn a_body_is_charged_for_the_memory_that_it_takes() {
        let budget = Budget::sized(96 << 20);
        let headers = HeaderMap::new();
        let whole = read(&budget, &headers, pieces(200, 64 << 10)).await.expect("it fits");
        assert_eq!((whole.len(), budget.charged()), (200 * (64 << 10), 200 * (64 << 10)));
        let announced = HeaderMap::from_iter([(header::CONTENT_LENGTH, 5000.into())]);
        let short = read(&budget, &announced, pieces(50, 100)).await.expect("it fits");
        assert_eq!(budget.charged(), whole.len() + 5000, "no more than announced");
        drop((whole, short));
        assert_eq!(budget.charged(), 0);
        let problem = read(&budget, &headers, pieces(19, MIB)).await.expect_err("too large");
        assert_eq!((problem.kind(), budget.charged()), (Kind::TOO_LARGE, 0));
    }

    #[tokio::test]
    async fn a_body_without_room_is_refused_and_holds_nothing() {
        let budget = Budget::sized(96 << 20);
        let others = budget.take(80 * MIB).await;
        let problem = read(&budget, &HeaderMap::new(), pieces(5, MIB)).await.expect_err("no room");
        assert_eq!(problem.kind(), Kind::OVERLOADED);
        assert_eq!(budget.charged(), others.bytes());
    }
}
