//! A server short of something: a reader for its log, descriptors, or clients that take their answers.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use allsource_engine::platform::raise_descriptor_limit;
use futures_util::StreamExt as _;

const SERVER: &str = env!("CARGO_BIN_EXE_server");
const PATIENCE: Duration = Duration::from_secs(30);

/// A server process whose standard error the test redirects.
struct Running {
    child: Child,
    address: String,
    _folder: tempfile::TempDir,
}

impl Running {
    /// Starts a server under limits that the shell sets first.
    fn start(limits: &str, arguments: &[&str], stderr: Stdio) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // A port that was free a moment ago: the log, which would name one, may be unreadable.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("{limits} exec \"$0\" \"$@\"")).arg(Path::new(SERVER));
        command.args(["serve", "--listen", &address, "--data"]);
        command.arg(folder.path().join("store")).args(arguments);
        // Large pieces of memory go back to the system once they are freed, so that a test sees what is held.
        command.env("MALLOC_MMAP_THRESHOLD_", "65536");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn().unwrap();
        let running = Self { child, address, _folder: folder };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(&running.address).is_err() {
            assert!(Instant::now() < deadline, "the server does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        running
    }

    fn post(&self, agent: &ureq::Agent, payload: &str) -> u16 {
        let body = format!(r#"{{"entity_id":"e","event_type":"t","payload":"{payload}"}}"#);
        let request = agent.post(format!("http://{}/api/v1/events", self.address));
        let mut answer = request.header("content-type", "application/json").send(body).unwrap();
        // The agent reuses a connection only after its answer was read.
        answer.body_mut().read_to_string().unwrap();
        answer.status().as_u16()
    }

    /// The memory that it has of its own, without mapped files.
    fn anonymous_bytes(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() << 10
    }

    /// Asks it to end, and waits until it has.
    fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "the server ended with an error: {status}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).build().new_agent()
}

fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").map(File::into).unwrap()
}

#[test]
fn a_log_that_cannot_be_written_neither_ends_the_server_nor_leaves_the_store_open() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    for stderr in [full(), writer.into()] {
        let running = Running::start("", &["--log-level", "debug"], stderr);
        let agent = agent();
        for n in 0..20 {
            assert_eq!(running.post(&agent, &n.to_string()), 200);
        }
        // The log reports a broken connection.
        TcpStream::connect(&running.address).unwrap().write_all(b"no HTTP\r\n\r\n").unwrap();
        assert_eq!(running.post(&agent, "after"), 200);
        running.stop();
    }
}

#[test]
fn an_unread_log_delays_no_request() {
    let (_unread, writer) = std::io::pipe().unwrap();
    let running = Running::start("", &["--log-level", "trace"], writer.into());
    let agent = agent();
    let started = Instant::now();
    for n in 0..500 {
        assert_eq!(running.post(&agent, &n.to_string()), 200);
    }
    assert!(started.elapsed() < PATIENCE);
    running.stop();
}

#[test]
fn more_clients_than_descriptors_keep_neither_appends_nor_files_from_the_store() {
    raise_descriptor_limit().unwrap();
    let arguments = ["--journal-file-bytes", "1048576"];
    let running = Running::start("ulimit -n 1024;", &arguments, Stdio::null());
    let agent = agent();
    assert_eq!(running.post(&agent, "first"), 200);
    let address = running.address.parse().unwrap();
    // Clients beyond the limit wait, and some give up.
    let connect = |_| TcpStream::connect_timeout(&address, Duration::from_secs(5)).ok();
    let crowd: Vec<TcpStream> = (0..1_040).map_while(connect).collect();
    assert!(crowd.len() >= 512, "only {} clients came", crowd.len());
    let payload = "x".repeat(100_000);
    for _ in 0..100 {
        assert_eq!(running.post(&agent, &payload), 200, "an append on an existing connection");
    }
    let seal = agent.post(format!("http://{}/api/v1/maintenance/seal", running.address));
    assert_eq!(seal.send_empty().unwrap().status().as_u16(), 200);
    drop(crowd);
    let mut late = TcpStream::connect(&running.address).unwrap();
    late.set_read_timeout(Some(PATIENCE)).unwrap();
    late.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    late.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "new connections are accepted again: {answer}");
    running.stop();
}

/// Buffers that grow by doubling, copies of whole bodies, and read buffers of connections took up to three times the
/// budget.
#[test]
fn bodies_that_arrive_in_turns_take_no_more_memory_than_the_budget() {
    const MIB: usize = 1 << 20;
    const CLIENTS: usize = 60;
    let running = Running::start("", &["--memory-bytes", &(144 * MIB).to_string()], Stdio::null());
    assert_eq!(running.post(&agent(), "first"), 200);
    let before = running.anonymous_bytes();
    let types = ["application/json", "application/x-ndjson"];
    let mut clients: Vec<TcpStream> = (0..CLIENTS)
        .map(|number| {
            let mut stream = TcpStream::connect(&running.address).unwrap();
            stream.set_write_timeout(Some(PATIENCE)).unwrap();
            let (media_type, length) = (types[number % 2], 16 * MIB);
            let head = format!(
                "POST /api/v1/events/batch HTTP/1.1\r\nHost: x\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    let piece = vec![b'x'; 64 << 10];
    let mut most = 0;
    for _ in 0..15 * MIB / piece.len() {
        clients.retain_mut(|stream| stream.write_all(&piece).is_ok());
        most = most.max(running.anonymous_bytes());
    }
    assert!(!clients.is_empty(), "some bodies have room");
    // Read buffers are outside the budget, and the allocator does not give back all that is freed.
    let allowed = before + 144 * MIB + CLIENTS * 2 * (32 << 10) + 16 * MIB;
    assert!(most <= allowed, "{} MiB, but {} are allowed", most / MIB, allowed / MIB);
    drop(clients);
    running.stop();
}

/// Idle connections used to keep every place for 75 seconds, while monitoring waited.
#[test]
fn a_crowd_of_idle_connections_does_not_keep_others_out() {
    raise_descriptor_limit().unwrap();
    let running = Running::start("ulimit -n 256;", &[], Stdio::null());
    let get = |path: &str, head: &str| {
        let mut stream = TcpStream::connect(&running.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n{head}\r\n").unwrap();
        let mut begin = [0; 12];
        stream.read_exact(&mut begin).unwrap();
        assert_eq!(&begin, b"HTTP/1.1 200");
        stream
    };
    // 128 places: some for connections in use, the others for idle ones, fresh, used before, and half a request.
    let mut following: Vec<TcpStream> = (0..4)
        .map(|_| get("/api/v1/events/stream?from=beginning", "Accept: text/event-stream\r\n"))
        .collect();
    let mut crowd: Vec<TcpStream> = (0..20).map(|_| get("/healthz", "")).collect();
    while crowd.len() < 200 {
        let mut stream = TcpStream::connect(&running.address).unwrap();
        if crowd.len().is_multiple_of(2) {
            stream.write_all(b"GET /healthz HTTP/1.1\r\n").unwrap();
        }
        crowd.push(stream);
    }
    std::thread::sleep(Duration::from_secs(1));
    // The clients that still wait for a place are before this one.
    let started = Instant::now();
    drop(get("/healthz", ""));
    assert!(started.elapsed() < Duration::from_secs(2), "it took {:?}", started.elapsed());
    crowd.extend((0..20).map(|_| get("/healthz", "")));
    assert!(started.elapsed() < Duration::from_secs(10), "it took {:?}", started.elapsed());
    assert_eq!(running.post(&agent(), "for those that follow"), 200);
    for stream in &mut following {
        let mut text = String::new();
        while !text.contains("for those that follow") {
            let mut piece = [0; 4096];
            let count = stream.read(&mut piece).unwrap();
            assert!(count > 0, "a stream was closed to make room: {text}");
            text.push_str(&String::from_utf8_lossy(&piece[..count]));
        }
    }
    running.stop();
}

/// The frame codec keeps a buffer of the size of the largest frame that it has sent.
#[test]
fn idle_websockets_keep_no_memory_for_the_largest_event_that_they_sent() {
    const MIB: usize = 1 << 20;
    const CLIENTS: usize = 24;
    let running = Running::start("", &[], Stdio::null());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let url = format!("ws://{}/api/v1/events/stream?from=beginning", running.address);
    let mut clients: Vec<_> = (0..CLIENTS)
        .map(|_| runtime.block_on(tokio_tungstenite::connect_async(&url)).expect("a stream").0)
        .collect();
    let before = running.anonymous_bytes();
    assert_eq!(running.post(&agent(), &"x".repeat(6 * MIB)), 200);
    for client in &mut clients {
        let mut received = 0;
        while received < 6 * MIB {
            let message = runtime.block_on(async { tokio::time::timeout(PATIENCE, client.next()).await });
            received = message.expect("in time").expect("a message").expect("a message").len();
        }
    }
    let allowed = before + 64 * MIB;
    let deadline = Instant::now() + PATIENCE;
    while running.anonymous_bytes() > allowed {
        assert!(Instant::now() < deadline, "it still takes {} MiB", running.anonymous_bytes() / MIB);
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(clients);
    running.stop();
}
