//! The load table: what hostile, slow and merely many clients cost a server, in memory and in the latency of a
//! well-behaved client beside them.
//!
//! `cargo run --release -p allsource-benches --bin load`

#![expect(clippy::disallowed_methods, reason = "what is measured is real time")]

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use allsource_engine::platform::raise_descriptor_limit;
use allsource_engine::{Engine, Options};
use allsource_server::app::App;
use allsource_server::http::Listeners;
use allsource_server::lifecycle;
use allsource_server::store::Store;

/// As in the server's own binary.
#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// How long the well-behaved client is measured beside each attack.
const LASTING: Duration = Duration::from_secs(8);
const PATIENCE: Duration = Duration::from_secs(60);
const MIB: usize = 1 << 20;

/// A server in a process of its own.
struct Server {
    child: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Server {
    /// Starts one that may have this many descriptors.
    fn start(descriptors: u32) -> Outcome<Self> {
        let folder = tempfile::tempdir_in(".")?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("ulimit -n {descriptors}; exec \"$0\" \"$@\""));
        command.arg(std::env::current_exe()?).arg(address.to_string()).arg(folder.path().join("store"));
        let child = command.stdin(Stdio::null()).spawn()?;
        let server = Self { child, address, _folder: folder };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            if Instant::now() > deadline {
                return Err("the server does not listen".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// The most memory it had of its own so far, in MiB: pages of mapped files left out, where they can be told.
    fn memory(&self) -> Outcome<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).ok_or("no RssAnon")?;
        Ok(line.split_whitespace().next().ok_or("no number")?.parse::<u64>()? >> 10)
    }

    fn connect(&self) -> Outcome<TcpStream> {
        let stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(5))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// Fills it with events of this many bytes and seals them.
    fn fill(&self, events: usize, bytes: usize) -> Outcome<()> {
        let mut stream = self.connect()?;
        for number in 0..events {
            request(&mut stream, &append(number, bytes))?;
        }
        request(&mut stream, "POST /api/v1/maintenance/seal HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
    }
}

fn append(number: usize, bytes: usize) -> String {
    let filling = "x".repeat(bytes);
    let body =
        format!(r#"{{"entity_id":"e-{}","event_type":"load.put","payload":"{filling}"}}"#, number % 100);
    format!(
        "POST /api/v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Sends a request and reads its answer.
fn request(stream: &mut TcpStream, text: &str) -> Outcome<()> {
    stream.write_all(text.as_bytes())?;
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let count = stream.read(&mut piece)?;
        answer.extend_from_slice(piece.get(..count).unwrap_or_default());
        let text = String::from_utf8_lossy(&answer);
        if count == 0 || !text.starts_with("HTTP/1.1 200") && text.len() > 12 {
            return Err(format!("no success: {text}").into());
        }
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head
            .to_ascii_lowercase()
            .split("content-length: ")
            .nth(1)
            .and_then(|rest| rest.lines().next().and_then(|number| number.trim().parse::<usize>().ok()));
        if length.is_none_or(|length| body.len() >= length) {
            return Ok(());
        }
    }
}

/// Latencies of a client that appends and asks for `/healthz` by turns, and the most memory meanwhile.
fn measure(server: &Server, name: &str) -> Outcome<()> {
    let mut stream = server.connect()?;
    let (mut appends, mut healths, mut memory) = (Vec::new(), Vec::new(), 0);
    let started = Instant::now();
    while started.elapsed() < LASTING {
        let begun = Instant::now();
        request(&mut stream, &append(appends.len(), 200))?;
        appends.push(begun.elapsed());
        let begun = Instant::now();
        request(&mut stream, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")?;
        healths.push(begun.elapsed());
        if appends.len() % 100 == 0 {
            memory = memory.max(server.memory()?);
        }
    }
    memory = memory.max(server.memory()?);
    let quantiles = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        let at = |permille: usize| times.get(times.len() * permille / 1000).copied().unwrap_or_default();
        format!("{:.2} / {:.1} ms", at(500).as_secs_f64() * 1e3, at(990).as_secs_f64() * 1e3)
    };
    println!("| {name} | {memory} MiB | {} | {} |", quantiles(&mut appends), quantiles(&mut healths));
    Ok(())
}

fn streams(server: &Server, count: usize, path: &str, accept: &str) -> Outcome<Vec<TcpStream>> {
    let text = format!("GET {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\n\r\n");
    let open = |_| {
        let mut stream = server.connect()?;
        stream.write_all(text.as_bytes())?;
        Ok(stream)
    };
    (0..count).map(open).collect()
}

/// Requests of which the last of 16 MiB never comes.
fn unfinished(server: &Server, count: usize) -> Outcome<Vec<TcpStream>> {
    let open = |_| {
        let mut stream = server.connect()?;
        let head = "POST /api/v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
        stream.write_all(format!("{head}Content-Length: {}\r\n\r\n", 16 * MIB).as_bytes())?;
        stream.set_write_timeout(Some(Duration::from_secs(1)))?;
        // One that is refused is cut off while it sends.
        let piece = vec![b'x'; MIB];
        drop((0..15).try_for_each(|_| stream.write_all(&piece)));
        Ok(stream)
    };
    (0..count).map(open).collect()
}

/// The same requests, each with a piece by turns, so that all of them grow together.
fn interleaved(server: &Server, count: usize) -> Outcome<Vec<TcpStream>> {
    let open = |_| {
        let mut stream = server.connect()?;
        let head = "POST /api/v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
        stream.write_all(format!("{head}Content-Length: {}\r\n\r\n", 16 * MIB).as_bytes())?;
        stream.set_write_timeout(Some(Duration::from_secs(1)))?;
        Ok(stream)
    };
    let mut crowd: Vec<TcpStream> = (0..count).map(open).collect::<Outcome<_>>()?;
    let piece = vec![b'x'; 64 << 10];
    for _ in 0..15 * MIB / piece.len() {
        crowd.retain_mut(|stream| stream.write_all(&piece).is_ok());
    }
    Ok(crowd)
}

/// The floor of the readers: as many connections that carry bytes from memory as fast as they can, without a server.
struct Floor(Arc<AtomicBool>);

impl Floor {
    fn of(connections: usize) -> Outcome<Self> {
        let is_over = Arc::new(AtomicBool::new(false));
        let listener = TcpListener::bind("127.0.0.1:0")?;
        for _ in 0..connections {
            let mut reader = TcpStream::connect(listener.local_addr()?)?;
            let mut writer = listener.accept()?.0;
            std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
            let is_over = Arc::clone(&is_over);
            std::thread::spawn(move || {
                let piece = vec![b'x'; 2 * MIB];
                while !is_over.load(Ordering::Relaxed) && writer.write_all(&piece).is_ok() {}
            });
        }
        Ok(Self(is_over))
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn table() -> Outcome<()> {
    raise_descriptor_limit()?;
    println!("| beside the client | memory | append, median / p99 | `/healthz`, median / p99 |");
    println!("|---|---|---|---|");
    let server = Server::start(65_536)?;
    measure(&server, "none")?;
    for count in [4_000, 8_000] {
        let crowd = streams(&server, count, "/api/v1/events/stream?entity_id=nothing", "text/event-stream")?;
        measure(&server, &format!("{count} streams for which nothing matches"))?;
        drop(crowd);
    }
    let server = Server::start(65_536)?;
    let crowd = unfinished(&server, 120)?;
    measure(&server, "120 requests with 15 of 16 MiB sent")?;
    drop(crowd);
    let server = Server::start(65_536)?;
    let crowd = interleaved(&server, 120)?;
    measure(&server, "the same, sent in turns of 64 KiB")?;
    drop(crowd);
    let server = Server::start(65_536)?;
    server.fill(256, 2 * MIB)?;
    let crowd = streams(&server, 20, "/api/v1/events/stream?from=beginning", "text/event-stream")?;
    measure(&server, "20 streams that do not read 256 events of 2 MiB")?;
    drop(crowd);
    let crowd = streams(&server, 16, "/api/v1/events/query", "application/x-ndjson")?;
    measure(&server, "16 NDJSON responses that no client reads")?;
    drop(crowd);
    let readers = streams(&server, 20, "/api/v1/events/stream?from=beginning", "text/event-stream")?;
    let reading = readers
        .into_iter()
        .map(|mut stream| std::thread::spawn(move || std::io::copy(&mut stream, &mut std::io::sink())));
    let reading: Vec<_> = reading.collect();
    measure(&server, "20 streams that read 512 MiB of sealed events")?;
    drop((server, reading));
    let server = Server::start(65_536)?;
    let floor = Floor::of(20)?;
    measure(&server, "the floor of that: 20 connections that read from memory, without a server")?;
    drop((server, floor));
    let server = Server::start(1_024)?;
    let mut crowd = Vec::new();
    let mut client = server.connect()?;
    request(&mut client, &append(0, 200))?;
    while crowd.len() < 450
        && let Ok(stream) = server.connect()
    {
        crowd.push(stream);
    }
    measure(&server, "450 idle connections, 1,024 descriptors")
}

/// The server, until it is killed.
fn run(address: &str, folder: &Path) -> Outcome<()> {
    let descriptors = raise_descriptor_limit()?;
    let engine = Arc::new(Engine::open_with(folder, Options::default())?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(address).await?;
        let listeners = Listeners::from(listener).within(descriptors);
        lifecycle::run(listeners, Arc::new(App::new(Store::over(engine))), std::future::pending()).await;
        Ok::<_, std::io::Error>(())
    })?;
    Ok(())
}

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next(), arguments.next()) {
        (Some(address), Some(folder)) => run(&address, Path::new(&folder)),
        _ => table(),
    }
}
