//! Which values every way in accepts, and how it refuses the others.

use allsource_tests::server::Server;
use serde_json::{Value, json};

const EVENTS: &str = "/api/v1/events";
const BATCH: &str = "/api/v1/events/batch";

fn total(server: &Server) -> Value {
    server.get("/api/v1/stats").success()["total_events"].clone()
}

/// Client libraries cannot read a page with such an event, and states would lose the members after such a name.
#[test]
fn values_that_many_programs_cannot_read_are_refused_with_their_place() {
    let server = Server::start();
    let cases = [
        (r#""payload":{"note":"x","\ud83d":"y","status":"paid"}"#, r"/payload/\ud83d"),
        (r#""payload":{"a":["ok","\udc00"]}"#, "/payload/a/1"),
        (r#""payload":{"a":{"b":1e400}}"#, "/payload/a/b"),
        (r#""payload":1,"metadata":{"m":-1e999}"#, "/metadata/m"),
        (r#""payload":1,"metadata":{"m/n":"\ud800"}"#, "/metadata/m~1n"),
    ];
    for (members, pointer) in cases {
        let event = format!(r#"{{"event_type":"t","entity_id":"a",{members}}}"#);
        let with_id = format!(
            r#"{{"event_type":"t","entity_id":"a","id":"01890a5d-ac96-774b-bcce-b302099a8057",{members}}}"#
        );
        for event in [&event, &with_id] {
            let problem = server.post(EVENTS, event).problem(400, "invalid-event");
            assert_eq!(problem["pointer"], pointer, "{event}");
        }
        let good = r#"{"event_type":"t","entity_id":"a","payload":1}"#;
        let batch = format!(r#"{{"events":[{good},{event}]}}"#);
        let problem = server.post(BATCH, &batch).problem(400, "invalid-event");
        assert_eq!(problem["errors"][0]["pointer"], format!("/events/1{pointer}"), "{batch}");
        assert_eq!(total(&server), 0);
        let lines = [("content-type", "application/x-ndjson")];
        let reply = server.send("POST", BATCH, &lines, &format!("{event}\n{with_id}\n")).success();
        assert_eq!((&reply["ingested"], &reply["refused_count"]), (&json!(0), &json!(2)), "{reply}");
        let alone = format!(r#"{{"events":[{event}],"atomic":false}}"#);
        assert_eq!(server.post(BATCH, &alone).json()["events"][0]["pointer"], pointer);
        assert_eq!(total(&server), 0);
    }
    server.post(EVENTS, r#"{"event_type":"t","entity_id":"a","payload":[1e-400,"\ud83d\ude00"]}"#).success();
}

#[test]
fn an_expected_version_applies_to_its_own_event_only() {
    let server = Server::start();
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    let first = json!({"event_type": "t", "entity_id": "a", "payload": 1, "id": id, "expected_version": 0});
    let second = json!({"event_type": "t", "entity_id": "a", "payload": 2});
    server.post(EVENTS, &first.to_string()).success();
    let reply = server.post(BATCH, &json!({"events": [first, second]}).to_string()).success();
    assert_eq!((&reply["events"][0]["replayed"], &reply["events"][1]["version"]), (&json!(true), &json!(2)));
}

#[test]
fn a_conflict_that_the_batch_itself_causes_says_so() {
    let server = Server::start();
    let event = |expected: Value| json!({"event_type": "t", "entity_id": "a", "payload": 1, "expected_version": expected});
    let batch = json!({"events": [event(json!(0)), event(json!(0))]});
    let problem = server.post(BATCH, &batch.to_string()).problem(409, "version-conflict");
    let versions = (&problem["current_version"], &problem["version_in_batch"], &problem["expected_version"]);
    assert_eq!(versions, (&json!(0), &json!(1), &json!(0)));
    let detail = "version conflict on default/a: expected 0, but it is at 0 and would be at 1 after the earlier events \
                  of the batch";
    assert_eq!(problem["detail"], detail);
    let alone = server.post(EVENTS, &event(json!(7)).to_string()).problem(409, "version-conflict");
    assert_eq!(alone.get("version_in_batch"), None);
}

/// Such times must not be stored as the nearest representable time, or as the next second.
#[test]
fn times_that_cannot_be_kept_are_refused_and_all_others_have_six_digits() {
    let server = Server::start();
    let event = |time: &str| {
        json!({"event_type": "t", "entity_id": "a", "payload": 1, "timestamp": time}).to_string()
    };
    for time in ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "2016-12-31T23:59:60Z"] {
        let problem = server.post(EVENTS, &event(time)).problem(400, "invalid-event");
        assert_eq!(problem["field"], "timestamp", "{problem}");
        let escaped = time.replace('+', "%2B");
        for parameter in ["since", "until", "as_of"] {
            let path = format!("/api/v1/events/query?{parameter}={escaped}");
            server.get(&path).problem(400, "invalid-parameter");
        }
        server.get(&format!("/api/v1/entities/a/state?as_of={escaped}")).problem(400, "invalid-parameter");
    }
    let reply = server.post(EVENTS, &event("2026-01-01T00:00:00.1234569+01:00")).success();
    assert_eq!(reply["timestamp"], "2025-12-31T23:00:00.123456Z");
    server.post(EVENTS, &event("2026-01-01T00:00:00Z")).success();
    let page = server.get("/api/v1/events/query?entity_id=a").success();
    for name in ["timestamp", "recorded_at"] {
        assert!(
            page["events"].as_array().unwrap().iter().all(|event| event[name].as_str().unwrap().len() == 27)
        );
    }
}

#[test]
fn a_reused_key_or_id_names_the_first_event_and_a_key_finds_its_events() {
    let server = Server::start();
    let event = |payload: Value| json!({"event_type": "t", "entity_id": "a", "payload": payload});
    let keyed = |path: &str, body: &Value| {
        let headers = [("idempotency-key", "k"), ("content-type", "application/json")];
        server.send("POST", path, &headers, &body.to_string())
    };
    let batch = |payloads: &[i32]| json!({"events": payloads.iter().map(|n| event(json!({"n": n}))).collect::<Vec<_>>()});
    let first = keyed(BATCH, &batch(&[1, 2])).success();
    assert_eq!(keyed(BATCH, &batch(&[1, 2])).success()["events"][1]["replayed"], true);
    for other in [&[1][..], &[1, 2, 3], &[1, 3]] {
        let problem = keyed(BATCH, &batch(other)).problem(422, "idempotency-key-reused");
        assert!(problem["event_id"].is_string() && problem["position"].is_u64(), "{problem}");
        assert_eq!((&problem["entity_id"], problem["version"].is_u64()), (&json!("a"), true), "{problem}");
    }
    let problem = keyed(EVENTS, &event(json!({"n": 1}))).problem(422, "idempotency-key-reused");
    assert_eq!(problem["position"], 2);
    let found = server.get("/api/v1/events/by-key?key=k").success();
    let told: Vec<_> =
        found["events"].as_array().unwrap().iter().map(|one| (&one["index"], &one["event"]["id"])).collect();
    let ids = [&first["events"][0]["event_id"], &first["events"][1]["event_id"]];
    assert_eq!(told, [(&json!(0), ids[0]), (&json!(1), ids[1])]);
    assert_eq!(found["next_index"], Value::Null);
    let found = server.get("/api/v1/events/by-key?key=k&limit=1").success();
    assert_eq!((found["events"].as_array().unwrap().len(), &found["next_index"]), (1, &json!(1)));
    server.get("/api/v1/events/by-key?key=k&index=2").problem(404, "event-not-found");
    server.get("/api/v1/events/by-key?key=other").problem(404, "event-not-found");
    server.get("/api/v1/events/by-key").problem(400, "invalid-parameter");

    let mut own = event(json!({"x": 1, "y": 2.50}));
    own["id"] = json!("01890a5d-ac96-774b-bcce-b302099a8057");
    let reply = server.post(EVENTS, &own.to_string()).success();
    let respelled = format!(
        r#"{{"event_type":"t","entity_id":"a","id":{},"payload":{{ "y": 25e-1, "x": 1.0 }}}}"#,
        own["id"]
    );
    assert_eq!(server.post(EVENTS, &respelled).success()["replayed"], true);
    own["payload"] = json!({"x": 2});
    let problem = server.post(EVENTS, &own.to_string()).problem(409, "duplicate-id");
    let told = (&problem["event_id"], &problem["position"], &problem["entity_id"], &problem["version"]);
    assert_eq!(told, (&own["id"], &reply["position"], &json!("a"), &reply["version"]));
}

/// A line's number is its index, so lines that were refused or empty leave gaps.
#[test]
fn the_events_of_lines_are_found_by_their_numbers() {
    let server = Server::start();
    let line = |n: u64| json!({"event_type": "t", "entity_id": "a", "payload": n}).to_string();
    let kind = [("content-type", "application/x-ndjson"), ("idempotency-key", "lines")];
    server.send("POST", BATCH, &kind, &format!("{}\n\n{}\n", line(0), line(2))).success();
    let payloads = |path: &str| {
        let found = server.get(path).success();
        found["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["event"]["payload"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(payloads("/api/v1/events/by-key?key=lines"), [json!(0)]);
    assert_eq!(payloads("/api/v1/events/by-key?key=lines&index=2"), [json!(2)]);
}
