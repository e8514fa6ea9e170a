//! What operators and browsers ask.

use allsource_tests::server::Server;
use serde_json::json;

#[test]
fn health_has_the_form_of_old_servers_and_readiness_its_own() {
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
        "allsource_http_requests_total{method=\"GET\",endpoint=\"/api/v1/events/{id}\",status=\"400\"} 1",
    ] {
        assert!(answer.text.lines().any(|have| have == line), "no {line:?} in {}", answer.text);
    }
    assert!(answer.text.ends_with("# EOF\n"));
}

#[test]
fn browsers_may_call_from_anywhere() {
    let server = Server::start();
    let asking = [("origin", "http://a.test"), ("access-control-request-method", "POST")];
    let answer = server.send("OPTIONS", "/api/v1/events", &asking, "");
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, Some("*")));
    let answer = server.send("GET", "/nowhere", &[("origin", "http://a.test")], "");
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
}
