//! How WebSocket streams end: both sides send a close frame, and one for a violation names the broken rule.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use allsource_tests::server::Server;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

const PATIENCE: Duration = Duration::from_secs(20);

/// A stream for writing frames byte by byte.
fn raw(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(&server.address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let head = format!(
        "GET /api/v1/events/stream HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        server.address
    );
    stream.write_all(head.as_bytes()).expect("the request");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("the answer");
        answer.push(byte[0]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
    stream
}

/// A frame of a client, masked with zeros.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match u8::try_from(payload.len()) {
        Ok(length) if length < 126 => frame.push(0x80 | length),
        _ => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

/// The code of the close frame that the server sends next; 0 if it has none.
fn closed(stream: &mut TcpStream) -> u16 {
    let mut head = [0; 2];
    stream.read_exact(&mut head).expect("a frame");
    assert_eq!(head[0], 0x88, "a close frame");
    let mut payload = vec![0; usize::from(head[1])];
    stream.read_exact(&mut payload).expect("the rest of the frame");
    payload.first_chunk().map_or(0, |code| u16::from_be_bytes(*code))
}

#[test]
fn a_client_that_closes_gets_its_close_frame_back() {
    let server = Server::start();
    for code in [CloseCode::Normal, CloseCode::Away, CloseCode::Library(4000)] {
        let url = format!("ws://{}/api/v1/events/stream?from=beginning", server.address);
        let answered = server.runtime.block_on(async {
            let mut socket = connect_async(url).await.expect("a stream").0;
            let frame = CloseFrame { code, reason: "done".into() };
            socket.send(Message::Close(Some(frame))).await.expect("the frame is sent");
            loop {
                match timeout(PATIENCE, socket.next()).await.expect("an answer in time") {
                    Some(Ok(Message::Close(frame))) => break frame,
                    Some(Ok(_)) => {}
                    other => panic!("the connection ended without a close frame: {other:?}"),
                }
            }
        });
        assert_eq!(answered.expect("a code").code, code);
    }
    let mut stream = raw(&server);
    stream.write_all(&frame(0x8, b"")).expect("a close frame without a code");
    assert_eq!(closed(&mut stream), 0);
    assert_eq!(stream.read(&mut [0]).expect("the end"), 0, "the server closes the connection");
}

#[test]
fn a_protocol_violation_is_closed_with_its_code() {
    let server = Server::start();
    let unmasked = vec![0x81, 0x02, b'{', b'}'];
    let reserved_bits = [0xf1_u8].into_iter().chain(frame(0x1, b"{}").into_iter().skip(1)).collect();
    for (bytes, code, what) in [
        (unmasked, 1002, "a frame that is not masked"),
        (reserved_bits, 1002, "a frame with reserved bits"),
        (frame(0x3, b""), 1002, "a reserved opcode"),
        (frame(0x9, &[0; 126]), 1002, "a long ping"),
        (frame(0x0, b"x"), 1002, "a continuation of nothing"),
        (frame(0x8, b"\x03"), 1002, "half a close code"),
        (frame(0x1, &[0xff, 0xfe]), 1007, "text that is not UTF-8"),
        (frame(0x1, &[b'x'; 20 << 10]), 1009, "a message that is too large"),
    ] {
        let mut stream = raw(&server);
        stream.write_all(&bytes).expect("the frame");
        assert_eq!(closed(&mut stream), code, "{what}");
    }
}

#[test]
fn a_client_that_leaves_an_idle_stream_is_noticed_before_the_next_heartbeat() {
    let server = Server::start();
    let open = |how_many: u32| {
        let text = server.get("/metrics").text;
        let line = format!("allsource_stream_connections{{protocol=\"sse\"}} {how_many}");
        text.lines().any(|found| found == line)
    };
    let follow = || {
        let mut stream = TcpStream::connect(&server.address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let head = "GET /api/v1/events/stream HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n";
        stream.write_all(head.as_bytes()).expect("a request");
        read_until(&mut stream, "caught_up");
        stream
    };
    let (gone, mut half) = (follow(), follow());
    assert!(open(2));
    let started = Instant::now();
    drop(gone);
    half.shutdown(Shutdown::Write).expect("half of the connection");
    while !open(1) {
        assert!(started.elapsed() < Duration::from_secs(5), "the stream is still open");
        std::thread::sleep(Duration::from_millis(20));
    }
    super::append(&server, "e", &serde_json::json!("for the half-closed client"));
    read_until(&mut half, "for the half-closed client");
}

/// Reads until this text has come, and what has arrived with it.
fn read_until(stream: &mut TcpStream, text: &str) {
    let mut found = String::new();
    while !found.contains(text) {
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).expect("more of the stream");
        assert!(count > 0, "the stream ended: {found}");
        found.push_str(&String::from_utf8_lossy(&piece[..count]));
    }
}
