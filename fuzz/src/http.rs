//! The server's HTTP routes: any query string and any body is answered with success or a problem document.

use std::sync::{Arc, LazyLock};

use allsource_engine::platform::SystemClock;
use allsource_engine::platform::sim::{SimDisk, SimEntropy};
use allsource_engine::{Durability, Engine, Options};
use allsource_server::app::App;
use allsource_server::http::router;
use allsource_server::store::Store;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

struct Server {
    engine: Arc<Engine>,
    router: Router,
    runtime: Runtime,
}

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let options = Options { durability: Durability::None, ..Options::default() };
    let (clock, entropy) = (Arc::new(SystemClock::default()), Arc::new(SimEntropy::seeded(1)));
    let engine = Engine::open_on(Arc::new(SimDisk::new(1)), clock, entropy, options);
    let engine = Arc::new(engine.expect("an empty disk opens"));
    let router = router(Arc::new(App::new(Store::over(Arc::clone(&engine)))));
    let runtime = Runtime::new().expect("a runtime");
    Server { engine, router, runtime }
});

fn ask(mut request: Request<Body>) -> (StatusCode, String) {
    request.headers_mut().insert("host", HeaderValue::from_static("fuzz"));
    let server = &*SERVER;
    server.runtime.block_on(async {
        let answer = server.router.clone().oneshot(request).await.expect("the router answers");
        let status = answer.status();
        let content_type = answer.headers().get("content-type").cloned();
        let body = answer.into_body().collect().await.expect("a whole body").to_bytes();
        let text = String::from_utf8(body.to_vec()).expect("text");
        if !status.is_success() {
            assert!(status.is_client_error(), "{status}: {text}");
            assert_eq!(content_type.expect("a type"), "application/problem+json");
            let problem: Value = serde_json::from_str(&text).expect("a problem is JSON");
            assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{text}");
        }
        (status, text)
    })
}

/// Sends a query string to each path that takes one.
pub fn parameters(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for path in ["/api/v1/events/query", "/api/v1/entities/e/state", "/api/v1/stats"] {
        let Ok(uri) = format!("{path}?{text}").parse::<Uri>() else { return };
        let (status, body) = ask(Request::get(uri).body(Body::empty()).expect("a request"));
        if status.is_success() {
            serde_json::from_str::<Value>(&body).expect("an answer is JSON");
        }
    }
}

/// Meaningful query strings.
pub fn parameter_seeds() -> Vec<Vec<u8>> {
    [
        "entity_id=e&event_type=t&limit=10&offset=2&order=desc",
        "event_type_prefix=order.&exclude_event_type_prefix=a,b&tag=x",
        "as_of=2026-01-01T00:00:00Z&since=2025-12-31T23:59:59.999999Z&until=2026-01-01T00:00:00%2B01:00",
        "payload_filter=%7B%22a.b%22%3A%5B1%5D%7D&tenant_id=acme",
        "from=1&to=18446744073709551615&cursor=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "at_version=3&history=true",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

/// A body of lines: every line is appended or refused by its number, and no other event appears.
pub fn lines(data: &[u8]) {
    let before = SERVER.engine.stats(None).expect("the store is whole").events;
    let request = Request::post("/api/v1/events/batch").header("content-type", "application/x-ndjson");
    let (status, text) = ask(request.body(Body::from(data.to_vec())).expect("a request"));
    assert_eq!(status, StatusCode::OK, "{text}");
    let reply: Value = serde_json::from_str(&text).expect("an answer is JSON");
    let count = |name: &str| reply[name].as_u64().expect("a number");
    assert_eq!(count("ingested") + count("refused_count"), count("total"), "{text}");
    let lines = data.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count() as u64;
    assert_eq!(count("total"), lines, "{text}");
    assert_eq!(
        SERVER.engine.stats(None).expect("the store is whole").events,
        before + count("ingested") - count("replayed")
    );
}

/// Typical lines from clients.
pub fn line_seeds() -> Vec<Vec<u8>> {
    let event =
        r#"{"event_type":"t","entity_id":"e","payload":{"a":[1,2.50,null]},"tags":["x"],"metadata":{}}"#;
    let given = r#"{"id":"11111111-2222-4333-8444-555555555555","event_type":"t","entity_id":"é","payload":1,
        "timestamp":"2026-01-01T00:00:00Z","expected_version":0,"tenant_id":"acme"}"#;
    let bytes = r#"{"event_type":"t","entity_id":"e","payload_base64":"AAEC/w=="}"#;
    let copied = r#"{"event_type":"t","entity_id":"e","payload_text":"[\n1e-9]","metadata_text":"{}","timestamp":"2026-01-01T00:00:00Z","timestamp_source":"clock"}"#;
    let given = given.replace('\n', "");
    vec![
        [event, &given, copied, bytes].join("\n").into_bytes(),
        format!("{event}\r\n\n{event}\n").into_bytes(),
        given.into_bytes(),
    ]
}
