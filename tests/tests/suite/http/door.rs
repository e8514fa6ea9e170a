//! The one door to the engine: requests that wait for the disk do not hold up others.

use std::sync::Arc;
use std::time::{Duration, Instant};

use allsource_engine::platform::SystemClock;
use allsource_engine::platform::sim::{SimDisk, SimEntropy};
use allsource_engine::{Engine, Options, ReadMode};
use allsource_tests::gate::GatedDisk;
use allsource_tests::server::Server;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

const JSON: (&str, &str) = ("content-type", "application/json");
const PATIENCE: Duration = Duration::from_secs(20);

fn start(disk: &GatedDisk) -> Server {
    let read_mode = ReadMode::Read;
    let options = Options { read_mode, scrub_bytes_per_second: 0, snapshot_events: 0, ..Options::default() };
    let (clock, entropy) = (Arc::new(SystemClock::default()), Arc::new(SimEntropy::seeded(1)));
    Server::start_over(Engine::open_on(Arc::new(disk.clone()), clock, entropy, options).unwrap())
}

/// A server over `count` sealed events, with no file open yet.
fn start_sealed(disk: &GatedDisk, events: usize) -> Server {
    let mut server = start(disk);
    for n in 0..events {
        super::append(&server, &format!("e-{}", n % 30), &json!({"n": n, "filling": "x".repeat(2000)}));
    }
    server.post("/api/v1/maintenance/seal", "{}").success();
    server.stop();
    server.engine.close();
    start(disk)
}

fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "{what} never came");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Reading sealed files on the threads that answer would let two slow reads delay a health check for seconds.
#[test]
fn requests_that_wait_for_the_disk_hold_up_no_other() {
    let disk = GatedDisk::new(SimDisk::new(1));
    let server = start_sealed(&disk, 300);
    super::append(&server, "in memory", &json!(1));
    let gets = [
        "/api/v1/events/11111111-2222-4333-8444-555555555555",
        "/api/v1/entities/e-1/state",
        "/api/v1/entities/e-2/snapshot",
        "/api/v1/events/query?entity_id=e-3",
        "/api/v1/events/query?event_type=t",
        "/api/v1/stats",
        "/api/v1/stats?tenant_id=acme",
        "/metrics",
    ];
    let closed = disk.gate().close();
    std::thread::scope(|scope| {
        let closed = closed;
        let mut clients = Vec::new();
        for path in gets.iter().cycle().take(gets.len() * 4) {
            let server = &server;
            clients.push(scope.spawn(move || (*path, server.get(path).status)));
        }
        for n in 0..4 {
            let server = &server;
            let body = json!({"event_type": "t", "entity_id": format!("new-{n}"), "payload": 1}).to_string();
            let key = format!("key-{n}");
            clients.push(scope.spawn(move || {
                let answer = server.send("POST", "/api/v1/events", &[JSON, ("idempotency-key", &key)], &body);
                ("an append", answer.status)
            }));
            clients.push(scope.spawn(move || {
                let accept = ("accept", "application/x-ndjson");
                ("lines", server.send("GET", "/api/v1/events/query", &[accept], "").status)
            }));
        }
        wait_for("a read that waits", || disk.gate().waiting() > 0);
        std::thread::sleep(Duration::from_millis(300));
        for _ in 0..20 {
            let started = Instant::now();
            server.get("/healthz").success();
            server.get("/readyz").success();
            super::append(&server, "in memory", &json!(2));
            assert!(started.elapsed() < Duration::from_secs(1), "it waited {:?}", started.elapsed());
        }
        drop(closed);
        for client in clients {
            let (what, status) = client.join().unwrap();
            assert_eq!(status, if what.contains("11111111") { 404 } else { 200 }, "{what}");
        }
    });
    assert_eq!(server.get("/api/v1/stats").success()["total_events"], 300 + 21 + 4);
}

/// Concurrent scrapers must not each count a large store.
#[test]
fn concurrent_scrapers_share_one_count_of_the_store() {
    let disk = GatedDisk::new(SimDisk::new(1));
    let server = start_sealed(&disk, 50);
    let closed = disk.gate().close();
    std::thread::scope(|scope| {
        let closed = closed;
        let scrapers: Vec<_> = (0..8).map(|_| scope.spawn(|| server.get("/metrics").text)).collect();
        wait_for("a read that waits", || disk.gate().waiting() > 0);
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(disk.gate().waiting(), 1, "one count at a time");
        drop(closed);
        for scraper in scrapers {
            let text = scraper.join().unwrap();
            assert!(text.lines().any(|line| line == "allsource_storage_events 50"), "{text}");
        }
    });
}

/// A client that has gone is not answered, so nothing more is read for it.
#[test]
fn work_for_a_client_that_has_gone_is_cancelled() {
    let disk = GatedDisk::new(SimDisk::new(1));
    let server = start_sealed(&disk, 300);
    let path = "/api/v1/events/query?event_type=t";
    let closed = disk.gate().close();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    let client = server.runtime.block_on(async {
        let mut client = tokio::net::TcpStream::connect(&server.address).await.unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        client
    });
    wait_for("a read that waits", || disk.gate().waiting() > 0);
    // Without a linger the system resets the connection, as it does for a client that is killed.
    socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    std::thread::sleep(Duration::from_millis(300));
    let before = disk.reads();
    drop(closed);
    wait_for("the end of the read", || disk.gate().waiting() == 0);
    std::thread::sleep(Duration::from_millis(300));
    let abandoned = disk.reads() - before;
    let before = disk.reads();
    assert_eq!(server.get(path).success()["count"], 300);
    let whole = disk.reads() - before;
    assert!(abandoned * 4 < whole, "{abandoned} reads for a client that has gone, {whole} for an answer");
}
