//! What the HTTP parser lets pass: it decodes only `chunked`, so the output of any other transfer coding would be taken
//! for the body; and it does not ask for a `Host`.

use axum::extract::Request;
use axum::http::{HeaderMap, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::problem::{Kind, Problem};

/// Refuses a request whose body has an unsupported transfer coding, or that names no host (RFC 9112, section 3.2).
pub(super) async fn check(request: Request, next: Next) -> Response {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    let is_named =
        request.uri().host().is_some() || hosts == 1 || hosts == 0 && request.version() < Version::HTTP_11;
    if !is_named {
        let detail = format!("an HTTP/1.1 request has one Host header; this one has {hosts}");
        return Problem::new(Kind::INVALID_HEADER, detail).with("header", "Host").into_response();
    }
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
