//! Following the log.

use std::time::Duration;

use allsource_tests::server::Server;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::append;

pub(super) const PATIENCE: Duration = Duration::from_secs(20);

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub(super) fn connect(server: &Server, query: &str) -> Socket {
    let url = format!("ws://{}/api/v1/events/stream{query}", server.address);
    server.runtime.block_on(async { connect_async(url).await.expect("a stream").0 })
}

pub(super) fn frame(server: &Server, socket: &mut Socket) -> Value {
    server.runtime.block_on(async {
        loop {
            let message = timeout(PATIENCE, socket.next()).await.expect("a frame in time");
            match message.expect("an open stream").expect("a frame") {
                Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                Message::Close(frame) => return json!({"closed": frame.map(|frame| u16::from(frame.code))}),
                _ => {}
            }
        }
    })
}

pub(super) fn say(server: &Server, socket: &mut Socket, text: &str) {
    server.runtime.block_on(socket.send(Message::text(text))).expect("the frame is sent");
}

#[test]
fn a_stream_from_the_beginning_catches_up_and_continues() {
    let server = Server::start();
    for n in 1..=3 {
        append(&server, "e", &json!(n));
    }
    let mut socket = connect(&server, "?from=2");
    for position in 2..=3 {
        let frame = frame(&server, &mut socket);
        assert_eq!((&frame["type"], &frame["position"]), (&json!("event"), &json!(position)));
        assert_eq!(frame["event"]["payload"], position);
    }
    let caught_up = frame(&server, &mut socket);
    assert_eq!((&caught_up["type"], &caught_up["position"]), (&json!("caught_up"), &json!(3)));
    assert!(caught_up["cursor"].as_str().unwrap().starts_with("3-"), "{caught_up}");
    append(&server, "e", &json!(4));
    assert_eq!(frame(&server, &mut socket)["event"]["payload"], 4);
}

#[test]
fn a_filter_that_matches_nothing_still_moves_the_cursor() {
    let server = Server::start();
    let mut socket = connect(&server, "?from=beginning&entity_id=other");
    assert_eq!(frame(&server, &mut socket)["type"], "caught_up");
    append(&server, "e", &json!(1));
    let progress = frame(&server, &mut socket);
    assert_eq!((&progress["type"], &progress["position"]), (&json!("progress"), &json!(1)));
    assert!(progress["cursor"].as_str().unwrap().starts_with("1-"), "{progress}");
}

#[test]
fn a_client_without_parameters_gets_bare_live_events_and_may_send_a_filter() {
    let server = Server::start();
    append(&server, "before", &json!(0));
    let mut socket = connect(&server, "");
    say(&server, &mut socket, r#"{"entity_id":"a","event_type":null}"#);
    say(&server, &mut socket, r#"{"entity":"a"}"#);
    let refused = frame(&server, &mut socket);
    assert_eq!(refused["problem"]["type"], "/problems/unknown-field");
    append(&server, "b", &json!(1));
    append(&server, "a", &json!(2));
    let event = frame(&server, &mut socket);
    assert_eq!(
        (&event["entity_id"], &event["payload"], &event["position"]),
        (&json!("a"), &json!(2), &json!(3))
    );
}

#[test]
fn a_stopping_server_says_goodbye() {
    let mut server = Server::start();
    let mut socket = connect(&server, "?from=now");
    assert_eq!(frame(&server, &mut socket)["type"], "caught_up");
    server.stop();
    assert_eq!(frame(&server, &mut socket), json!({"closed": 1001}));
}

/// Reads server-sent events until `count` blocks have come.
fn blocks(server: &Server, query: &str, last_id: Option<&str>, count: usize) -> Vec<String> {
    use std::io::BufRead as _;
    let agent = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).build().new_agent();
    let url = server.url(&format!("/api/v1/events/stream{query}"));
    let mut request = agent.get(url).header("accept", "text/event-stream");
    if let Some(id) = last_id {
        request = request.header("last-event-id", id);
    }
    let response = request.call().expect("a stream");
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut lines = std::io::BufReader::new(response.into_body().into_reader()).lines();
    let mut block = || {
        let lines = lines.by_ref().map(|line| line.expect("a line"));
        lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
    };
    (0..count).map(|_| block()).collect()
}

#[test]
fn server_sent_events_resume_after_the_last_id() {
    let server = Server::start();
    for n in 1..=3 {
        append(&server, "e", &json!(n));
    }
    let first = blocks(&server, "?from=beginning", None, 4);
    let id = |block: &str| block.split_once("id: ").unwrap().1.split('\n').next().unwrap().to_owned();
    assert!(first[0].starts_with("id: 1-") && first[0].contains("\ndata: {"), "{first:?}");
    let last = id(&first[3]);
    let data = format!("data: {{\"position\":3,\"cursor\":\"{last}\"}}");
    assert_eq!(first[3], format!("event: caught_up\nid: {last}\n{data}"));
    for seen in [id(&first[1]), "2".to_owned()] {
        let resumed = blocks(&server, "?from=beginning", Some(&seen), 2);
        assert!(resumed[0].starts_with("id: 3-"), "{resumed:?}");
        assert!(resumed[1].starts_with("event: caught_up"), "{resumed:?}");
    }
    let by_parameter = blocks(&server, &format!("?cursor={}", id(&first[0])), None, 1);
    assert!(by_parameter[0].starts_with("id: 2-"), "{by_parameter:?}");
}

/// Such a cursor would silently skip events that the client has never seen.
#[test]
fn a_cursor_from_another_history_is_refused_by_every_way_to_read() {
    let server = Server::start();
    for n in 1..=3 {
        append(&server, "e", &json!(n));
    }
    let sse = [("accept", "text/event-stream")];
    let foreign = "2-000102030405060708090a0b0c0d0e0f";
    let stream = "/api/v1/events/stream";
    let refused = |path: &str, headers: &[(&str, &str)]| {
        let answer = server.send("GET", path, headers, "");
        assert_eq!((answer.status, answer.json()["type"].as_str()), (409, Some("/problems/cursor-refused")));
        answer.json()
    };
    let problem = refused(&format!("{stream}?cursor={foreign}"), &sse);
    assert_eq!((&problem["position"], &problem["common_position"]), (&json!(2), &json!(null)));
    refused(stream, &[sse[0], ("last-event-id", foreign)]);
    assert_eq!(refused(stream, &[sse[0], ("last-event-id", "4")])["end"], 3);
    let page = server.send("GET", "/api/v1/events/query?limit=2", &[], "").json();
    let (cursor, other) = (page["next_cursor"].as_str().unwrap(), Server::start());
    let path = format!("/api/v1/events/query?limit=2&cursor={cursor}");
    assert_eq!(server.send("GET", &path, &[], "").json()["count"], 1);
    assert_eq!(other.send("GET", &path, &[], "").status, 409);
    let stats = server.send("GET", "/api/v1/stats", &[], "").json();
    assert_eq!(stats["lineage"][0]["incarnation"], stats["incarnation"]);
    assert_eq!(server.send("GET", "/health", &[], "").json()["incarnation"], stats["incarnation"]);
}

#[test]
fn a_slow_reader_gets_every_event() {
    let server = Server::start();
    let mut socket = connect(&server, "?from=beginning");
    assert_eq!(frame(&server, &mut socket)["type"], "caught_up");
    let payload = json!("x".repeat(2000));
    let lines: Vec<String> = (0..20_000)
        .map(|_| json!({"event_type": "t", "entity_id": "e", "payload": payload}).to_string())
        .collect();
    let kind = [("content-type", "application/x-ndjson")];
    server.send("POST", "/api/v1/events/batch", &kind, &lines.join("\n")).success();
    for position in 1..=20_000 {
        assert_eq!(frame(&server, &mut socket)["position"], position);
    }
}
