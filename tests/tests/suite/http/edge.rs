//! Corner cases of HTTP, sent byte by byte where client libraries do not allow them.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use allsource_tests::server::Server;
use serde_json::{Value, json};

const EVENT: &str = r#"{"event_type":"t","entity_id":"e","payload":{"n":1}}"#;

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(&server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Reads until the server closes the connection, or sends nothing for a while.
fn answer(stream: &mut TcpStream) -> String {
    let (mut text, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => text.extend_from_slice(&piece[..length]),
            Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&text)),
        }
    }
    String::from_utf8(text).unwrap()
}

fn post(path: &str, headers: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n{body}")
}

#[test]
fn a_request_without_one_host_is_refused() {
    let server = Server::start();
    let check = |head: &str, status: &str| {
        let mut stream = connect(&server);
        stream
            .write_all(format!("GET /healthz HTTP/{head}\r\nConnection: close\r\n\r\n").as_bytes())
            .unwrap();
        let text = answer(&mut stream);
        assert!(
            text.starts_with(&format!("HTTP/1.1 {status}")) || text.starts_with("HTTP/1.0 200"),
            "{text}"
        );
    };
    check("1.1", "400");
    check("1.1\r\nHost: a\r\nHost: b", "400");
    check("1.1\r\nHost: a", "200");
    check("1.0", "200");
}

/// A client that has shut down its sending side must still be answered.
#[test]
fn a_half_closed_connection_is_answered() {
    let server = Server::start();
    let mut stream = connect(&server);
    let head = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", EVENT.len());
    stream.write_all(post("/api/v1/events", &head, EVENT).as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let text = answer(&mut stream);
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("\"position\":1"), "{text}");
    let mut stream = connect(&server);
    stream.write_all(b"GET /api/v1/events/query HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let text = answer(&mut stream);
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("\"has_more\":false"), "{text}");
}

/// The server must not ask for a body it will refuse, or wait for all of it.
#[test]
fn a_body_that_will_be_refused_is_not_asked_for() {
    let server = Server::start();
    let expecting = "Expect: 100-continue\r\nContent-Length: 50000000\r\nConnection: close\r\n";
    let refused = [
        ("/api/v1/events", "Content-Type: text/plain\r\n", "415"),
        ("/api/v1/events", "Content-Type: application/json\r\n", "413"),
        ("/api/v1/events", "Content-Type: application/json\r\nIf-Match: \"x\"\r\n", "400"),
        ("/api/v1/events", "Content-Type: application/json\r\nIdempotency-Key: a b\r\n", "400"),
        ("/api/v1/events/batch", "Content-Type: application/x-ndjson\r\nIdempotency-Key: a b\r\n", "400"),
        ("/api/v1/events/batch", "Content-Type: application/json\r\nX-Tenant-ID: a b\r\n", "400"),
        ("/api/v1/events?tenant=x", "Content-Type: application/json\r\n", "400"),
        ("/api/v1/events/batch", "Content-Type: application/json\r\nContent-Encoding: gzip\r\n", "415"),
        ("/api/v1/snapshots", "Content-Type: application/xml\r\n", "415"),
        ("/nowhere", "Content-Type: application/json\r\n", "404"),
        ("/health", "Content-Type: application/json\r\n", "405"),
    ];
    for (path, headers, status) in refused {
        let mut stream = connect(&server);
        stream.write_all(post(path, &format!("{headers}{expecting}"), "").as_bytes()).unwrap();
        let text = answer(&mut stream);
        assert!(text.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {text}");
        assert!(!text.contains("100 Continue"), "{path}: {text}");
    }
    // The server asks for a body it accepts.
    let mut stream = connect(&server);
    let head = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", EVENT.len());
    let head = format!("{head}Expect: 100-continue\r\nConnection: close\r\n");
    stream.write_all(post("/api/v1/events", &head, "").as_bytes()).unwrap();
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(EVENT.as_bytes()).unwrap();
    assert!(answer(&mut stream).starts_with("HTTP/1.1 200"));
}

/// Otherwise the compressed bytes would be taken for the body.
#[test]
fn an_unknown_transfer_coding_is_refused() {
    let server = Server::start();
    let mut stream = connect(&server);
    let head = "Content-Type: application/json\r\nTransfer-Encoding: gzip, chunked\r\nConnection: close\r\n";
    let body = format!("{:x}\r\n{EVENT}\r\n0\r\n\r\n", EVENT.len());
    stream.write_all(post("/api/v1/events", head, &body).as_bytes()).unwrap();
    let text = answer(&mut stream);
    assert!(text.starts_with("HTTP/1.1 501") && text.contains("unknown-transfer-coding"), "{text}");
    let mut stream = connect(&server);
    let head = "Content-Type: application/json\r\nTransfer-Encoding: Chunked\r\nConnection: close\r\n";
    stream.write_all(post("/api/v1/events", head, &body).as_bytes()).unwrap();
    assert!(answer(&mut stream).starts_with("HTTP/1.1 200"));
    assert_eq!(server.get("/api/v1/stats").success()["total_events"], 1);
}

#[test]
fn media_types_ignore_case_and_a_weight_of_zero_excludes_one() {
    let server = Server::start();
    let events = "/api/v1/events";
    for kind in ["Application/JSON", "application/vnd.x+JSON; charset=utf-8", "APPLICATION/JSON;v=1"] {
        server.send("POST", events, &[("content-type", kind)], EVENT).success();
    }
    let batch = "/api/v1/events/batch";
    server.send("POST", batch, &[("content-type", "APPLICATION/X-NDJSON")], EVENT).success();
    let ask = |accept: &str| {
        let answer = server.send("GET", "/api/v1/events/query", &[("accept", accept)], "");
        answer.header("content-type").unwrap().to_owned()
    };
    assert_eq!(ask("Application/X-NDJSON"), "application/x-ndjson");
    assert_eq!(ask("application/x-ndjson;q=0, */*"), "application/json");
    assert_eq!(ask("application/json, application/x-ndjson;q=0.1"), "application/json");
    let stream = "/api/v1/events/stream";
    server.send("GET", stream, &[("accept", "text/event-stream;q=0")], "").problem(426, "upgrade-required");
}

#[test]
fn a_wrong_path_or_method_gets_the_right_one_suggested() {
    let server = Server::start();
    let problem = server.get("/api/v1/event").problem(404, "no-such-route");
    assert_eq!(problem["nearest"], "/api/v1/events");
    assert!(problem["detail"].as_str().unwrap().contains("did you mean /api/v1/events"), "{problem}");
    let problem = server.get("/api/v1/entities/order-1/stat").problem(404, "no-such-route");
    assert_eq!(problem["nearest"], "/api/v1/entities/{id}/state");
    for path in ["/api/v1/events", "/api/v1/events/query", "/api/v1/snapshots", "/api/v1/entities/{id}/state"]
    {
        let asked = format!("{}/", path.replace("{id}", "order-1"));
        assert_eq!(server.get(&asked).problem(404, "no-such-route")["nearest"], path);
    }
    let answer = server.send("DELETE", "/api/v1/snapshots", &[], "");
    let problem = answer.problem(405, "method-not-allowed");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("does not support DELETE") && detail.contains("GET, HEAD, POST"), "{detail}");
    assert!(answer.header("allow").is_some_and(|allow| allow.contains("POST")));
    assert_eq!(server.send("HEAD", "/health", &[], "").status, 200);
}

/// A name that was not encoded must not be taken for another one.
#[test]
fn a_percent_sign_without_two_digits_is_refused_in_a_path() {
    let server = Server::start();
    for name in ["%zz", "%", "a%4", "%%41"] {
        for path in ["entities/{}/state", "events/{}", "snapshots/{}/latest"] {
            let path = format!("GET /api/v1/{} HTTP/1.1", path.replace("{}", name));
            let mut stream = connect(&server);
            stream.write_all(format!("{path}\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
            let text = answer(&mut stream);
            assert!(
                text.starts_with("HTTP/1.1 400") && text.contains("/problems/invalid-path"),
                "{path}: {text}"
            );
        }
    }
    super::append(&server, "50%", &json!(1));
    assert_eq!(server.get("/api/v1/entities/50%25/state").success()["version"], 1);
}

/// Whoever opens the address of the server must find the API, not the path that happens to be spelled most alike.
#[test]
fn the_root_points_to_the_main_paths() {
    let server = Server::start();
    for asked in ["/", "/api", "/api/v1/"] {
        let problem = server.get(asked).problem(404, "no-such-route");
        assert_eq!(problem["nearest"], "/api/v1/events");
        let detail = problem["detail"].as_str().unwrap().to_owned();
        let routes: Vec<&str> =
            detail.split([' ', ',', ';']).filter(|word| word.starts_with("/api/v1/")).collect();
        assert_eq!(routes.iter().filter(|route| **route != asked).count(), 4, "{detail}");
        for route in routes.into_iter().filter(|route| *route != asked) {
            assert!(!server.get(&route.replace("{id}", "e")).text.contains("no-such-route"), "{route}");
        }
    }
}

/// Clients resolve `.` and `..` in a path as folders, even if escaped.
#[test]
fn entities_named_dot_or_dot_dot_can_be_read() {
    let server = Server::start();
    for name in [".", "..", "a/b", "%2F"] {
        super::append(&server, name, &json!({"name": name}));
        let escaped = name.replace('%', "%25").replace('/', "%2F");
        let get = |path: &str| server.get(&format!("{path}?entity_id={escaped}")).success();
        assert_eq!(get("/api/v1/entities/state")["current_state"]["name"], name);
        assert_eq!(get("/api/v1/entities/snapshot")["snapshot"]["name"], name);
        let body = json!({"entity_id": name}).to_string();
        server.post("/api/v1/snapshots", &body).success();
        assert_eq!(get("/api/v1/snapshots/latest")["state"]["name"], name);
    }
    server.get("/api/v1/entities/state").problem(400, "invalid-parameter");
    server.get("/api/v1/snapshots/latest").problem(400, "invalid-parameter");
    server.get("/api/v1/entities/a/state?entity_id=b").problem(400, "unknown-parameter");
}

#[test]
fn a_batch_may_expect_an_entity_to_exist() {
    let server = Server::start();
    let event = json!({"event_type": "t", "entity_id": "e", "payload": 1, "expected_version": "exists"});
    let batch = json!({"events": [event]}).to_string();
    let problem = server.post("/api/v1/events/batch", &batch).problem(409, "version-conflict");
    assert_eq!(problem["current_version"], 0);
    super::append(&server, "e", &json!(1));
    assert_eq!(server.post("/api/v1/events/batch", &batch).success()["events"][0]["version"], 2);
    assert_eq!(server.post("/api/v1/events", &event.to_string()).success()["version"], 3);
    let kind = [("content-type", "application/x-ndjson")];
    let lines = server.send("POST", "/api/v1/events/batch", &kind, &event.to_string()).success();
    assert_eq!(lines["ingested"], 1);
    let wrong = event.to_string().replace("\"exists\"", "\"there\"");
    let problem = server.post("/api/v1/events", &wrong).problem(400, "invalid-body");
    assert!(problem["detail"].as_str().unwrap().contains("\"exists\""), "{problem}");
}

#[test]
fn the_version_of_an_entity_without_events_is_zero() {
    let server = Server::start();
    let page = server.get("/api/v1/events/query?entity_id=unknown").success();
    assert_eq!(page["entity_version"], 0);
    super::append(&server, "e", &json!(1));
    assert_eq!(server.get("/api/v1/events/query?entity_id=e").success()["entity_version"], 1);
}

/// Kills the process when a test ends, however it ends.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn each_request_can_be_logged_with_its_outcome() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--log-level", "debug", "--log-format", "json"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_server"));
    command.args(arguments).arg("--data").arg(folder.path().join("store"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log).unwrap());
    let _server = Killed(command.spawn().unwrap());
    let started = Instant::now();
    let line = |wanted: &dyn Fn(&Value) -> bool| loop {
        let text = std::fs::read_to_string(&log).unwrap();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        if let Some(line) = lines.filter(|line| wanted(line)).last() {
            break line;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "no such line in {text}");
        std::thread::sleep(Duration::from_millis(20));
    };
    let address = line(&|line| line["address"].is_string())["address"].as_str().unwrap().to_owned();
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let get = |path: &str| agent.get(format!("http://{address}{path}")).call().unwrap().status().as_u16();
    assert_eq!(get("/api/v1/entities/unknown/state?as_of=2026-01-01T00:00:00Z"), 404);
    let refused = line(&|line| line["status"] == 404);
    assert_eq!((&refused["level"], &refused["method"]), (&json!("DEBUG"), &json!("GET")));
    assert_eq!(refused["path"], "/api/v1/entities/unknown/state");
    assert_eq!(refused["problem"], "entity-not-found");
    assert!(refused["ms"].as_f64().is_some_and(|ms| ms > 0.0), "{refused}");
    assert_eq!(get("/healthz"), 200);
    let answered = line(&|line| line["path"] == "/healthz");
    assert_eq!((&answered["status"], &answered["problem"]), (&json!(200), &Value::Null));
}
