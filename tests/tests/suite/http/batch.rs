//! Requests with many events.

use allsource_tests::server::Server;
use serde_json::{Value, json};

const PATH: &str = "/api/v1/events/batch";

fn event(entity: &str, payload: &Value) -> Value {
    json!({"event_type": "t", "entity_id": entity, "payload": payload})
}

fn total(server: &Server) -> Value {
    server.get("/api/v1/stats").success()["total_events"].clone()
}

#[test]
fn a_batch_is_all_or_nothing_and_says_where_it_is_wrong() {
    let server = Server::start();
    let good = json!({"events": [event("a", &json!(1)), event("b", &json!(2)), event("a", &json!(3))]});
    let reply = server.post(PATH, &good.to_string()).success();
    assert_eq!((&reply["total"], &reply["ingested"]), (&json!(3), &json!(3)));
    let versions: Vec<_> =
        reply["events"].as_array().unwrap().iter().map(|one| one["version"].clone()).collect();
    assert_eq!(versions, [json!(1), json!(1), json!(2)]);

    let mut wrong = event("b", &json!(2));
    wrong["entity_id"] = json!(" b");
    let bad = json!({"events": [event("a", &json!(1)), wrong]});
    let problem = server.post(PATH, &bad.to_string()).problem(400, "invalid-name");
    assert_eq!(problem["errors"][0]["pointer"], "/events/1/entity_id");
    let nothing = server.post(PATH, r#"{"events":[]}"#).success();
    assert_eq!(nothing, json!({"total": 0, "ingested": 0, "events": []}));
    assert_eq!(total(&server), 3);
}

#[test]
fn a_batch_that_is_not_atomic_answers_for_each_event() {
    let server = Server::start();
    let mut conflicting = event("a", &json!(1));
    conflicting["expected_version"] = json!(7);
    let body =
        json!({"events": [event("a", &json!(0)), conflicting, event("b", &json!(2))], "atomic": false});
    let answer = server.post(PATH, &body.to_string());
    assert_eq!(answer.status, 207);
    let reply = answer.json();
    assert_eq!((&reply["total"], &reply["ingested"]), (&json!(3), &json!(2)));
    assert_eq!(reply["events"][1]["error"], "version_conflict");
    assert_eq!(total(&server), 2);
}

#[test]
fn good_lines_are_appended_and_bad_ones_are_reported_by_number() {
    let server = Server::start();
    let lines = [
        event("a", &json!(1)).to_string(),
        "nonsense".to_owned(),
        String::new(),
        r#"{"event_type":"t","entity_id":"a","payload":2,"typo":1}"#.to_owned(),
        event("b", &json!(4)).to_string(),
    ];
    let kind = [("content-type", "application/x-ndjson")];
    let reply = server.send("POST", PATH, &kind, &lines.join("\n")).success();
    assert_eq!(
        (&reply["total"], &reply["ingested"], &reply["refused_count"]),
        (&json!(4), &json!(2), &json!(2))
    );
    let lines: Vec<_> = reply["refused"].as_array().unwrap().iter().map(|one| one["line"].clone()).collect();
    assert_eq!(lines, [json!(2), json!(4)]);
    assert_eq!(total(&server), 2);
}

#[test]
fn a_conflicting_line_does_not_keep_others_from_being_appended() {
    let server = Server::start();
    let mut lines: Vec<String> = (0..2500).map(|n| event("a", &json!(n)).to_string()).collect();
    lines[1700] =
        json!({"event_type": "t", "entity_id": "a", "payload": 0, "expected_version": 3}).to_string();
    let kind = [("content-type", "application/x-ndjson")];
    let reply = server.send("POST", PATH, &kind, &lines.join("\n")).success();
    assert_eq!((&reply["ingested"], &reply["refused"][0]["line"]), (&json!(2499), &json!(1701)));
    let events = server.get("/api/v1/events/query?entity_id=a").success();
    let payloads: Vec<u64> =
        events["events"].as_array().unwrap().iter().map(|event| event["payload"].as_u64().unwrap()).collect();
    assert_eq!(payloads, (0..2500).filter(|n| *n != 1700).collect::<Vec<_>>());
}

#[test]
fn an_idempotency_key_holds_for_a_whole_batch() {
    let server = Server::start();
    let headers = [("content-type", "application/json"), ("idempotency-key", "k")];
    let send = |count: u64| {
        let events: Vec<Value> = (0..count).map(|n| event("a", &json!(n))).collect();
        server.send("POST", PATH, &headers, &json!({"events": events}).to_string())
    };
    let first = send(3).success();
    let again = send(3);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.success()["events"][2]["event_id"], first["events"][2]["event_id"]);
    send(2).problem(422, "idempotency-key-reused");
    send(4).problem(422, "idempotency-key-reused");
    assert_eq!(total(&server), 3);
}

/// Events that the first request lacked because they were refused do not make the second one a different body.
#[test]
fn a_batch_that_is_not_atomic_can_be_sent_again_under_its_key() {
    let server = Server::start();
    let mut conflicting = event("a", &json!(1));
    conflicting["expected_version"] = json!(7);
    let body = json!({"events": [event("a", &json!(0)), conflicting], "atomic": false}).to_string();
    let headers = [("content-type", "application/json"), ("idempotency-key", "k")];
    for _ in 0..2 {
        let answer = server.send("POST", PATH, &headers, &body);
        assert_eq!(answer.status, 207, "{:?}", answer.json());
        assert_eq!(answer.json()["events"][1]["error"], "version_conflict");
    }
    assert_eq!(total(&server), 1);
}

/// Each event is decided on its own, so a batch may be completed under its key, but not cut short.
#[test]
fn a_batch_that_is_not_atomic_may_grow_but_not_shrink_under_its_key() {
    let server = Server::start();
    let headers = [("content-type", "application/json"), ("idempotency-key", "k")];
    let send = |count: u64| {
        let events: Vec<Value> = (0..count).map(|n| event("a", &json!(n))).collect();
        server.send("POST", PATH, &headers, &json!({"events": events, "atomic": false}).to_string())
    };
    assert_eq!(send(2).success()["ingested"], 2);
    send(1).problem(422, "idempotency-key-reused");
    assert_eq!(total(&server), 2);
    let longer = send(3);
    assert_eq!((longer.status, longer.header("idempotency-replayed")), (200, None));
    let replayed: Vec<bool> =
        longer.json()["events"].as_array().unwrap().iter().map(|event| event["replayed"] == true).collect();
    assert_eq!(replayed, [true, true, false]);
    send(2).problem(422, "idempotency-key-reused");
    assert_eq!(total(&server), 3);
}

/// Which of two batches of different lengths counts is decided with their appends, so never both.
#[test]
fn atomic_batches_of_two_lengths_that_race_under_a_key_are_not_both_stored() {
    let server = Server::start();
    for round in 0..20 {
        let key = format!("race-{round}");
        let headers = [("content-type", "application/json"), ("idempotency-key", key.as_str())];
        let send = |count: u64| {
            let events: Vec<Value> = (0..count).map(|n| event("a", &json!(n))).collect();
            server.send("POST", PATH, &headers, &json!({"events": events}).to_string()).status
        };
        let before = total(&server).as_u64().unwrap();
        let statuses = std::thread::scope(|scope| {
            let both = [2, 3].map(|count| scope.spawn(move || send(count)));
            both.map(|one| one.join().unwrap())
        });
        let stored = match statuses {
            [200, 422] => 2,
            [422, 200] => 3,
            _ => panic!("{statuses:?}"),
        };
        assert_eq!(total(&server), before + stored);
    }
}

/// The refusal must not name the position that the batch's own first event would have had.
#[test]
fn one_id_for_two_events_of_a_batch_is_refused_without_a_position() {
    let server = Server::start();
    let id = "11111111-2222-4333-8444-555555555555";
    let (mut one, mut other) = (event("a", &json!(1)), event("a", &json!(2)));
    one["id"] = json!(id);
    other["id"] = json!(id);
    let problem =
        server.post(PATH, &json!({"events": [one, other]}).to_string()).problem(409, "duplicate-id");
    assert_eq!((&problem["event_id"], &problem["position"]), (&json!(id), &Value::Null));
    assert_eq!(total(&server), 0);
}

#[test]
fn lines_sent_again_under_their_key_are_answered_as_repeated() {
    let server = Server::start();
    let headers = [("content-type", "application/x-ndjson"), ("idempotency-key", "k")];
    let lines = [event("a", &json!(1)).to_string(), event("b", &json!(2)).to_string()].join("\n");
    let first = server.send("POST", PATH, &headers, &lines);
    assert_eq!((first.status, first.header("idempotency-replayed")), (200, None));
    let again = server.send("POST", PATH, &headers, &lines);
    assert_eq!((again.status, again.header("idempotency-replayed")), (200, Some("true")));
    assert_eq!(total(&server), 2);
}

/// Each number in place of an event cost kilobytes until it was answered.
#[test]
fn a_batch_of_too_many_events_is_refused_before_they_are_parsed() {
    let server = Server::start();
    for atomic in [true, false] {
        let body = format!("{{\"atomic\":{atomic},\"events\":[{}]}}", vec!["1"; 65_537].join(","));
        let problem = server.post("/api/v1/events/batch", &body).problem(413, "too-large");
        assert_eq!((&problem["actual"], &problem["limit"]), (&json!(65_537), &json!(65_536)), "{problem}");
    }
    let body = format!("{{\"atomic\":false,\"events\":[{}]}}", vec!["1"; 65_536].join(","));
    let answer = server.post("/api/v1/events/batch", &body);
    assert_eq!(answer.status, 207);
    let answer: Value = serde_json::from_str(&answer.text).expect("JSON");
    assert_eq!((&answer["total"], &answer["ingested"]), (&json!(65_536), &json!(0)));
    assert_eq!(answer["events"].as_array().map(Vec::len), Some(65_536));
}
