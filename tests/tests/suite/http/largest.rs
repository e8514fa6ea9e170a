//! An event with every field at its limit passes every way in and every way out.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use allsource_tests::server::Server;
use serde_json::{Value, json};

use super::streams::{connect, frame};

const EVENTS: &str = "/api/v1/events";
const BATCH: &str = "/api/v1/events/batch";
const LINES: (&str, &str) = ("content-type", "application/x-ndjson");
const PAYLOAD_BYTES: usize = 8 << 20;

/// JSON text of exactly this many bytes that is almost twice as long as the text of a JSON string.
fn long_json(bytes: usize) -> String {
    let text = format!("[{}\"\"]", "\"\",\n".repeat(1000));
    format!("{text}{}", "\n".repeat(bytes - text.len()))
}

/// The body of an event with every field at its limit, of JSON or of bytes, and its payload.
fn largest(number: usize, is_json: bool) -> (String, String) {
    let payload = if is_json { long_json(PAYLOAD_BYTES) } else { "AAAA".repeat(PAYLOAD_BYTES / 3) + "AAA=" };
    let mut event = json!({
        "entity_id": format!("{number}{}", "\"".repeat(511)),
        "event_type": "\"".repeat(256),
        "tenant_id": "t".repeat(64),
        "metadata_text": long_json(64 << 10),
        "tags": (0..64).map(|n| format!("{n:0>2}{}", "\"".repeat(254))).collect::<Vec<_>>(),
    });
    event[if is_json { "payload_text" } else { "payload_base64" }] = payload.clone().into();
    (event.to_string(), payload)
}

/// Checks that an event, given as text, has the payload.
fn check(event: &str, payload: &str, is_json: bool, way: &str) {
    let place = if is_json { "\"payload\":" } else { "\"payload_base64\":\"" };
    let found = event.split_once(place).unwrap_or_else(|| panic!("{way}: no payload")).1;
    let same = |(one, other): (u8, u8)| one == other || (one, other) == (b' ', b'\n');
    assert!(
        found.len() > payload.len() && found.bytes().zip(payload.bytes()).all(same),
        "{way}: the payload differs"
    );
}

/// The first data line of a stream of server-sent events. A message is one chunk of the body, so it is whole.
fn sent_event(server: &Server, query: &str) -> String {
    let mut stream = TcpStream::connect(&server.address).unwrap();
    let head =
        format!("GET {EVENTS}/stream?{query} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    lines.find(|line| line.starts_with("data: ")).expect("a message")
}

#[test]
fn the_largest_event_passes_every_way_in_and_out() {
    let server = Server::start();
    for is_json in [true, false] {
        let number = usize::from(is_json) * 4;
        let body = |way: usize| largest(number + way, is_json);
        let (event, payload) = body(0);
        assert!(!is_json || event.len() > (16 << 20), "{}", event.len());
        let id = server.post(EVENTS, &event).success()["event_id"].as_str().unwrap().to_owned();
        for (way, atomic) in [(1, true), (2, false)] {
            let batch = format!("{{\"atomic\":{atomic},\"events\":[{}]}}", body(way).0);
            assert_eq!(server.post(BATCH, &batch).success()["ingested"], 1);
        }
        let imported = server.send("POST", BATCH, &[LINES], &format!("{}\n", body(3).0)).success();
        assert_eq!((&imported["ingested"], &imported["refused_count"]), (&json!(1), &json!(0)), "{imported}");

        let tenant = format!("tenant_id={}", "t".repeat(64));
        let one = server.get(&format!("{EVENTS}/{id}?{tenant}"));
        check(&one.text, &payload, is_json, "by id");
        assert_eq!(one.success()["event"]["tags"].as_array().map(Vec::len), Some(64));
        let entity = format!("{tenant}&entity_id={}{}", number, "%22".repeat(511));
        let page = server.get(&format!("{EVENTS}/query?{entity}"));
        assert_eq!(page.success()["count"], 1);
        check(&page.text, &payload, is_json, "a page");
        let lines = server.send(
            "GET",
            &format!("{EVENTS}/query?{entity}"),
            &[("accept", "application/x-ndjson")],
            "",
        );
        assert_eq!(lines.text.lines().count(), 1);
        check(&lines.text, &payload, is_json, "lines");
        check(&sent_event(&server, &format!("{entity}&from=beginning")), &payload, is_json, "server-sent");
        let mut socket = connect(&server, &format!("?{entity}&from=beginning"));
        let frame = frame(&server, &mut socket);
        assert_eq!(frame["event"]["metadata"], serde_json::from_str::<Value>(&long_json(64 << 10)).unwrap());
        let state = server.get(&format!("/api/v1/entities/state?{entity}&history=true")).success();
        assert_eq!((&state["version"], state["history"].as_array().map(Vec::len)), (&json!(1), Some(1)));
    }
}

/// A body beyond the limit is refused, and the problem names the limit.
#[test]
fn a_body_beyond_the_limit_is_refused() {
    let server = Server::start();
    let beyond = format!("{{\"entity_id\":\"a\",{}", " ".repeat(18 << 20));
    for path in [EVENTS, BATCH] {
        assert_eq!(server.post(path, &beyond).problem(413, "too-large")["limit"], 18 << 20);
    }
    let summary = server.send("POST", BATCH, &[LINES], &beyond).success();
    assert_eq!(summary["refused"][0]["type"], "/problems/too-large");
}
