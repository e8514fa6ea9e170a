//! Requests with one event.

use allsource_tests::server::Server;
use serde_json::json;

const PATH: &str = "/api/v1/events";
const JSON: (&str, &str) = ("content-type", "application/json");

#[test]
fn an_event_comes_back_byte_for_byte_with_its_place() {
    let server = Server::start();
    let payload =
        "{ \"big\": 12345678901234567890.10, \"a\":\t[1,2],  \"dup\":1, \"dup\":2, \"u\":\"\\u00e9\" }";
    let body = format!(
        r#"{{"event_type":"Order-Placed","entity_id":"order 1","payload":{payload},"metadata":{{"by":"x"}},
            "tags":["b","a"],"timestamp":"2020-02-29T23:59:59.5Z","id":"11111111-2222-4333-8444-555555555555"}}"#
    );
    let reply = server.post(PATH, &body).success();
    assert_eq!(reply["event_id"], "11111111-2222-4333-8444-555555555555");
    assert_eq!((&reply["version"], &reply["position"]), (&json!(1), &json!(1)));
    assert_eq!(reply["timestamp"], "2020-02-29T23:59:59.500000Z");
    let answer = server.get("/api/v1/events/11111111-2222-4333-8444-555555555555");
    assert!(answer.text.contains(payload), "{}", answer.text);
    let event = &answer.success()["event"];
    assert_eq!(event["tags"], json!(["b", "a"]));
    assert_eq!(event["metadata"], json!({"by": "x"}));
    assert_eq!(event["tenant_id"], "default");
    assert_ne!(event["recorded_at"], event["timestamp"]);
}

#[test]
fn payloads_that_are_not_json_go_both_ways_as_base64() {
    let server = Server::start();
    let body = json!({"event_type": "t", "entity_id": "e", "payload_base64": "AAEC/w=="});
    let id = server.post(PATH, &body.to_string()).success()["event_id"].as_str().unwrap().to_owned();
    let event = server.get(&format!("/api/v1/events/{id}")).success()["event"].clone();
    assert_eq!((&event["payload_base64"], &event["payload"]), (&json!("AAEC/w=="), &json!(null)));
}

#[test]
fn an_expected_version_in_the_body_conflicts_with_409_and_in_a_header_with_412() {
    let server = Server::start();
    let event = |expected| {
        json!({"event_type": "t", "entity_id": "e", "payload": {}, "expected_version": expected}).to_string()
    };
    server.post(PATH, &event(0)).success();
    let problem = server.post(PATH, &event(0)).problem(409, "version-conflict");
    assert_eq!(problem["error"], "version_conflict");
    assert_eq!((&problem["expected_version"], &problem["current_version"]), (&json!(0), &json!(1)));
    server.post(PATH, &event(1)).success();

    let bare = json!({"event_type": "t", "entity_id": "e", "payload": {}}).to_string();
    let with = |name, value| server.send("POST", PATH, &[JSON, (name, value)], &bare);
    with("if-match", "\"1\"").problem(412, "version-conflict");
    assert_eq!(with("if-match", "\"2\"").success()["version"], 3);
    with("if-none-match", "*").problem(412, "version-conflict");
    with("if-match", "\"x\"").problem(400, "invalid-header");
    assert_eq!(with("if-match", "*").success()["version"], 4);
}

#[test]
fn the_same_id_is_answered_with_the_first_result_and_other_content_is_refused() {
    let server = Server::start();
    let event = |payload| {
        json!({"event_type": "t", "entity_id": "e", "payload": payload, "id": "11111111-2222-4333-8444-555555555555"})
            .to_string()
    };
    let first = server.post(PATH, &event(1)).success();
    let again = server.post(PATH, &event(1)).success();
    assert_eq!(again["replayed"], true);
    assert_eq!((&again["position"], &again["timestamp"]), (&first["position"], &first["timestamp"]));
    server.post(PATH, &event(2)).problem(409, "duplicate-id");
    assert_eq!(server.get("/api/v1/stats").success()["total_events"], 1);
}

#[test]
fn an_idempotency_key_replays_its_answer_and_refuses_another_body() {
    let server = Server::start();
    let send = |payload| {
        let body = json!({"event_type": "t", "entity_id": "e", "payload": payload}).to_string();
        server.send("POST", PATH, &[JSON, ("idempotency-key", "k-1")], &body)
    };
    let (first, again) = (send(1), send(1));
    assert_eq!(first.header("idempotency-replayed"), None);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.success()["event_id"], first.success()["event_id"]);
    send(2).problem(422, "idempotency-key-reused");
    assert_eq!(server.get("/api/v1/stats").success()["total_events"], 1);
}

/// The rule is the one that the error states, for the header and for the parameter that looks a key up.
#[test]
fn a_key_is_visible_ascii_without_spaces() {
    let server = Server::start();
    let body = json!({"event_type": "t", "entity_id": "e", "payload": 1}).to_string();
    let (long, longest) = ("k".repeat(256), "k".repeat(255));
    for (key, spelled) in [("two words", "two%20words"), ("tab\tbed", "tab%09bed"), (&long, &long)] {
        for path in [PATH, "/api/v1/events/batch"] {
            let answer = server.send("POST", path, &[JSON, ("idempotency-key", key)], &body);
            let problem = answer.problem(400, "invalid-header");
            assert!(problem["detail"].as_str().unwrap().contains("without spaces"), "{problem}");
        }
        let problem =
            server.get(&format!("/api/v1/events/by-key?key={spelled}")).problem(400, "invalid-parameter");
        assert!(problem["detail"].as_str().unwrap().contains("visible ASCII characters"), "{problem}");
    }
    let other = server.send("POST", PATH, &[JSON, ("idempotency-key", "h\u{e9}")], &body);
    assert_eq!(other.problem(400, "invalid-header")["header"], "Idempotency-Key");
    for (key, spelled) in [("!#~\"'", "!%23~%22'"), (&longest, &longest)] {
        server.send("POST", PATH, &[JSON, ("idempotency-key", key)], &body).success();
        let found = server.get(&format!("/api/v1/events/by-key?key={spelled}")).success();
        assert_eq!(found["events"][0]["event"]["entity_id"], "e");
    }
}

/// Otherwise a client and a proxy between could mean different keys, versions or tenants.
#[test]
fn a_header_given_twice_is_refused() {
    let server = Server::start();
    let body = json!({"event_type": "t", "entity_id": "e", "payload": 1}).to_string();
    for name in ["Idempotency-Key", "If-Match", "If-None-Match", "X-Tenant-ID"] {
        let answer = server.send("POST", PATH, &[JSON, (name, "a"), (name, "b")], &body);
        assert_eq!(answer.problem(400, "invalid-header")["header"], name);
    }
    assert_eq!(server.get("/api/v1/stats").success()["total_events"], 0);
}

#[test]
fn tenants_are_separate_and_may_be_named_anywhere_but_not_in_contradiction() {
    let server = Server::start();
    let event = json!({"event_type": "t", "entity_id": "e", "payload": {}}).to_string();
    let named = json!({"event_type": "t", "entity_id": "e", "payload": {}, "tenant_id": "acme"}).to_string();
    server.post(PATH, &event).success();
    assert_eq!(server.post(PATH, &named).success()["version"], 1);
    assert_eq!(server.post("/api/v1/events?tenant_id=acme", &event).success()["version"], 2);
    assert_eq!(server.send("POST", PATH, &[JSON, ("x-tenant-id", "acme")], &event).success()["version"], 3);
    server.send("POST", PATH, &[JSON, ("x-tenant-id", "other")], &named).problem(400, "tenant-contradiction");
    let count = |query: &str| server.get(&format!("/api/v1/events/query{query}")).success()["count"].clone();
    assert_eq!(
        (count(""), count("?tenant_id=acme"), count("?tenant_id=none")),
        (json!(1), json!(3), json!(0))
    );
}
