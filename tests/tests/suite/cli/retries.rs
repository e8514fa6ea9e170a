//! A retry of a request that was stored before a dump is answered with its first result after the import, too.

use std::path::Path;

use allsource_tests::command::Program;
use allsource_tests::server::{Answer, Client};
use serde_json::json;

use super::{json, start};

const JSON: (&str, &str) = ("content-type", "application/json");
const LINES: (&str, &str) = ("content-type", "application/x-ndjson");
const BATCH: &str = "/api/v1/events/batch";

fn key(name: &str) -> (&'static str, String) {
    ("idempotency-key", name.to_owned())
}

/// Sends every kind of request that can be repeated; none names a timestamp but the last.
fn send_all(client: &Client) -> Vec<Answer> {
    let event = |n: u32| json!({"entity_id": format!("e-{}", n % 2), "event_type": "t", "payload": {"n": n}});
    let with_id = |n: u32| {
        let mut event = event(n);
        event["id"] = format!("00000000-0000-4000-8000-{n:012}").into();
        event
    };
    let send = |path: &str, kind: (&str, &str), name: Option<&str>, body: &str| {
        let name = name.map(key);
        let mut headers = vec![kind];
        headers.extend(name.as_ref().map(|(header, name)| (*header, name.as_str())));
        client.send("POST", path, &headers, body)
    };
    let lines = |events: [serde_json::Value; 2]| events.map(|event| format!("{event}\n")).concat();
    let batch = |atomic: bool, events: [serde_json::Value; 2]| {
        json!({"atomic": atomic, "events": events}).to_string()
    };
    let mut dated = with_id(20);
    dated["timestamp"] = "2026-01-01T00:00:00Z".into();
    vec![
        send("/api/v1/events", JSON, None, &with_id(1).to_string()),
        send("/api/v1/events", JSON, Some("single"), &event(2).to_string()),
        send(BATCH, JSON, None, &batch(true, [with_id(3), with_id(4)])),
        send(BATCH, JSON, Some("atomic"), &batch(true, [event(5), event(6)])),
        send(BATCH, JSON, None, &batch(false, [with_id(7), with_id(8)])),
        send(BATCH, JSON, Some("each"), &batch(false, [event(9), event(10)])),
        send(BATCH, LINES, None, &lines([with_id(11), with_id(12)])),
        send(BATCH, LINES, Some("lines"), &lines([event(13), event(14)])),
        send("/api/v1/events", JSON, None, &dated.to_string()),
    ]
}

fn count_replayed(answers: &[Answer]) -> usize {
    let count = |answer: &Answer| {
        let body = answer.success();
        let events =
            body["events"].as_array().map(|events| events.iter().filter(|e| e["replayed"] == true).count());
        events.unwrap_or_else(|| match &body["replayed"] {
            serde_json::Value::Bool(replayed) => usize::from(*replayed),
            number => usize::try_from(number.as_u64().unwrap_or(0)).unwrap(),
        })
    };
    answers.iter().map(count).sum()
}

#[test]
fn a_retry_after_dump_and_import_gets_the_first_result() {
    let running = start();
    let first = send_all(&Client::of(running.program.address()));
    assert_eq!(count_replayed(&first), 0);
    let by_hand = ["append", "hand", "t", "1", "--idempotency-key", "by-hand"];
    running.program.run(&by_hand).success();
    let store = running.folder.path().join("store");
    running.process.stop();
    let offline = Program::new(Path::new(env!("CARGO_BIN_EXE_server")), "127.0.0.1:1");
    let dump = offline.run(&["dump", store.to_str().unwrap()]).success();
    assert_eq!((dump.lines().count(), dump.matches(r#""timestamp_source":"clock""#).count()), (16, 15));

    let other = start();
    other.program.run_with(&["import"], &dump).success();
    let again = send_all(&Client::of(other.program.address()));
    assert_eq!(count_replayed(&again), 15);
    for (again, first) in again.iter().zip(&first).filter(|(again, _)| again.json()["event_id"].is_string()) {
        let [again, first] = [again, first].map(Answer::json);
        assert_eq!((&again["event_id"], &again["timestamp"]), (&first["event_id"], &first["timestamp"]));
    }
    assert!(other.program.run(&by_hand).success().contains("already"), "the append by hand is a repetition");
    // What an author dated stays dated by its author: leaving the timestamp out makes another event.
    let undated = r#"{"id":"00000000-0000-4000-8000-000000000020","entity_id":"e-0","event_type":"t","payload":{"n":20}}"#;
    let client = Client::of(other.program.address());
    client.send("POST", "/api/v1/events", &[JSON], undated).problem(409, "duplicate-id");
    let twice = json(&other.program.run_with(&["import", "--output", "json"], &dump).success());
    assert_eq!((&twice["replayed"], &twice["refused"]), (&16.into(), &0.into()));
    let copy = other.folder.path().join("store");
    other.process.stop();
    assert!(offline.run(&["dump", copy.to_str().unwrap()]).success() == dump, "the copy differs");
}

#[test]
fn a_source_of_a_timestamp_is_clock_or_an_error() {
    let running = start();
    let client = Client::of(running.program.address());
    let event = |more: &str| format!("{{\"entity_id\":\"a\",\"event_type\":\"t\",\"payload\":1{more}}}");
    let time = r#","timestamp":"2026-01-01T00:00:00Z""#;
    for (more, reason) in [
        (format!(r#"{time},"timestamp_source":"author""#), "`author` is unknown"),
        (format!(r#"{time},"timestamp_source":"""#), "can only be `clock`"),
        (r#","timestamp_source":"clock""#.to_owned(), "has none"),
    ] {
        let answer = client.send("POST", "/api/v1/events", &[JSON], &event(&more));
        let problem = answer.problem(400, "invalid-event");
        assert!(
            problem["field"] == "timestamp_source" && problem["detail"].as_str().unwrap().contains(reason)
        );
        let summary = client.send("POST", BATCH, &[LINES], &event(&more)).success();
        assert!(summary["refused"][0]["error"].as_str().unwrap().contains(reason), "{summary}");
        let imported = running.program.run_with(&["import"], &event(&more));
        assert!(imported.err.contains(reason), "{imported:?}");
    }
    let dated = event(&format!(r#"{time},"timestamp_source":"clock""#));
    let stored = client.send("POST", "/api/v1/events", &[JSON], &dated).success();
    assert_eq!(stored["timestamp"], "2026-01-01T00:00:00.000000Z");
    // The source is for copies only: no way to read shows it.
    let read = running.program.run(&["read", "a", "--output", "ndjson"]).success();
    assert!(read.contains("2026-01-01") && !read.contains("timestamp_source"), "{read}");
}
