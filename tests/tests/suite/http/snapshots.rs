//! Snapshots: taken on request, after enough events, and by reads that had to fold many events.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use allsource_engine::Options;
use allsource_tests::process::Process;
use allsource_tests::server::Server;
use serde_json::{Value, json};

use super::append;

const PATH: &str = "/api/v1/snapshots";
const BATCH: &str = "/api/v1/events/batch";
/// How long an automatic snapshot may take.
const PATIENCE: Duration = Duration::from_secs(20);

fn create(server: &Server, entity: &str) -> Value {
    server.post(PATH, &json!({"entity_id": entity}).to_string()).success()
}

fn list(server: &Server, query: &str) -> Value {
    server.get(&format!("{PATH}{query}")).success()
}

/// A batch of `count` events of one entity.
fn batch(entity: &str, count: u64) -> Value {
    let event = |n| json!({"event_type": "t", "entity_id": entity, "payload": {"n": n}});
    json!({"events": (1..=count).map(event).collect::<Vec<_>>()})
}

/// Polls until there is a snapshot.
fn wait_for_any(mut look: impl FnMut() -> Value) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let listed = look();
        if listed["total"] != 0 {
            return listed;
        }
        assert!(Instant::now() < deadline, "no snapshot was taken");
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_snapshot_is_taken_listed_and_read_with_its_state_byte_for_byte() {
    let server = Server::start();
    let event = r#"{"event_type":"t","entity_id":"a/b c","timestamp":"2026-01-01T00:00:00Z",
        "payload":{"big": 12345678901234567890.10, "name": "\u00e9"}}"#;
    server.post("/api/v1/events", event).success();
    let first = create(&server, "a/b c");
    assert_eq!(
        (&first["entity_id"], &first["as_of"]),
        (&json!("a/b c"), &json!("2026-01-01T00:00:00.000000Z"))
    );
    assert_eq!((&first["event_count"], &first["version"]), (&json!(1), &json!(1)));
    assert!(first["size_bytes"].as_u64().unwrap() > 0 && first["created_at"].is_string(), "{first}");

    append(&server, "a/b c", &json!({"n": 2}));
    append(&server, "other", &json!({}));
    let second = create(&server, "a/b c");
    let third = create(&server, "other");
    let of_one = list(&server, "?entity_id=a%2Fb%20c");
    assert_eq!(of_one["total"], 2);
    let snapshots = of_one["snapshots"].as_array().unwrap();
    let ids: Vec<_> = snapshots.iter().map(|one| &one["id"]).collect();
    assert_eq!(ids, [&second["snapshot_id"], &first["snapshot_id"]], "the newest first");
    for name in ["entity_id", "created_at", "as_of", "event_count", "size_bytes", "version"] {
        assert_eq!(snapshots[0][name], second[name], "{name}");
    }
    assert!(snapshots.iter().all(|one| one["snapshot_type"] == "manual"), "{of_one}");
    assert_eq!(list(&server, "")["snapshots"][2]["id"], third["snapshot_id"]);
    let page = list(&server, "?limit=1");
    assert_eq!((page["snapshots"].as_array().unwrap().len(), &page["total"]), (1, &json!(3)));

    let answer = server.get("/api/v1/snapshots/a%2Fb%20c/latest");
    let state = r#""state":{"big":12345678901234567890.10,"name":"\u00e9","n":2}}"#;
    assert!(answer.text.ends_with(state), "{}", answer.text);
    let latest = answer.success();
    assert_eq!(latest["snapshot_type"], "manual");
    for name in ["snapshot_id", "entity_id", "created_at", "as_of", "event_count", "size_bytes", "version"] {
        assert_eq!(latest[name], second[name], "{name}");
    }
}

#[test]
fn missing_snapshots_and_bad_requests_are_reported() {
    let server = Server::start();
    append(&server, "e", &json!({}));
    server.post(PATH, r#"{"entity_id":"unknown"}"#).problem(404, "entity-not-found");
    server.get("/api/v1/snapshots/e/latest").problem(404, "snapshot-not-found");
    assert_eq!(list(&server, ""), json!({"snapshots": [], "total": 0}));
    let unknown = server.post(PATH, r#"{"entity":"e"}"#).problem(400, "unknown-field");
    assert_eq!((&unknown["field"], &unknown["nearest"]), (&json!("entity"), &json!("entity_id")));
    let missing = server.post(PATH, "{}").problem(400, "invalid-body");
    assert_eq!(missing["field"], "entity_id");
    server.post(PATH, r#"["e",null]"#).problem(400, "invalid-body");
    server.post(PATH, r#"{"entity_id":" e"}"#).problem(400, "invalid-name");
    server.send("POST", PATH, &[], r#"{"entity_id":"e"}"#).problem(415, "unsupported-media-type");
    let requests = [
        ("GET", "/api/v1/snapshots?limit=0", 400, "invalid-parameter"),
        ("GET", "/api/v1/snapshots?limit=10001", 400, "invalid-parameter"),
        ("GET", "/api/v1/snapshots?entity=e", 400, "unknown-parameter"),
        ("GET", "/api/v1/snapshots/e/latest?limit=1", 400, "unknown-parameter"),
        ("DELETE", "/api/v1/snapshots", 405, "method-not-allowed"),
    ];
    for (method, path, status, slug) in requests {
        server.send(method, path, &[], "").problem(status, slug);
    }
    assert_eq!(list(&server, "")["total"], 0);
}

#[test]
fn snapshots_belong_to_their_tenant() {
    let server = Server::start();
    let event = r#"{"event_type":"t","entity_id":"e","payload":{"of":"acme"},"tenant_id":"acme"}"#;
    server.post("/api/v1/events", event).success();
    server.post(PATH, r#"{"entity_id":"e"}"#).problem(404, "entity-not-found");
    server.post(PATH, r#"{"entity_id":"e","tenant_id":"acme"}"#).success();
    let headers = [("content-type", "application/json"), ("x-tenant-id", "acme")];
    server.send("POST", PATH, &headers, r#"{"entity_id":"e"}"#).success();
    server
        .send("POST", PATH, &headers, r#"{"entity_id":"e","tenant_id":"other"}"#)
        .problem(400, "tenant-contradiction");
    assert_eq!(list(&server, "?entity_id=e")["total"], 0);
    assert_eq!(list(&server, "?tenant_id=acme")["total"], 2);
    server.get("/api/v1/snapshots/e/latest").problem(404, "snapshot-not-found");
    let latest = server.get("/api/v1/snapshots/e/latest?tenant_id=acme").success();
    assert_eq!(latest["state"], json!({"of": "acme"}));
}

#[test]
fn a_hundred_events_cause_an_automatic_snapshot() {
    let server = Server::start();
    server.post(BATCH, &batch("e", 100).to_string()).success();
    let listed = wait_for_any(|| list(&server, ""));
    let snapshot = &listed["snapshots"][0];
    assert_eq!((&listed["total"], &snapshot["snapshot_type"]), (&json!(1), &json!("automatic")));
    assert_eq!((&snapshot["version"], &snapshot["event_count"]), (&json!(100), &json!(100)));
    assert_eq!(server.get("/api/v1/snapshots/e/latest").success()["state"], json!({"n": 100}));
}

/// Upkeep checks an entity after every tenth of the events that make a snapshot due, here at every second version. At
/// 24 none is due, so the read takes the one at 25.
#[test]
fn a_read_that_folds_many_events_leaves_a_snapshot() {
    let server = Server::start_with(Options { snapshot_events: 25, ..Options::default() });
    server.post(BATCH, &batch("e", 25).to_string()).success();
    for _ in 0..2 {
        assert_eq!(server.get("/api/v1/entities/e/state").success()["current_state"], json!({"n": 25}));
    }
    let listed = list(&server, "");
    let snapshot = &listed["snapshots"][0];
    assert_eq!((&listed["total"], &snapshot["snapshot_type"]), (&json!(1), &json!("ondemand")));
    assert_eq!((&snapshot["version"], &snapshot["event_count"]), (&json!(25), &json!(25)));
}

/// Sends a request to a server process: a `POST` if there is a body.
fn call(address: &str, path: &str, body: Option<&Value>) -> Value {
    let url = format!("http://{address}{path}");
    let answer = match body {
        Some(body) => ureq::post(url).content_type("application/json").send(body.to_string()),
        None => ureq::get(url).call(),
    };
    serde_json::from_str(&answer.unwrap().body_mut().read_to_string().unwrap()).unwrap()
}

#[test]
fn snapshots_survive_a_restart_in_order() {
    let program = Path::new(env!("CARGO_BIN_EXE_server"));
    let folder = tempfile::tempdir().unwrap();
    let mut process = Process::start(program, folder.path());
    let address = process.address().unwrap();
    call(&address, BATCH, Some(&batch("e", 100)));
    wait_for_any(|| call(&address, PATH, None));
    let event = json!({"event_type": "t", "entity_id": "e", "payload": {"m": 1}});
    call(&address, "/api/v1/events", Some(&event));
    call(&address, PATH, Some(&json!({"entity_id": "e"})));
    let (listed, latest) = (call(&address, PATH, None), call(&address, "/api/v1/snapshots/e/latest", None));
    let types: Vec<_> =
        listed["snapshots"].as_array().unwrap().iter().map(|one| one["snapshot_type"].clone()).collect();
    assert_eq!(types, [json!("manual"), json!("automatic")]);
    assert_eq!((&latest["version"], &latest["state"]), (&json!(101), &json!({"n": 100, "m": 1})));
    process.stop();

    let mut process = Process::start(program, folder.path());
    let address = process.address().unwrap();
    assert_eq!(call(&address, PATH, None), listed);
    assert_eq!(call(&address, "/api/v1/snapshots/e/latest", None), latest);
    let state = call(&address, "/api/v1/entities/e/state?history=false", None);
    assert_eq!((&state["event_count"], &state["current_state"]), (&json!(101), &latest["state"]));
    process.stop();
}
