//! One budget of bytes for all that requests and answers hold.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use allsource_tests::server::Server;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use super::append;

const PATIENCE: Duration = Duration::from_secs(60);
const MIB: usize = 1 << 20;

/// A request of which the last of 16 MiB never comes.
fn unfinished(server: &Server) -> TcpStream {
    partial(server, 15 * MIB)
}

/// A request of which only this much of 16 MiB comes.
fn partial(server: &Server, bytes: usize) -> TcpStream {
    let mut stream = TcpStream::connect(&server.address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let head = format!(
        "POST /api/v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        16 * MIB
    );
    stream.write_all(head.as_bytes()).expect("the head");
    stream.write_all(&vec![b'x'; bytes]).expect("a part of the body");
    stream
}

/// Requests that leave no room for another large one.
fn filling(server: &Server) -> Vec<TcpStream> {
    let large = json!({"entity_id": "e", "event_type": "t", "payload": "x".repeat(70 << 10)}).to_string();
    let mut crowd: Vec<TcpStream> = (0..225).map(|_| partial(server, MIB)).collect();
    let mut refused = 0;
    // A body that moves to a larger buffer takes more for a moment.
    while refused < 20 {
        if server.post("/api/v1/events", &large).status == 503 {
            refused += 1;
            std::thread::sleep(Duration::from_millis(5));
        } else {
            assert!(crowd.len() < 1000, "the budget is never full");
            crowd.push(partial(server, 70 << 10));
            refused = 0;
        }
    }
    crowd
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

#[test]
fn a_websocket_without_room_answers_pings_and_goes_on_once_there_is_room() {
    let server = Server::start();
    for n in 0..3 {
        append(&server, "large", &json!(format!("{n}{}", "x".repeat(7 * MIB))));
    }
    let crowd = filling(&server);
    let url = format!("ws://{}/api/v1/events/stream?from=beginning", server.address);
    let seen = server.runtime.block_on(async {
        let mut socket = connect_async(url).await.expect("a stream").0;
        socket.send(Message::Ping(b"there?".as_slice().into())).await.expect("a ping");
        let answer = timeout(PATIENCE, socket.next()).await.expect("in time").expect("a message");
        assert!(answer.expect("a message").is_pong(), "no event fits");
        drop(crowd);
        let mut seen = Vec::new();
        while seen.len() < 3 {
            let message = timeout(PATIENCE, socket.next()).await.expect("in time").expect("a message");
            let Message::Text(text) = message.expect("a message") else { continue };
            let message: Value = serde_json::from_str(&text).expect("JSON");
            if message["event"]["entity_id"] == "large" {
                assert_eq!(message["event"]["payload"].as_str().map(str::len), Some(7 * MIB + 1));
                seen.push(message["position"].as_u64());
            }
        }
        seen
    });
    assert_eq!(seen, [Some(1), Some(2), Some(3)]);
}

#[test]
fn a_state_takes_room_while_it_is_folded_and_is_refused_when_there_is_none() {
    let server = Server::start();
    append(&server, "small", &json!({"name": "Ada"}));
    for n in 0..3 {
        append(&server, "large", &json!({format!("m{n}"): "x".repeat(7 * MIB)}));
    }
    let state = |entity: &str| server.get(&format!("/api/v1/entities/{entity}/state"));
    let snapshot = json!({"entity_id": "large"}).to_string();
    let crowd = filling(&server);
    assert_eq!(state("small").success()["current_state"], json!({"name": "Ada"}));
    for refused in [
        state("large"),
        server.get("/api/v1/entities/large/snapshot"),
        server.get("/api/v1/entities/large/state?at_version=2"),
        server.post("/api/v1/snapshots", &snapshot),
    ] {
        assert_eq!(refused.header("retry-after"), Some("1"));
        refused.problem(503, "overloaded");
    }
    drop(crowd);
    let deadline = Instant::now() + PATIENCE;
    while state("large").status != 200 {
        assert!(Instant::now() < deadline, "there is room again");
    }
    let whole = server.get("/api/v1/entities/large/state?history=true").success();
    assert_eq!(whole["history"].as_array().map(Vec::len), Some(3));
    // No budget holds a state of 120 MiB twice; its events can be read all the same.
    for n in 3..18 {
        append(&server, "large", &json!({format!("m{n}"): "x".repeat(7 * MIB)}));
    }
    let refused = state("large").problem(413, "too-large");
    assert!(refused["detail"].as_str().is_some_and(|text| text.contains("memory_bytes")), "{refused}");
    let page = server.get("/api/v1/events/query?entity_id=large&limit=1&order=desc").success();
    assert_eq!(page["events"][0]["version"], 18);
}

#[test]
fn a_page_without_room_is_shortened_or_refused_and_a_small_one_is_answered() {
    let server = Server::start();
    append(&server, "small", &json!(1));
    for n in 0..12 {
        append(&server, "large", &json!({"n": n, "filling": "x".repeat(500 << 10)}));
    }
    let crowd = filling(&server);
    server.get("/api/v1/events/query?entity_id=large&limit=1&order=desc").problem(503, "overloaded");
    assert_eq!(server.get("/api/v1/events/query?entity_id=small").success()["count"], 1);
    // A page takes what fits and names the next one, until every event was read.
    let total = server.get("/api/v1/stats").success()["total_events"].as_u64().expect("a number");
    let (mut seen, mut path) = (0, "/api/v1/events/query".to_owned());
    let deadline = Instant::now() + PATIENCE;
    let mut crowd = crowd.into_iter();
    while seen < total {
        assert!(Instant::now() < deadline, "only {seen} events were read");
        let answer = server.get(&path);
        if answer.status == 503 {
            crowd.next();
            continue;
        }
        let page = answer.success();
        seen += page["count"].as_u64().expect("a count");
        if let Some(cursor) = page["next_cursor"].as_str() {
            path = format!("/api/v1/events/query?cursor={cursor}");
        }
    }
    assert_eq!(seen, total);
}

/// The bytes that the bodies of these unread answers have together.
fn unread_bytes(server: &Server, path: &str, count: usize) -> u64 {
    let ask = |_| {
        let mut stream = TcpStream::connect(&server.address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).expect("a request");
        let head = head(&mut stream).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        (length.expect("a length").parse::<u64>().expect("a number"), stream)
    };
    let answers: Vec<(u64, TcpStream)> = (0..count).map(ask).collect();
    answers.iter().map(|(length, _)| length).sum()
}

#[test]
fn a_history_is_charged_until_it_is_read() {
    let server = Server::start();
    for _ in 0..4 {
        append(&server, "history", &json!({"text": "x".repeat(4 * MIB)}));
    }
    append(&server, "history", &json!({"text": ""}));
    let bytes = unread_bytes(&server, "/api/v1/entities/history/state?history=true", 30);
    assert!(bytes < 256 << 20, "{bytes} bytes are held");
    assert!(bytes > 30 << 20, "{bytes} bytes are answered");
}

#[test]
fn a_stream_without_room_still_says_that_it_has_caught_up() {
    let server = Server::start();
    append(&server, "small", &json!(1));
    let crowd = filling(&server);
    let mut stream = TcpStream::connect(&server.address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let request =
        "GET /api/v1/events/stream?from=now HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("a request");
    let mut lines = BufReader::new(stream).lines().map(|line| line.expect("a line in time"));
    assert!(lines.any(|line| line.starts_with("event: caught_up")));
    let url = format!("ws://{}/api/v1/events/stream?from=now", server.address);
    server.runtime.block_on(async {
        let mut socket = connect_async(url).await.expect("a stream").0;
        let message = timeout(PATIENCE, socket.next()).await.expect("in time").expect("a message");
        let text = message.expect("a message").into_text().expect("text");
        assert!(text.contains("caught_up"), "{text}");
    });
    drop(crowd);
}
