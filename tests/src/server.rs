//! A server in this process, on a free port, with its own store; and a client that reads every answer.

use std::sync::Arc;

use allsource_engine::{Engine, Options};
use allsource_server::app::App;
use allsource_server::lifecycle;
use allsource_server::store::Store;
use allsource_server::system::System;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use ureq::Agent;
use ureq::http::{Method, Request, Response};

/// A running server. Dropping it stops it.
pub struct Server {
    /// The store behind it.
    pub engine: Arc<Engine>,
    /// Its address: `127.0.0.1:PORT`.
    pub address: String,
    /// The runtime that it and its clients share.
    pub runtime: Runtime,
    client: Client,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<()>>,
    /// The store's folder.
    pub folder: tempfile::TempDir,
}

/// A client of the server at one address.
pub struct Client {
    address: String,
    agent: Agent,
}

/// A server's answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// The body as text.
    pub text: String,
    headers: ureq::http::HeaderMap,
}

impl Server {
    /// Starts one on an empty store.
    pub fn start() -> Self {
        Self::start_with(Options::default())
    }

    /// Starts one on an empty store opened with `options`.
    pub fn start_with(options: Options) -> Self {
        Self::start_as(options, false)
    }

    /// Starts one that includes the history in a state unless a request declines it.
    pub fn start_with_state_history() -> Self {
        Self::start_as(Options::default(), true)
    }

    fn start_as(options: Options, has_state_history: bool) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let engine = Engine::open_with(folder.path(), options).expect("an empty store opens");
        Self::over(engine, folder, has_state_history)
    }

    /// Starts one on an engine whose store has no folder.
    pub fn start_over(engine: Engine) -> Self {
        Self::over(engine, tempfile::tempdir().expect("a temporary folder"), false)
    }

    fn over(engine: Engine, folder: tempfile::TempDir, has_state_history: bool) -> Self {
        let engine = Arc::new(engine);
        let runtime = Runtime::new().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let (stop, stopped) = oneshot::channel();
        let app = App::new(Store::over(Arc::clone(&engine))).with_state_history(has_state_history);
        let entered = runtime.enter();
        let system = System::open(folder.path(), &Options::default()).expect("an empty system log opens");
        let system = System::over(system, app.background());
        let app = Arc::new(app.with_system(Ok(system)));
        drop(entered);
        let serving = runtime.spawn(async move {
            let shutdown = async { drop(stopped.await) };
            lifecycle::run(listener, app, shutdown).await;
        });
        let client = Client::of(&address);
        Self { engine, address, runtime, client, stop: Some(stop), serving: Some(serving), folder }
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// `GET`.
    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "")
    }

    /// `POST` of JSON.
    pub fn post(&self, path: &str, body: &str) -> Answer {
        self.send("POST", path, &[("content-type", "application/json")], body)
    }

    /// Any request.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.client.send(method, path, headers, body)
    }

    /// Asks the server to stop, and waits until it has.
    pub fn stop(&mut self) {
        self.stop = None;
        if let Some(serving) = self.serving.take() {
            self.runtime.block_on(serving).expect("the server ends without an error");
        }
    }
}

impl Client {
    /// A client of the server at `address`: `127.0.0.1:PORT`.
    pub fn of(address: &str) -> Self {
        let agent = Agent::config_builder().http_status_as_error(false).build().new_agent();
        Self { address: address.to_owned(), agent }
    }

    /// Sends a request.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).expect("a method"))
            .uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = match body {
            "" => self.agent.run(request.body(()).expect("a request")),
            body => self.agent.run(request.body(body).expect("a request")),
        };
        Answer::read(answer.expect("an answer"))
    }
}

impl Answer {
    fn read(mut response: Response<ureq::Body>) -> Self {
        let text = response.body_mut().with_config().limit(1 << 30).read_to_string().expect("a body");
        Self { status: response.status().as_u16(), headers: response.headers().clone(), text }
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {:?}", self.text))
    }

    /// A header, if it is there.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body of an answer that must be a complete problem of this kind.
    pub fn problem(&self, status: u16, slug: &str) -> Value {
        let body = self.json();
        assert_eq!(self.status, status, "{body}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{body}");
        assert_eq!(body["type"], format!("/problems/{slug}"), "{body}");
        assert_eq!(body["status"], status, "{body}");
        for name in ["title", "detail", "error"] {
            assert!(body[name].as_str().is_some_and(|text| !text.is_empty()), "no {name} in {body}");
        }
        body
    }

    /// The JSON body of an answer that must be a success.
    pub fn success(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json()
    }
}
