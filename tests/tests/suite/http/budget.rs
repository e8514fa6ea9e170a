//! One budget of bytes for all that requests and answers hold.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use allsource_tests::server::Server;
use serde_json::{Value, json};

use super::append;

const PATIENCE: Duration = Duration::from_secs(60);
const MIB: usize = 1 << 20;

/// A request of which the last of 16 MiB never comes.
fn unfinished(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(&server.address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let head = format!(
        "POST /api/v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        16 * MIB
    );
    stream.write_all(head.as_bytes()).expect("the head");
    for _ in 0..15 {
        stream.write_all(&vec![b'x'; MIB]).expect("a part of the body");
    }
    stream
}

/// The head of an answer.
fn head(stream: &mut TcpStream) -> String {
    let lines = BufReader::new(stream).lines().map(|line| line.expect("a line"));
    lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

#[test]
fn bodies_that_never_end_cannot_fill_the_memory_nor_keep_small_requests_out() {
    let server = Server::start();
    // 224 MiB are for large requests: 14 of these fit.
    let mut waiting: Vec<TcpStream> = (0..16).map(|_| unfinished(&server)).collect();
    append(&server, "small", &json!(1));
    assert_eq!(server.get("/healthz").status, 200);
    assert_eq!(server.get("/metrics").status, 200);
    let large = json!({"entity_id": "e", "event_type": "t", "payload": "x".repeat(4 * MIB)}).to_string();
    let refused = server.post("/api/v1/events", &large);
    if refused.status == 503 {
        assert_eq!(refused.header("retry-after"), Some("1"));
        refused.problem(503, "overloaded");
    }
    // What a refused client goes on sending is taken for a while before it is answered.
    let deadline = Instant::now() + PATIENCE;
    let mut count = 0;
    while count < 2 && Instant::now() < deadline {
        waiting.retain_mut(|stream| {
            stream.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
            let is_answered = stream.read(&mut [0]).is_ok();
            count += u32::from(is_answered);
            !is_answered
        });
    }
    assert!(count >= 2, "only {count} of 16 were refused");
    drop(waiting);
    for attempt in 0.. {
        let answer = server.post("/api/v1/events", &large);
        if answer.status == 200 {
            break;
        }
        assert!(answer.status == 503 && attempt < 200, "there is room again: {}", answer.text);
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_has_begun_waits_for_room_and_misses_nothing() {
    let server = Server::start();
    for n in 0..3 {
        append(&server, "large", &json!(format!("{n}{}", "x".repeat(7 * MIB))));
    }
    let mut crowd: Vec<TcpStream> = (0..15).map(|_| unfinished(&server)).collect();
    let ask = |path: &str, accept: &str| {
        let mut stream = TcpStream::connect(&server.address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("a request");
        stream
    };
    let mut following = ask("/api/v1/events/stream?from=beginning", "text/event-stream");
    let mut lines = ask("/api/v1/events/query", "application/x-ndjson");
    assert!(head(&mut lines).starts_with("HTTP/1.1 200"), "an answer that begins");
    crowd.drain(..).for_each(drop);
    let mut seen = Vec::new();
    for line in BufReader::new(&mut following).lines().map(|line| line.expect("a line")) {
        if let Some(event) = line.strip_prefix("data: {\"").map(|_| &line[6..]) {
            let event: Value = serde_json::from_str(event).expect("JSON");
            if event["payload"].is_null() {
                break;
            }
            seen.push(event["position"].as_u64());
        }
    }
    assert_eq!(seen, [Some(1), Some(2), Some(3)]);
    let answer = server.send("GET", "/api/v1/events/query", &[("accept", "application/x-ndjson")], "");
    assert_eq!(answer.text.lines().count(), 3);
}
