//! Mapped files damaged under a running server: it reports what it cannot read and serves the rest.

use std::fs::{self, OpenOptions};
use std::path::PathBuf;

use allsource_engine::Options;
use allsource_engine::event::Entity;
use allsource_tests::server::Server;

const ENTITIES: u32 = 40;
const PARTITIONS: u32 = 4;

/// A server with events of several entities, all of them sealed.
fn server() -> Server {
    let options = Options {
        partitions: PARTITIONS,
        snapshot_events: 0,
        scrub_bytes_per_second: 0,
        ..Options::default()
    };
    let server = Server::start_with(options);
    for round in 0..10 {
        let events: Vec<String> = (0..ENTITIES)
            .map(|number| {
                let filling = "x".repeat(2000);
                format!(
                    r#"{{"entity_id":"e-{number}","event_type":"t","payload":{{"round":{round},"filling":"{filling}"}}}}"#
                )
            })
            .collect();
        server.post("/api/v1/events/batch", &format!(r#"{{"events":[{}]}}"#, events.join(","))).success();
    }
    server.engine.seal().unwrap();
    server
}

fn files(server: &Server, dir: &str, end: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(server.folder.path().join(dir)).unwrap();
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.to_string_lossy().ends_with(end)).collect()
}

fn entity_in(partition: u32) -> String {
    let named = (0..ENTITIES).map(|number| format!("e-{number}"));
    let mut inside = named.filter(|id| Entity::new(id.as_str()).unwrap().partition(PARTITIONS) == partition);
    inside.next().unwrap()
}

/// The entity whose events come first in the segments file.
fn first_entity() -> String {
    let named = (0..ENTITIES).map(|number| format!("e-{number}"));
    named.filter(|id| Entity::new(id.as_str()).unwrap().partition(PARTITIONS) == 0).min().unwrap()
}

fn events_of(server: &Server, entity: &str) -> u16 {
    server.get(&format!("/api/v1/events/query?entity_id={entity}")).status
}

#[test]
fn a_segment_cut_short_under_the_server_is_named_and_the_rest_is_served() {
    let server = server();
    // Maps and reads every page.
    assert_eq!(
        server.get("/api/v1/events/query?limit=1000").success()["events"].as_array().unwrap().len(),
        400
    );
    // Segments are ordered by partition and entities by name, so the last ones are cut off.
    let segments = files(&server, "segments", ".seg").remove(0);
    let length = segments.metadata().unwrap().len();
    OpenOptions::new().write(true).open(&segments).unwrap().set_len(length / 2).unwrap();
    let (whole, hurt) = (entity_in(0), entity_in(PARTITIONS - 1));
    let problem = server.get(&format!("/api/v1/events/query?entity_id={hurt}")).problem(500, "damaged");
    assert!(problem["file"].as_str().unwrap().ends_with(".seg"), "{problem}");
    server.get("/api/v1/events/query?limit=1000").problem(500, "damaged");
    let ready = server.get("/readyz").success();
    assert_eq!(ready["status"], "damaged");
    assert!(ready["reason"].as_str().unwrap().contains(".seg"), "{ready}");
    let metrics = server.get("/metrics").text;
    assert!(metrics.contains("allsource_damaged_files 1"));
    assert!(metrics.contains("allsource_upkeep_steps_total{task=\"seal\"} 1"), "{metrics}");
    assert!(metrics.contains("allsource_upkeep_failures_total{task=\"merge\"} 0"));
    let append = |entity: &str| {
        server
            .post("/api/v1/events", &format!(r#"{{"entity_id":"{entity}","event_type":"t","payload":{{}}}}"#))
    };
    append(&whole).success();
    assert_eq!(events_of(&server, &whole), 200);
    server.get("/api/v1/stats").success();
}

#[test]
fn a_page_that_faults_costs_no_other_block_of_its_file() {
    let server = server();
    let ids: Vec<String> = (0..ENTITIES).map(|number| format!("e-{number}")).collect();
    let statuses = || ids.iter().map(|id| events_of(&server, id)).collect::<Vec<u16>>();
    assert!(statuses().iter().all(|status| *status == 200));
    let segments = files(&server, "segments", ".seg").remove(0);
    let length = segments.metadata().unwrap().len();
    OpenOptions::new().write(true).open(&segments).unwrap().set_len(length / 2).unwrap();
    let (before, after) = (statuses(), statuses());
    let served = before.iter().filter(|status| **status == 200).count();
    assert!((ids.len() / 4..ids.len()).contains(&served), "{before:?}");
    assert_eq!(before, after, "the fault affected nothing else");
}

/// Flips a bit of a file in place, for a later mapping to find.
fn flip(path: &PathBuf, offset: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[offset] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

#[test]
fn an_index_damaged_under_the_server_is_rebuilt_and_every_answer_is_right() {
    let server = server();
    flip(&files(&server, "segments", ".idx").remove(0), 5000);
    let all = server.get("/api/v1/events/query?limit=1000").success();
    assert_eq!(all["events"].as_array().unwrap().len(), 400);
    for partition in 0..PARTITIONS {
        assert_eq!(events_of(&server, &entity_in(partition)), 200);
    }
    // Upkeep writes the rebuilt index, which ends the damage.
    let mended = || server.get("/readyz").success()["status"] == "ready";
    let mut tries = 0;
    while !mended() {
        tries += 1;
        assert!(tries < 100, "{}", server.get("/readyz").text);
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

#[test]
fn a_damaged_segment_is_named_and_without_its_index_the_generation_is_unreadable() {
    let server = server();
    flip(&files(&server, "segments", ".seg").remove(0), 5000);
    let (hurt, whole) = (first_entity(), entity_in(PARTITIONS - 1));
    server.get(&format!("/api/v1/events/query?entity_id={hurt}")).problem(500, "damaged");
    assert_eq!(events_of(&server, &whole), 200);
    let server = self::server();
    // In this order: upkeep rebuilds an index that it finds damaged, and would still find the segments sound.
    flip(&files(&server, "segments", ".seg").remove(0), 5000);
    flip(&files(&server, "segments", ".idx").remove(0), 5000);
    server.get(&format!("/api/v1/events/query?entity_id={hurt}")).problem(500, "damaged");
    assert_eq!(events_of(&server, &whole), 500, "an index cannot be rebuilt from a damaged segment");
}
