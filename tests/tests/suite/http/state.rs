//! The current and earlier states of an entity.

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
    let now = server.get(&format!("{path}?history=true")).success();
    assert_eq!(now["current_state"], json!({"name": "x", "n": null}));
    assert_eq!((&now["event_count"], &now["version"], &now["as_of"]), (&json!(3), &json!(3), &json!(null)));
    assert_eq!(now["last_updated"], "2026-01-03T00:00:00.000000Z");
    let types: Vec<_> =
        now["history"].as_array().unwrap().iter().map(|event| event["type"].clone()).collect();
    assert_eq!(types, ["a", "b", "c"]);

    let then = server.get(&format!("{path}?as_of=2026-01-01T12:00:00Z&history=true")).success();
    assert_eq!(then["current_state"], json!({"name": "x", "n": 1}));
    assert_eq!(then["history"].as_array().unwrap().len(), 1);
    assert_eq!(server.get(&format!("{path}?at_version=2")).success()["event_count"], 2);
    let brief = server.get(path).success();
    assert_eq!((brief.get("history"), brief.get("history_has_more")), (None, None));
    assert_eq!((&brief["version"], &brief["current_state"]), (&json!(3), &now["current_state"]));
    assert_eq!(server.get(&format!("{path}?at_position=1")).success()["version"], 1);
    server.get(&format!("{path}?as_of=2025-01-01T00:00:00Z")).problem(404, "entity-not-found");
    server.get(&format!("{path}?at_version=0")).problem(400, "invalid-parameter");
    server.get(&format!("{path}?at_version=1&as_of=2026-01-01T00:00:00Z")).problem(400, "invalid-parameter");
}

#[test]
fn the_etag_of_a_state_is_what_the_next_append_expects() {
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

/// The newest state must not be passed off as that of a version that does not exist yet.
#[test]
fn a_version_beyond_the_newest_is_refused() {
    let server = Server::start();
    fill(&server);
    let path = "/api/v1/entities/a%2Fb%20c/state";
    let problem = server.get(&format!("{path}?at_version=4")).problem(404, "version-not-found");
    assert_eq!((&problem["current_version"], &problem["entity_id"]), (&json!(3), &json!("a/b c")));
    assert_eq!(server.get(&format!("{path}?at_version=3")).success()["version"], 3);
    let problem = server.get(&format!("{path}?at_position=4")).problem(400, "invalid-parameter");
    assert_eq!(problem["parameter"], "at_position");
    assert_eq!(server.get(&format!("{path}?at_position=3")).success()["version"], 3);
    server.get(&format!("{path}?at_version=1&at_position=1")).problem(400, "invalid-parameter");
}

#[test]
fn a_setting_restores_the_history_that_old_clients_expect() {
    let server = Server::start_with_state_history();
    fill(&server);
    let path = "/api/v1/entities/a%2Fb%20c/state";
    assert_eq!(server.get(path).success()["history"].as_array().unwrap().len(), 3);
    assert!(server.get(&format!("{path}?history=false")).success().get("history").is_none());
}

/// The events before and after a snapshot must be read in one pass.
#[test]
fn a_history_is_whole_and_read_once_over_a_snapshot_and_sealed_files() {
    let server = Server::start();
    for number in 1..=20 {
        super::append(&server, "e", &json!({"n": number}));
        if number == 8 {
            server.post("/api/v1/snapshots", r#"{"entity_id":"e"}"#).success();
            server.engine.seal().unwrap();
        }
    }
    let whole = server.get("/api/v1/entities/e/state?history=true").success();
    assert_eq!((&whole["version"], &whole["history_has_more"]), (&json!(20), &json!(false)));
    let numbers: Vec<u64> = whole["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["payload"]["n"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (1..=20).collect::<Vec<_>>());
    let eight = server.get("/api/v1/entities/e/state?history=true&at_version=8").success();
    assert_eq!(eight["history"].as_array().unwrap().len(), 8);
}

/// Clients of the first releases read some of these answers by their order.
#[test]
fn answers_about_states_and_snapshots_keep_their_bytes() {
    let server = Server::start();
    let event = r#"{"id":"00000000-0000-4000-8000-000000000001","entity_id":"a\"b","event_type":"t","payload":{"n": 1.0},"timestamp":"2026-01-01T00:00:00Z"}"#;
    server.post("/api/v1/events", event).success();
    let text = |path: &str| server.get(&format!("/api/v1/{path}")).text;
    let (entity, time) = (r#""entity_id":"a\"b""#, "2026-01-01T00:00:00.000000Z");
    let state = |as_of: &str| {
        format!(
            r#"{{{entity},"last_updated":"{time}","event_count":1,"version":1,"as_of":{as_of},"current_state":{{"n":1.0}}"#
        )
    };
    assert_eq!(text("entities/a%22b/state"), state("null") + "}");
    let as_of = "entities/a%22b/state?as_of=2027-01-01T00:00:00Z";
    assert_eq!(text(as_of), state("\"2027-01-01T00:00:00.000000Z\"") + "}");
    let history = format!(
        r#","history":[{{"event_id":"00000000-0000-4000-8000-000000000001","type":"t","timestamp":"{time}","payload":{{"n": 1.0}}}}],"history_has_more":false}}"#
    );
    assert_eq!(text("entities/a%22b/state?history=true"), state("null") + &history);
    let old = format!(r#"{{{entity},"snapshot":{{"n":1.0}},"from_projection":"entity_snapshots"}}"#);
    assert_eq!(text("entities/a%22b/snapshot"), old);

    let taken = server.post("/api/v1/snapshots", r#"{"entity_id":"a\"b"}"#);
    let facts = taken.success();
    let (id, created) = (facts["snapshot_id"].as_str().unwrap(), facts["created_at"].as_str().unwrap());
    let facts = format!(
        r#"{entity},"created_at":"{created}","as_of":"{time}","event_count":1,"size_bytes":{},"snapshot_type":"manual","version":1"#,
        facts["size_bytes"]
    );
    assert_eq!(taken.text, format!(r#"{{"snapshot_id":"{id}",{facts}}}"#));
    assert_eq!(text("snapshots"), format!(r#"{{"snapshots":[{{"id":"{id}",{facts}}}],"total":1}}"#));
    let latest = format!(r#"{{"snapshot_id":"{id}",{facts},"state":{{"n":1.0}}}}"#);
    assert_eq!(text("snapshots/a%22b/latest"), latest);
}
