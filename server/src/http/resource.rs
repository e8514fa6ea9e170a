//! The paths of a resource and their handlers. Refusals of unknown paths and methods name the paths listed here.

use std::sync::Arc;

use axum::Router;
use axum::extract::MatchedPath;
use axum::handler::Handler;
use axum::http::{Method, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{self, MethodRouter};
use serde_json::Value;

use crate::app::App;
use crate::problem::{Kind, Problem, nearest};

/// A path and its methods.
#[derive(Debug, Clone)]
struct Entry {
    path: &'static str,
    methods: Vec<&'static str>,
}

/// Paths and their handlers.
#[derive(Default)]
pub(super) struct Routes {
    router: Router<Arc<App>>,
    entries: Vec<Entry>,
}

impl Routes {
    /// Adds `GET` and `HEAD` of a path.
    pub(super) fn get<H: Handler<T, Arc<App>>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.route(path, &["GET", "HEAD"], routing::get(handler))
    }

    /// Adds `POST` to a path.
    pub(super) fn post<H: Handler<T, Arc<App>>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.route(path, &["POST"], routing::post(handler))
    }

    fn route(mut self, path: &'static str, methods: &[&'static str], answer: MethodRouter<Arc<App>>) -> Self {
        self.name(path, methods);
        self.router = self.router.route(path, answer);
        self
    }

    fn name(&mut self, path: &'static str, methods: &[&'static str]) {
        match self.entries.iter_mut().find(|entry| entry.path == path) {
            Some(entry) => entry.methods.extend(methods),
            None => self.entries.push(Entry { path, methods: methods.to_vec() }),
        }
    }

    /// Adds the paths of another resource.
    pub(super) fn and(mut self, other: Self) -> Self {
        for Entry { path, methods } in &other.entries {
            self.name(path, methods);
        }
        self.router = self.router.merge(other.router);
        self
    }

    /// The router of these paths, which refuses every other path and method.
    pub(super) fn into_router(self) -> Router<Arc<App>> {
        let entries: Arc<[Entry]> = self.entries.into();
        let known = Arc::clone(&entries);
        let no_route = async move |uri: Uri| no_route(&known, &uri).into_response();
        let wrong_method = async move |method: Method, uri: Uri, path: MatchedPath| -> Response {
            method_not_allowed(&entries, &method, &uri, &path).into_response()
        };
        self.router.fallback(no_route).method_not_allowed_fallback(wrong_method)
    }
}

/// The paths to begin with, and what they do.
const MAIN: [(&str, &str); 4] = [
    ("POST /api/v1/events", "appends an event"),
    ("GET /api/v1/events/query", "finds events"),
    ("GET /api/v1/entities/{id}/state", "gives the state of an entity"),
    ("GET /api/v1/events/stream", "follows the log"),
];

fn no_route(entries: &[Entry], uri: &Uri) -> Problem {
    let asked = uri.path();
    if matches!(asked.trim_end_matches('/'), "" | "/api" | "/api/v1") {
        return pointer(asked);
    }
    // A slash at the end begins no segment: it must not fill a placeholder with an empty name.
    let meant = asked.trim_end_matches('/');
    let mut candidates: Vec<(String, &Entry)> =
        entries.iter().map(|entry| (filled(entry.path, meant), entry)).collect();
    // Of equally similar paths the first is found, and a placeholder is similar to anything.
    candidates.sort_by_key(|(_, entry)| entry.path.matches('{').count());
    let texts: Vec<&str> = candidates.iter().map(|(text, _)| text.as_str()).collect();
    let found = nearest(meant, &texts)
        .and_then(|text| candidates.iter().find(|(candidate, _)| candidate == text))
        .map(|(_, entry)| *entry);
    let detail = match found {
        Some(entry) => {
            format!(
                "there is nothing at {asked}; did you mean {} ({})?",
                entry.path,
                entry.methods.join(", ")
            )
        }
        None => format!("there is nothing at {asked}"),
    };
    let problem = Problem::new(Kind::NO_ROUTE, detail);
    problem.with("nearest", found.map_or(Value::Null, |entry| entry.path.into()))
}

/// Answers a request for the root of the API.
fn pointer(asked: &str) -> Problem {
    let main = MAIN.map(|(route, what)| format!("{route} {what}")).join(", ");
    let detail = format!("there is nothing at {asked}; {main}");
    Problem::new(Kind::NO_ROUTE, detail).with("nearest", "/api/v1/events")
}

/// A path with its placeholders filled from the requested path, so that names do not affect the similarity.
fn filled(path: &str, asked: &str) -> String {
    let mut given = asked.split('/');
    let segments = path.split('/').map(|segment| {
        let given = given.next();
        if segment.starts_with('{') { given.unwrap_or(segment) } else { segment }
    });
    segments.collect::<Vec<_>>().join("/")
}

fn method_not_allowed(entries: &[Entry], method: &Method, uri: &Uri, path: &MatchedPath) -> Problem {
    let found = entries.iter().find(|entry| entry.path == path.as_str());
    let methods = found.map_or_else(String::new, |entry| entry.methods.join(", "));
    let detail = format!("{} does not support {method}; it supports {methods}", uri.path());
    Problem::new(Kind::METHOD_NOT_ALLOWED, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_path_that_was_probably_meant() {
        let entry = |path, methods: &[&'static str]| Entry { path, methods: methods.to_vec() };
        let entries = [
            entry("/api/v1/events", &["POST"]),
            entry("/api/v1/events/query", &["GET", "HEAD"]),
            entry("/api/v1/entities/{id}/state", &["GET", "HEAD"]),
            entry("/health", &["GET", "HEAD"]),
        ];
        let nearest = |asked: &str| {
            let problem = no_route(&entries, &asked.parse().unwrap());
            problem.member("nearest").and_then(Value::as_str).map(str::to_owned)
        };
        assert_eq!(nearest("/api/v1/event").as_deref(), Some("/api/v1/events"));
        assert_eq!(nearest("/api/v1/events/qeury").as_deref(), Some("/api/v1/events/query"));
        assert_eq!(
            nearest("/api/v1/entities/order-1/states").as_deref(),
            Some("/api/v1/entities/{id}/state")
        );
        assert_eq!(nearest("/heath").as_deref(), Some("/health"));
        assert_eq!(nearest("/x"), None);
        for asked in ["/", "/api", "/api/v1", "/api/v1/"] {
            let problem = no_route(&entries, &asked.parse().unwrap());
            assert_eq!(problem.member("nearest").and_then(Value::as_str), Some("/api/v1/events"), "{asked}");
            assert!(MAIN.iter().all(|(route, _)| problem.detail().contains(route)), "{}", problem.detail());
        }
    }
}
