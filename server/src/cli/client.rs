//! The running server as the commands see it.

use std::io::BufReader;
use std::time::Duration;

use clap::Args;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::http::Response;
use ureq::{Agent, Body, BodyReader};

use super::failure::Failure;

/// The largest answer that is read in one piece.
const ANSWER_BYTES_MAX: u64 = 1 << 30;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Where the server is, an option of every command that talks to one.
#[derive(Debug, Args)]
pub(super) struct Server {
    /// Where the server is
    #[arg(long, value_name = "URL", env = "ALLSOURCE_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
}

/// A connection to the server, kept open between requests.
#[derive(Debug)]
pub(super) struct Client {
    agent: Agent,
    url: String,
}

/// Why the server gave no answer, by what helps.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// It cannot be reached, or is too busy: the same request may succeed later.
    Later(Failure),
    /// It refused: the same request will be refused again.
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
    pub(super) fn connect(&self) -> Client {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .user_agent(concat!("allsource/", env!("CARGO_PKG_VERSION")))
            .build();
        Client { agent: config.new_agent(), url: self.url.trim_end_matches('/').to_owned() }
    }
}

impl Client {
    /// Asks for `path` with these query parameters, leaving out those without a value.
    pub(super) fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[Parameter<'_>],
    ) -> Result<T, NoAnswer> {
        let mut request = self.agent.get(format!("{}{path}", self.url));
        for Parameter(name, value) in query {
            if let Some(value) = value {
                request = request.query(*name, value.as_str());
            }
        }
        self.understand(request.call())
    }

    /// Sends `body` to `path`.
    pub(super) fn send<T: DeserializeOwned>(
        &self,
        path: &str,
        media: &str,
        body: &[u8],
    ) -> Result<T, NoAnswer> {
        self.understand(self.agent.post(format!("{}{path}", self.url)).content_type(media).send(body))
    }

    /// Opens an endless answer, from after `last_id` if there is one.
    pub(super) fn follow(
        &self,
        path: &str,
        query: &[Parameter<'_>],
        last_id: Option<&str>,
    ) -> Result<BufReader<BodyReader<'static>>, NoAnswer> {
        let mut request = self.agent.get(format!("{}{path}", self.url)).header("Accept", "text/event-stream");
        for Parameter(name, value) in query {
            if let Some(value) = value {
                request = request.query(*name, value.as_str());
            }
        }
        if let Some(id) = last_id {
            request = request.header("Last-Event-ID", id);
        }
        let response = self.accepted(request.call())?;
        Ok(BufReader::new(response.into_body().into_with_config().limit(u64::MAX).reader()))
    }

    fn understand<T: DeserializeOwned>(
        &self,
        answer: Result<Response<Body>, ureq::Error>,
    ) -> Result<T, NoAnswer> {
        let mut response = self.accepted(answer)?;
        let text = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let text = text.map_err(|error| self.unreachable(&error))?;
        serde_json::from_slice(&text).map_err(|error| {
            let problem = format!("{} does not answer like an AllSource server: {error}", self.url);
            NoAnswer::Refused(Failure::new(problem))
        })
    }

    fn accepted(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<Response<Body>, NoAnswer> {
        let mut response = answer.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = response.body_mut().read_to_string().unwrap_or_default();
        let failure = Failure::new(format!("the server refused ({}): {}", status.as_u16(), detail(&text)));
        Err(match status.as_u16() {
            408 | 429 | 502..=504 => NoAnswer::Later(failure),
            _ => NoAnswer::Refused(failure),
        })
    }

    fn unreachable(&self, error: &ureq::Error) -> NoAnswer {
        let failure = Failure::new(format!("cannot reach {}: {error}", self.url));
        match error {
            ureq::Error::BadUri(_) | ureq::Error::TlsRequired | ureq::Error::Http(_) => {
                NoAnswer::Refused(failure.advise("--url takes an address like http://127.0.0.1:8080"))
            }
            _ => NoAnswer::Later(failure.advise("is a server running? start one with: allsource serve")),
        }
    }
}

/// A query parameter that is sent if it has a value.
#[derive(Debug)]
pub(super) struct Parameter<'a>(pub(super) &'a str, pub(super) Option<String>);

/// A path of these segments, each escaped.
pub(super) fn path(segments: &[&str]) -> String {
    let mut path = String::new();
    for segment in segments {
        path.push('/');
        for byte in segment.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                    path.push(char::from(byte))
                }
                _ => path.push_str(&format!("%{byte:02X}")),
            }
        }
    }
    path
}

/// What a problem document says, or the text itself.
fn detail(text: &str) -> String {
    let problem: Value = serde_json::from_str(text).unwrap_or_default();
    let member = |name| problem.get(name).and_then(Value::as_str);
    member("detail").or_else(|| member("error")).or_else(|| member("title")).unwrap_or(text.trim()).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_segments_are_escaped() {
        assert_eq!(path(&["api", "a/b ?#é"]), "/api/a%2Fb%20%3F%23%C3%A9");
    }

    #[test]
    fn a_problem_is_told_in_its_own_words() {
        assert_eq!(detail(r#"{"title":"Conflict","detail":"order-1 is at 3"}"#), "order-1 is at 3");
        assert_eq!(detail(r#"{"error":"Queue full: later"}"#), "Queue full: later");
        assert_eq!(detail(" gateway down\n"), "gateway down");
    }
}
