//! An import keeps the order of its lines, whatever fails.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use allsource_engine::platform::SystemClock;
use allsource_engine::platform::sim::{Faults, SimDisk, SimEntropy};
use allsource_engine::{Durability, Engine, Options};
use allsource_tests::command::Program;
use allsource_tests::server::{Answer, Server};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(8);
const LINES: [(&str, &str); 1] = [("content-type", "application/x-ndjson")];

fn line(n: u64) -> String {
    json!({"event_type": "t", "entity_id": "e", "payload": n}).to_string()
}

/// Expects a version that the entity has long passed.
fn conflicting(n: u64) -> String {
    json!({"event_type": "t", "entity_id": "e", "payload": n, "expected_version": 1}).to_string()
}

fn send(server: &Server, lines: &[String]) -> Answer {
    server.send("POST", "/api/v1/events/batch", &LINES, &lines.join("\n"))
}

fn payloads(server: &Server) -> Vec<u64> {
    let accept = [("accept", "application/x-ndjson")];
    let answer = server.send("GET", "/api/v1/events/query?entity_id=e", &accept, "");
    let number = |line: &str| serde_json::from_str::<Value>(line).unwrap()["payload"].as_u64().unwrap();
    answer.text.lines().map(number).collect()
}

/// A conflict must not send all lines of a chunk on at once: those a full queue refuses would land behind the others
/// when the client resends them.
#[test]
fn lines_keep_their_order_when_one_conflicts_and_the_queue_is_full() {
    let server = Server::start_with(Options { queue_bytes: 1, ..Options::default() });
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for client in 0..4 {
            let (server, is_over) = (&server, &is_over);
            scope.spawn(move || {
                let body = json!({"event_type": "t", "entity_id": format!("busy-{client}"), "payload": 1});
                while !is_over.load(Ordering::Relaxed) {
                    let status = server.post("/api/v1/events", &body.to_string()).status;
                    assert!([200, 503].contains(&status), "{status}");
                }
            });
        }
        let refused = [5, 700, 701, 1500, 2999];
        let lines: Vec<String> =
            (0..3000).map(|n| if refused.contains(&n) { conflicting(n) } else { line(n) }).collect();
        let reply = send(&server, &lines);
        is_over.store(true, Ordering::Relaxed);
        let reply = reply.success();
        assert_eq!((&reply["ingested"], &reply["refused_count"]), (&json!(2995), &json!(5)));
        let numbers: Vec<u64> =
            reply["refused"].as_array().unwrap().iter().map(|one| one["line"].as_u64().unwrap()).collect();
        assert_eq!(numbers, refused.map(|n| n + 1));
        assert_eq!(payloads(&server), (0..3000).filter(|n| !refused.contains(n)).collect::<Vec<_>>());
    });
}

fn start_on(disk: &SimDisk) -> Server {
    let (clock, entropy) = (Arc::new(SystemClock::default()), Arc::new(SimEntropy::seeded(1)));
    let options = Options {
        durability: Durability::Sync,
        journal_file_bytes: 64 << 10,
        snapshot_events: 0,
        ..Options::default()
    };
    Server::start_over(Engine::open_on(Arc::new(disk.clone()), clock, entropy, options).unwrap())
}

/// After a failed sync it is unknown what of the last write is durable.
#[test]
fn an_import_with_an_unknown_outcome_ends_and_says_where() {
    let disk = SimDisk::new(1);
    let server = start_on(&disk);
    let lines: Vec<String> = (0..40).map(line).collect();
    assert_eq!(send(&server, &lines[..20]).success()["ingested"], 20);
    disk.set_faults(Faults { sync_error: 1000, ..Faults::default() });
    let problem = send(&server, &lines[20..]).problem(503, "outcome-unknown");
    assert_eq!((&problem["line"], &problem["ingested"]), (&json!(0), &json!(0)), "{problem}");
    send(&server, &lines[20..]).problem(503, "fenced");
}

/// The command line must not wait for a store that takes nothing more, nor forget what the first attempt may have done.
#[test]
fn an_import_command_with_an_unknown_outcome_says_which_lines_it_is_about() {
    let disk = SimDisk::new(1);
    let server = start_on(&disk);
    let program = Program::new(Path::new(env!("CARGO_BIN_EXE_server")), &server.address);
    let lines: Vec<String> = (0..30).map(line).collect();
    program.run_with(&["import"], &lines[..10].join("\n")).success();
    disk.set_faults(Faults { sync_error: 1000, ..Faults::default() });
    let begun = Instant::now();
    let file = server.folder.path().join("rest.ndjson");
    std::fs::write(&file, lines[10..].join("\n")).unwrap();
    let ended = program.run(&["import", file.to_str().unwrap(), "--chunk", "5"]);
    assert!(begun.elapsed() < Duration::from_secs(20), "it waited in vain");
    assert_eq!(ended.code, 7, "{ended:?}");
    let expected = [
        "every line up to 0 was processed",
        "whether lines 1 to 5 were appended is unknown",
        "--from-line 1",
    ];
    assert!(expected.iter().all(|text| ended.err.contains(text)), "{ended:?}");
}

fn with_room(disk: &SimDisk, room: Option<u64>) {
    disk.set_faults(Faults { room, ..Faults::default() });
}

fn used(disk: &SimDisk) -> u64 {
    disk.paths().iter().filter_map(|path| disk.contents(path)).map(|bytes| bytes.len() as u64).sum()
}

/// Long enough that a few of them fill a journal file.
fn long_line(n: u64) -> String {
    let filling = "x".repeat(300);
    json!({"event_type": "t", "entity_id": "e", "payload": n, "metadata": {"filling": filling}}).to_string()
}

#[test]
fn an_import_waits_for_room_and_continues_in_order() {
    let disk = SimDisk::new(1);
    let server = start_on(&disk);
    let lines: Vec<String> =
        (0..2000).map(|n| if n % 700 == 699 { conflicting(n) } else { long_line(n) }).collect();
    with_room(&disk, Some(used(&disk) + (96 << 10)));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_secs(2));
            with_room(&disk, None);
        });
        let reply = send(&server, &lines).success();
        assert_eq!((&reply["ingested"], &reply["refused_count"]), (&json!(1998), &json!(2)));
    });
    assert_eq!(payloads(&server), (0..2000).filter(|n| n % 700 != 699).collect::<Vec<_>>());
}

/// A lack of descriptors passes as a lack of room does.
#[test]
fn an_import_waits_for_descriptors_and_continues_in_order() {
    let disk = SimDisk::new(1);
    let server = start_on(&disk);
    let lines: Vec<String> =
        (0..2000).map(|n| if n % 700 == 699 { conflicting(n) } else { long_line(n) }).collect();
    disk.set_faults(Faults { descriptors: Some(0), ..Faults::default() });
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let begun = Instant::now();
            while server.get("/readyz").json()["status"] != "refusing" && begun.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(20));
            }
            assert!(begun.elapsed() < PATIENCE, "appends were never refused");
            std::thread::sleep(Duration::from_millis(500));
            disk.set_faults(Faults::default());
        });
        let reply = send(&server, &lines).success();
        assert_eq!((&reply["ingested"], &reply["refused_count"]), (&json!(1998), &json!(2)));
    });
    assert_eq!(payloads(&server), (0..2000).filter(|n| n % 700 != 699).collect::<Vec<_>>());
}

/// If the answer says that all lines up to one are settled, no later line may have been appended.
#[test]
fn an_import_ended_by_a_full_disk_continues_in_order() {
    let disk = SimDisk::new(2);
    let server = start_on(&disk);
    let lines: Vec<String> =
        (0..2000).map(|n| if n % 700 == 699 { conflicting(n) } else { long_line(n) }).collect();
    with_room(&disk, Some(used(&disk) + (96 << 10)));
    let problem = send(&server, &lines).problem(507, "storage-full");
    let settled = problem["line"].as_u64().unwrap() as usize;
    assert!((1..2000).contains(&settled), "{problem}");
    assert_eq!(
        problem["ingested"],
        payloads(&server).len(),
        "no line after the last settled one was appended"
    );
    with_room(&disk, None);
    let started = std::time::Instant::now();
    let reply = loop {
        let answer = send(&server, &lines[settled..]);
        if answer.status == 200 {
            break answer.success();
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{}", answer.text);
    };
    assert_eq!(reply["refused_count"].as_u64().unwrap() + problem["refused_count"].as_u64().unwrap(), 2);
    assert_eq!(payloads(&server), (0..2000).filter(|n| n % 700 != 699).collect::<Vec<_>>());
}
