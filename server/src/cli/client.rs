//! The client of a running server.

use std::io::BufReader;
use std::time::Duration;

use clap::Args;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::http::{HeaderName, HeaderValue, Response, Uri};
use ureq::{Agent, Body, BodyReader, Proxy, RequestBuilder};

use super::failure::{self, Exit, Failure};

/// The largest answer to read at once, in bytes.
const ANSWER_BYTES_MAX: u64 = 1 << 30;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

const LIKE_THIS: &str = "--url takes an address like http://127.0.0.1:8080";

/// Characters that a path segment may hold unescaped.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// The header that names the tenant.
const TENANT: HeaderName = HeaderName::from_static("x-tenant-id");

/// The server's address and the headers of every request: options of every command that talks to a server.
#[derive(Debug, Args)]
pub(super) struct Server {
    /// Address of the server
    #[arg(long, value_name = "URL", env = "ALLSOURCE_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// Tenant of the events [default: default]
    #[arg(long, value_name = "TENANT", env = "ALLSOURCE_TENANT")]
    tenant: Option<String>,
    /// Header to send with every request, such as for a proxy; repeatable
    #[arg(long, value_name = "NAME:VALUE", value_parser = header)]
    header: Vec<(HeaderName, HeaderValue)>,
}

/// A connection to the server, kept open between requests.
#[derive(Debug)]
pub(super) struct Client {
    agent: Agent,
    url: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// The proxy that requests go through, if the environment names one.
    proxy: Option<String>,
}

/// Why a request failed, by whether a retry can help.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// The server cannot be reached, or cannot handle the request now: a retry may succeed.
    Later(Failure),
    /// The server refused the request and would refuse it again.
    Refused(Failure),
}

impl From<NoAnswer> for Failure {
    fn from(reason: NoAnswer) -> Self {
        match reason {
            NoAnswer::Later(failure) | NoAnswer::Refused(failure) => failure,
        }
    }
}

impl Server {
    /// Prepares a client; nothing is sent yet.
    ///
    /// # Errors
    /// When the address is not valid.
    pub(super) fn connect(&self) -> Result<Client, Failure> {
        let url = base_url(&self.url)?;
        let mut headers = self.header.clone();
        if let Some(tenant) = self.tenant.as_deref().filter(|tenant| !tenant.is_empty()) {
            let value = HeaderValue::from_str(tenant);
            let value = value.map_err(|_| Failure::usage(format!("{tenant:?} is not a valid tenant")))?;
            if headers.iter().any(|(name, other)| *name == TENANT && *other != value) {
                let problem = format!("--tenant says {tenant:?}, --header {TENANT} another tenant");
                return Err(Failure::usage(problem).advise("name the tenant once"));
            }
            headers.push((TENANT, value));
        }
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .user_agent(concat!("allsource/", env!("CARGO_PKG_VERSION")));
        let proxy = Proxy::try_from_env()
            .filter(|proxy| !is_local(&url) && !url.parse().is_ok_and(|uri: Uri| proxy.is_no_proxy(&uri)));
        let through = proxy.as_ref().map(|proxy| proxy.uri().to_string());
        config = config.proxy(proxy);
        Ok(Client { agent: config.build().new_agent(), url, headers, proxy: through })
    }
}

/// The address of a server, without a trailing slash.
fn base_url(text: &str) -> Result<String, Failure> {
    let text = text.trim();
    let url = match text.split_once("://") {
        None => format!("http://{}", text.trim_end_matches('/')),
        Some(("http", rest)) => format!("http://{}", rest.trim_end_matches('/')),
        Some(("https", rest)) => {
            let problem = format!("{text}: this program speaks http only, not https");
            let advice =
                format!("name the server itself, not the proxy that terminates TLS: --url http://{rest}");
            return Err(Failure::usage(problem).advise(advice));
        }
        Some((scheme, _)) => {
            return Err(Failure::usage(format!("{text}: {scheme} is not http")).advise(LIKE_THIS));
        }
    };
    match url.parse::<Uri>() {
        Ok(uri) if uri.host().is_some_and(|host| !host.is_empty()) && uri.query().is_none() => Ok(url),
        _ => Err(Failure::usage(format!("{text:?} is not the address of a server")).advise(LIKE_THIS)),
    }
}

/// Whether a server is on this machine: requests to it never go through a proxy.
fn is_local(url: &str) -> bool {
    let host = url.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_owned)).unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("write it as NAME:VALUE")?;
    let name =
        name.trim().parse().map_err(|_| format!("`{}` cannot be the name of a header", name.trim()))?;
    let value = value.trim().parse().map_err(|_| "a header value must be visible ASCII text".to_owned())?;
    Ok((name, value))
}

impl Client {
    /// Checks that the server answers, so that a long command fails at once if it does not.
    pub(super) fn greet(&self) -> Result<(), Failure> {
        let _: Value = self.ask("/healthz", &[])?;
        Ok(())
    }

    /// Gets `path` with these query parameters, without those that have no value.
    pub(super) fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[Parameter<'_>],
    ) -> Result<T, NoAnswer> {
        self.understand(self.request(path, query).call())
    }

    /// Posts `body` to `path`.
    pub(super) fn send<T: DeserializeOwned>(
        &self,
        path: &str,
        media: &str,
        body: &[u8],
    ) -> Result<T, NoAnswer> {
        self.send_with(path, media, &[], body)
    }

    /// Posts `body` to `path` with more headers.
    pub(super) fn send_with<T: DeserializeOwned>(
        &self,
        path: &str,
        media: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<T, NoAnswer> {
        let request = self.with_headers(self.agent.post(format!("{}{path}", self.url)));
        let add = |request: RequestBuilder<_>, (name, value): &(&str, &str)| request.header(*name, *value);
        let request = headers.iter().fold(request, add);
        self.understand(request.content_type(media).send(body))
    }

    /// Opens a stream, which continues after `last_id` if there is one.
    pub(super) fn follow(
        &self,
        path: &str,
        query: &[Parameter<'_>],
        last_id: Option<&str>,
    ) -> Result<BufReader<BodyReader<'static>>, NoAnswer> {
        let mut request = self.request(path, query).header("Accept", "text/event-stream");
        if let Some(id) = last_id {
            request = request.header("Last-Event-ID", id);
        }
        let response = self.accepted(request.call())?;
        Ok(BufReader::new(response.into_body().into_with_config().limit(u64::MAX).reader()))
    }

    fn request(&self, path: &str, query: &[Parameter<'_>]) -> RequestBuilder<ureq::typestate::WithoutBody> {
        let request = self.with_headers(self.agent.get(format!("{}{path}", self.url)));
        let given = query.iter().filter_map(|Parameter(name, value)| Some((*name, value.as_deref()?)));
        given.fold(request, |request, (name, value)| request.query(name, value))
    }

    fn with_headers<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        self.headers.iter().fold(request, |request, (name, value)| request.header(name, value))
    }

    fn understand<T: DeserializeOwned>(
        &self,
        answer: Result<Response<Body>, ureq::Error>,
    ) -> Result<T, NoAnswer> {
        let mut response = self.accepted(answer)?;
        let text = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let text = text.map_err(|error| self.unreachable(&error))?;
        serde_json::from_slice(&text).map_err(|_| {
            let problem = format!("{} does not answer like an AllSource server", self.url);
            NoAnswer::Refused(Failure::new(problem).advise(LIKE_THIS))
        })
    }

    fn accepted(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<Response<Body>, NoAnswer> {
        let mut response = answer.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = match response.body_mut().read_to_string() {
            Ok(text) => text,
            Err(error) => return Err(self.unreachable(&error)),
        };
        let problem: Option<Value> = serde_json::from_str(&text).ok().filter(Value::is_object);
        if is(problem.as_ref(), "no-such-route") || is(problem.as_ref(), "method-not-allowed") {
            return Err(NoAnswer::Refused(self.elsewhere(problem)));
        }
        let said = detail(problem.as_ref(), &text);
        let (exit, prefix) = match status.as_u16() {
            404 | 410 => (Exit::NotFound, ""),
            409 | 412 => (Exit::Conflict, ""),
            422 if is(problem.as_ref(), "idempotency-key-reused") => (Exit::Conflict, ""),
            408 | 429 | 502..=504 | 507 => (Exit::Unavailable, "the server is unavailable: "),
            500 if is(problem.as_ref(), "damaged") => (Exit::Damaged, ""),
            500..=599 => (Exit::Failed, "the server failed: "),
            _ => (Exit::Refused, "the server refused: "),
        };
        let is_unknown = is(problem.as_ref(), "outcome-unknown");
        // A store that takes nothing until it is opened again is not waited for.
        let is_fenced = is(problem.as_ref(), "fenced");
        let failure = Failure::new(format!("{prefix}{said}")).exit(exit).problem(problem);
        let failure = failure.outcome_unknown(is_unknown);
        Err(match status.as_u16() {
            _ if is_fenced => NoAnswer::Refused(failure),
            408 | 429 | 502..=504 => NoAnswer::Later(failure),
            _ => NoAnswer::Refused(failure),
        })
    }

    /// The server answers, but does not know what this program asks for.
    fn elsewhere(&self, problem: Option<Value>) -> Failure {
        let has_path = self.url.parse::<Uri>().is_ok_and(|uri| uri.path() != "/");
        let advice = match has_path {
            true => "is the address right? --url takes one without a path, like http://127.0.0.1:8080",
            false => "are the server and this program of the same release?",
        };
        let message = format!("the server at {} does not know this request", self.url);
        Failure::new(message).advise(advice).problem(problem)
    }

    fn unreachable(&self, error: &ureq::Error) -> NoAnswer {
        let through = self.proxy.as_ref().map(|proxy| format!(" through the proxy {proxy}"));
        let failure = |why: &str| {
            let through = through.as_deref().unwrap_or_default();
            Failure::new(format!("cannot reach {}{through}: {why}", self.url)).exit(Exit::Unreachable)
        };
        let why = match error {
            ureq::Error::BadUri(_) | ureq::Error::TlsRequired | ureq::Error::Http(_) => {
                return NoAnswer::Refused(
                    failure("the address is not valid").exit(Exit::Usage).advise(LIKE_THIS),
                );
            }
            ureq::Error::Protocol(_) => {
                return NoAnswer::Refused(failure("another program answers there").advise(LIKE_THIS));
            }
            ureq::Error::Io(error) => failure::reason(error),
            ureq::Error::Timeout(_) => "no answer in time".to_owned(),
            ureq::Error::HostNotFound => "no such host".to_owned(),
            ureq::Error::ConnectProxyFailed(said) => format!("the proxy refused: {said}"),
            _ => "the connection failed".to_owned(),
        };
        let advice = match &self.proxy {
            Some(_) => "to bypass the proxy, set NO_PROXY to the name of the server",
            None => "is a server running? start one with: allsource serve",
        };
        NoAnswer::Later(failure(&why).advise(advice).outcome_unknown(may_have_arrived(error)))
    }
}

/// Whether a request may have reached the server, although there was no answer.
fn may_have_arrived(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Io(error) => error.kind() != std::io::ErrorKind::ConnectionRefused,
        ureq::Error::Timeout(timeout) => *timeout != ureq::Timeout::Connect,
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed | ureq::Error::ConnectProxyFailed(_) => {
            false
        }
        _ => true,
    }
}

/// A query parameter that is sent if it has a value.
#[derive(Debug)]
pub(super) struct Parameter<'a>(pub(super) &'a str, pub(super) Option<String>);

impl Parameter<'_> {
    /// Whether this parameter starts the answer at a time.
    pub(super) fn is_from_time(&self) -> bool {
        self.0 == "from_time" && self.1.is_some()
    }
}

/// A path of these segments, each escaped.
pub(super) fn path(segments: &[&str]) -> String {
    segments.iter().map(|segment| format!("/{}", utf8_percent_encode(segment, SEGMENT))).collect()
}

/// Parses an answer of the server.
pub(super) fn understood<T: DeserializeOwned>(text: &str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| {
        let advice = "are the server and this program of the same release?";
        Failure::new(format!("cannot understand the answer: {error}")).advise(advice)
    })
}

/// Whether a problem is of the kind `slug`.
fn is(problem: Option<&Value>, slug: &str) -> bool {
    let kind = problem.and_then(|problem| problem.get("type")).and_then(Value::as_str);
    kind.and_then(|kind| kind.strip_prefix("/problems/")) == Some(slug)
}

/// The description in a problem document, or the text itself.
fn detail(problem: Option<&Value>, text: &str) -> String {
    let member = |name| problem.and_then(|problem| problem.get(name)).and_then(Value::as_str);
    member("detail").or_else(|| member("error")).or_else(|| member("title")).unwrap_or(text.trim()).to_owned()
}

/// The description in a problem document.
pub(super) fn said(text: &str) -> String {
    detail(serde_json::from_str(text).ok().as_ref(), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_segments_are_escaped() {
        assert_eq!(path(&["api", "a/b ?#é"]), "/api/a%2Fb%20%3F%23%C3%A9");
    }

    #[test]
    fn a_problem_is_reported_in_its_own_words() {
        assert_eq!(said(r#"{"title":"Conflict","detail":"order-1 is at 3"}"#), "order-1 is at 3");
        assert_eq!(said(r#"{"error":"Queue full: later"}"#), "Queue full: later");
        assert_eq!(said(" gateway down\n"), "gateway down");
    }

    #[test]
    fn an_address_needs_no_scheme_and_one_that_cannot_work_is_explained() {
        for text in ["127.0.0.1:8080", "http://127.0.0.1:8080/", " http://127.0.0.1:8080"] {
            assert_eq!(base_url(text).unwrap(), "http://127.0.0.1:8080", "{text}");
        }
        assert_eq!(base_url("store.example/events").unwrap(), "http://store.example/events");
        assert_eq!(base_url("[::1]:8080").unwrap(), "http://[::1]:8080");
        let check = |text: &str, expected: &str| {
            let failure = base_url(text).unwrap_err();
            assert!(failure.message().contains(expected), "{text}: {failure:?}");
        };
        check("https://store.example", "http only");
        check("ftp://store.example", "ftp is not http");
        check("", "not the address");
        check("http://", "not the address");
        check("a b", "not the address");
    }

    #[test]
    fn no_proxy_stands_between_a_machine_and_itself() {
        let local = ["http://localhost:1", "http://127.0.0.2", "http://[::1]:8080"];
        assert!(local.iter().all(|url| is_local(url)));
        assert!(!is_local("http://store.example:8080") && !is_local("http://10.0.0.1"));
    }

    #[test]
    fn a_header_is_a_name_and_a_value() {
        let (name, value) = header("Authorization: Bearer a:b").unwrap();
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("authorization", "Bearer a:b"));
        assert!(header("no colon").is_err() && header("a b: c").is_err() && header("a: \u{7}").is_err());
    }
}
