//! Transfer codings. The parser decodes `chunked` only; the output of any other coding would be taken for the body.

use axum::extract::Request;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::problem::{Kind, Problem};

/// Refuses a request whose body has an unsupported transfer coding.
pub(super) async fn check(request: Request, next: Next) -> Response {
    match foreign_coding(request.headers()) {
        None => next.run(request).await,
        Some(coding) => {
            let detail = format!("the transfer coding `{coding}` is not supported; only `chunked` is");
            let problem = Problem::new(Kind::UNKNOWN_CODING, detail).with("header", "Transfer-Encoding");
            problem.into_response()
        }
    }
}

/// A transfer coding other than a single `chunked`.
fn foreign_coding(headers: &HeaderMap) -> Option<String> {
    let mut chunked = 0;
    for value in headers.get_all(header::TRANSFER_ENCODING) {
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        for coding in text.split(',').map(str::trim).filter(|coding| !coding.is_empty()) {
            chunked += 1;
            if !coding.eq_ignore_ascii_case("chunked") || chunked > 1 {
                return Some(coding.to_owned());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_chunked_is_understood() {
        let check = |values: &[&'static str], expected: Option<&str>| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::TRANSFER_ENCODING, HeaderValue::from_static(value));
            }
            assert_eq!(foreign_coding(&headers).as_deref(), expected, "{values:?}");
        };
        check(&[], None);
        check(&["chunked"], None);
        check(&["Chunked"], None);
        check(&["gzip, chunked"], Some("gzip"));
        check(&["gzip", "chunked"], Some("gzip"));
        check(&["chunked, chunked"], Some("chunked"));
        check(&["identity"], Some("identity"));
    }
}
