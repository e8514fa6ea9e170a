//! What an entity is and was.

use allsource_tests::server::Server;
use serde_json::json;

fn fill(server: &Server) {
    let days = [("a", 1, json!({"name": "x", "n": 1})), ("b", 2, json!({"n": null})), ("c", 3, json!([1]))];
    for (kind, day, payload) in days {
        let body = json!({"event_type": kind, "entity_id": "a/b c", "payload": payload,
            "timestamp": format!("2026-01-0{day}T00:00:00Z")});
        server.post("/api/v1/events", &body.to_string()).success();
    }
}

#[test]
fn state_is_folded_as_of_any_moment_with_the_history_that_made_it() {
    let server = Server::start();
    fill(&server);
    let path = "/api/v1/entities/a%2Fb%20c/state";
    let now = server.get(path).success();
    assert_eq!(now["current_state"], json!({"name": "x", "n": null}));
    assert_eq!((&now["event_count"], &now["version"], &now["as_of"]), (&json!(3), &json!(3), &json!(null)));
    assert_eq!(now["last_updated"], "2026-01-03T00:00:00Z");
    let types: Vec<_> =
        now["history"].as_array().unwrap().iter().map(|event| event["type"].clone()).collect();
    assert_eq!(types, ["a", "b", "c"]);

    let then = server.get(&format!("{path}?as_of=2026-01-01T12:00:00Z")).success();
    assert_eq!(then["current_state"], json!({"name": "x", "n": 1}));
    assert_eq!(then["history"].as_array().unwrap().len(), 1);
    assert_eq!(server.get(&format!("{path}?at_version=2")).success()["event_count"], 2);
    let brief = server.get(&format!("{path}?history=false")).success();
    assert!(brief.get("history").is_none());
    server.get(&format!("{path}?as_of=2025-01-01T00:00:00Z")).problem(404, "entity-not-found");
    server.get(&format!("{path}?at_version=0")).problem(400, "invalid-parameter");
    server.get(&format!("{path}?at_version=1&as_of=2026-01-01T00:00:00Z")).problem(400, "invalid-parameter");
}

#[test]
fn its_tag_is_what_the_next_append_expects() {
    let server = Server::start();
    fill(&server);
    let answer = server.get("/api/v1/entities/a%2Fb%20c/state");
    let tag = answer.header("etag").unwrap().to_owned();
    let known = server.send("GET", "/api/v1/entities/a%2Fb%20c/state", &[("if-none-match", &tag)], "");
    assert_eq!(known.status, 304);
    let body = json!({"event_type": "t", "entity_id": "a/b c", "payload": {}}).to_string();
    let headers = [("content-type", "application/json"), ("if-match", tag.as_str())];
    assert_eq!(server.send("POST", "/api/v1/events", &headers, &body).success()["version"], 4);
    server.send("POST", "/api/v1/events", &headers, &body).problem(412, "version-conflict");
}

#[test]
fn the_old_snapshot_path_gives_the_current_state() {
    let server = Server::start();
    fill(&server);
    let snapshot = server.get("/api/v1/entities/a%2Fb%20c/snapshot").success();
    assert_eq!(
        snapshot,
        json!({"entity_id": "a/b c", "snapshot": {"name": "x", "n": null}, "from_projection": "entity_snapshots"})
    );
}
