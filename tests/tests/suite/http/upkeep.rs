//! Requests from operators and browsers.

use std::sync::Arc;

use allsource_engine::event::{Entity, NewEvent};
use allsource_engine::platform::sim::{SimClock, SimDisk, SimEntropy};
use allsource_engine::{Batch, Engine, Options};
use allsource_tests::server::Server;
use serde_json::json;

#[test]
fn health_keeps_the_old_servers_form_and_readiness_has_its_own() {
    let server = Server::start();
    let health = server.get("/health").success();
    assert_eq!((&health["status"], &health["service"]), (&json!("healthy"), &json!("allsource-core")));
    assert_eq!(server.get("/healthz").success(), json!({"status": "ok"}));
    assert_eq!(server.get("/readyz").success()["status"], "ready");
}

#[test]
fn metrics_count_what_happened() {
    let server = Server::start();
    super::append(&server, "e", &json!(1));
    server.get("/api/v1/events/query?entity_id=e").success();
    server.get("/api/v1/events/abc").problem(400, "invalid-parameter");
    let answer = server.get("/metrics");
    assert!(answer.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    for line in [
        "allsource_events_ingested_total 1",
        "allsource_storage_events 1",
        "allsource_queries_total{query_type=\"entity\"} 1",
        "allsource_query_results_total 1",
        "allsource_background_position{work=\"system_log\"} 1",
        "allsource_background_failing{work=\"system_log\"} 0",
        "allsource_http_requests_total{method=\"GET\",endpoint=\"/api/v1/events/{id}\",status=\"400\"} 1",
    ] {
        assert!(answer.text.lines().any(|have| have == line), "no {line:?} in {}", answer.text);
    }
    assert!(answer.text.ends_with("# EOF\n"));
}

/// A clock that was ahead of the log when the last event was stored, and is behind it now.
#[test]
fn a_clock_behind_the_log_is_reported_until_it_has_caught_up() {
    const NOW: i64 = 1_700_000_000_000_000;
    let (disk, clock) = (SimDisk::new(1), Arc::new(SimClock::at(NOW)));
    let open = |clock: Arc<SimClock>| {
        let entropy = Arc::new(SimEntropy::seeded(1));
        Engine::open_on(Arc::new(disk.clone()), clock, entropy, Options::default()).unwrap()
    };
    let event = NewEvent::json("t", "{}").unwrap();
    let ahead = open(Arc::new(SimClock::at(NOW + 90_500_000)));
    ahead.append(Batch::to(&Entity::new("a").unwrap()).event(event)).wait().unwrap();
    ahead.close();
    drop(ahead);
    let server = Server::start_over(open(Arc::clone(&clock)));
    let ready = || server.get("/readyz").success();
    assert_eq!((&ready()["status"], &ready()["clock_behind_seconds"]), (&json!("ready"), &json!(90)));
    let metric = || {
        let text = server.get("/metrics").text;
        let value = text.lines().find_map(|line| line.strip_prefix("allsource_clock_behind_seconds "));
        value.unwrap_or_else(|| panic!("no metric in {text}")).parse::<f64>().unwrap()
    };
    assert!((90.0..91.0).contains(&metric()), "{}", metric());
    clock.advance(90_000_000);
    assert_eq!(ready()["clock_behind_seconds"], json!(null), "less than a second is no news");
    assert!((0.4..0.6).contains(&metric()), "{}", metric());
    clock.advance(1_000_000);
    assert!(metric().abs() < f64::EPSILON, "{}", metric());
}

#[test]
fn sealing_on_demand_changes_no_answer() {
    const SEAL: &str = "/api/v1/maintenance/seal";
    let server = Server::start();
    assert_eq!(server.post(SEAL, "{}").success(), json!({"sealed_position": 0}));
    for n in 0..30 {
        super::append(&server, &format!("e-{}", n % 4), &json!({"n": n, "even": n % 2 == 0}));
    }
    let paths = [
        "/api/v1/events/query",
        "/api/v1/events/query?entity_id=e-1&order=desc",
        "/api/v1/events/query?event_type=t&from=7&to=19",
        "/api/v1/events/query?payload_filter=%7B%22even%22:true%7D",
        "/api/v1/entities/e-2/state",
        "/api/v1/entities/e-3/state?at_version=2",
        "/api/v1/stats",
    ];
    let answers = || paths.map(|path| server.get(path).success());
    let before = answers();
    assert_eq!(server.post(SEAL, "{}").success(), json!({"sealed_position": 30}));
    assert_eq!(answers(), before);
    assert_eq!(server.send("POST", SEAL, &[], "").success(), json!({"sealed_position": 30}));
    let metrics = server.get("/metrics").text;
    assert!(metrics.lines().any(|line| line == "allsource_sealed_position 30"), "{metrics}");
    assert_eq!(super::append(&server, "e-1", &json!({}))["version"], 9);

    server.post(SEAL, r#"{"wait":true}"#).problem(400, "unknown-field");
    server.post(SEAL, "[]").problem(400, "invalid-body");
    server.send("POST", SEAL, &[], "{}").problem(415, "unsupported-media-type");
    server.post(&format!("{SEAL}?tenant_id=acme"), "{}").problem(400, "unknown-parameter");
    server.get(SEAL).problem(405, "method-not-allowed");
}

#[test]
fn browsers_may_call_from_anywhere() {
    let server = Server::start();
    let asking = [("origin", "http://a.test"), ("access-control-request-method", "POST")];
    let answer = server.send("OPTIONS", "/api/v1/events", &asking, "");
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, Some("*")));
    let answer = server.send("GET", "/nowhere", &[("origin", "http://a.test")], "");
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
}
