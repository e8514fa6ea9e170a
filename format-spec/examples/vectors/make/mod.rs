//! Generates every test vector.

#![expect(clippy::indexing_slicing, reason = "a vector of the wrong length must not be generated")]

mod event;
pub(crate) mod generation;
mod log;
mod meaning;
pub(crate) mod snapshots;
mod spoil;

use allsource_format::manifest::{File, Generation, Incarnation, Lineage, Manifest};
use allsource_format::partition::{entity_key, key_hash, of_key};
use serde_json::{Value, json};

use event::event;
use generation::{PARTITIONS, generation, segments_meaning};
use log::Log;

/// A test vector: bytes, and what they mean.
pub(crate) struct Vector {
    /// Its path without an extension.
    pub(crate) path: String,
    /// What it means, or why it is refused.
    pub(crate) meaning: Value,
    pub(crate) bytes: Vec<u8>,
}

impl Vector {
    /// The text of its `.json` file.
    pub(crate) fn meaning_text(&self) -> String {
        format!("{:#}\n", self.meaning)
    }
}

/// The identity of the store that all vectors belong to.
pub(crate) const STORE: [u8; 16] = *b"allsource-vector";

fn good(name: &str, meaning: Value, bytes: Vec<u8>) -> Vector {
    Vector { path: format!("v2/{name}"), meaning, bytes }
}

/// Every vector.
pub(crate) fn all() -> Vec<Vector> {
    let mut vectors = vec![partitions()];
    vectors.extend(manifests());
    vectors.extend([empty_journal(), journal(), continued_journal()]);
    vectors.extend(sealed());
    vectors.push(snapshot());
    vectors.extend(spoil::all());
    vectors
}

fn partitions() -> Vector {
    let digits = |count| "0123456789".repeat(count);
    let names = [
        ("default", "user-123"),
        ("default", "order-1"),
        ("acme", "user-123"),
        ("default", "application-185548"),
        ("default", "größe 1"),
        ("t", "e"),
        ("t", "ab"),
        ("zeta", &digits(7)),
        ("zeta", &digits(12)),
        ("zeta", &digits(17)),
        ("zeta", &digits(25)),
        ("zeta", &digits(51)),
    ];
    let example = |(tenant, entity_id): (&str, &str)| {
        let key = entity_key(tenant, entity_id);
        json!({"tenant": tenant, "entity_id": entity_id, "xxh3_64": format!("{:016x}", key_hash(&key)),
            "of_1": of_key(&key, 1), "of_32": of_key(&key, 32), "of_1024": of_key(&key, 1024)})
    };
    good("partition-examples", json!(names.map(example)), Vec::new())
}

/// A manifest of the vectors' store before anything is sealed.
pub(crate) fn manifest() -> Manifest {
    Manifest {
        store: STORE,
        number: 7,
        created_at: 1_767_225_600_000_000,
        first_journal: 1,
        last_journal: 3,
        journal_file_bytes: 64 << 20,
        partitions: 32,
        lineage: lineage(),
        generations: Vec::new(),
        sequences: vec![0; 32],
    }
}

/// Three incarnations: the second wrote positions that the third took back.
fn lineage() -> Lineage {
    let mut lineage = Lineage::default();
    for (id, first_position) in
        [(b"first-of-vectors", 1), (b"other-of-vectors", 40), (b"third-of-vectors", 30)]
    {
        lineage.push(Incarnation { id: *id, first_position });
    }
    lineage
}

/// The file names of the generation before the one in the vectors.
const EARLIER: &str = "00000000000000000001-00000000000000000008";

/// A manifest with the generation in the vectors and the one before it.
pub(crate) fn manifest_of_two_generations() -> Manifest {
    let generation = generation();
    let entry = generation.entry.clone();
    let renamed = |file: &File| File {
        name: file
            .name
            .replace(&format!("{:020}-{:020}", entry.first_position, entry.last_position), EARLIER),
        ..file.clone()
    };
    let earlier = Generation {
        first_position: 1,
        last_position: 8,
        events: 8,
        max_timestamp: entry.max_timestamp - 83,
        last_recorded_at: entry.last_recorded_at - 83,
        records: renamed(&entry.records),
        index: renamed(&entry.index),
        ..entry
    };
    Manifest {
        first_journal: 3,
        partitions: PARTITIONS,
        generations: vec![earlier, entry],
        sequences: generation.sequences.clone(),
        ..manifest()
    }
}

fn manifests() -> [Vector; 3] {
    let fresh = Manifest {
        number: 1,
        last_journal: 0,
        lineage: Lineage::default(),
        partitions: 1,
        sequences: vec![0],
        journal_file_bytes: 64 << 10,
        ..manifest()
    };
    let named = [
        ("manifest-fresh", fresh),
        ("manifest-of-three-journal-files", manifest()),
        ("manifest-of-two-generations", manifest_of_two_generations()),
    ];
    named.map(|(name, manifest)| good(name, meaning::manifest(&manifest), manifest.encode()))
}

/// What checking the index vector requires: the number of partitions, and the name of its segments file.
pub(crate) fn made_of() -> Value {
    json!({"partitions": PARTITIONS, "segments": "segments-of-partitions-0-and-2"})
}

fn sealed() -> Vec<Vector> {
    let made = generation();
    let mut meaning = meaning::index(&made.index);
    meaning["made_of"] = made_of();
    let segments = segments_meaning(&made.segments);
    vec![
        good("segments-of-partitions-0-and-2", segments, made.segments.clone()),
        good("index-of-two-segments", meaning, made.index.clone()),
    ]
}

fn snapshot() -> Vector {
    let bytes = snapshots::file_of(&snapshots::states());
    good("snapshot-of-three-states", snapshots::meaning_of(&bytes), bytes)
}

fn empty_journal() -> Vector {
    let log = Log::first_file();
    good("journal-empty", log.meaning(), log.bytes(1))
}

/// A journal with everything: JSON and binary events, a round of several frames, and a mark at the end.
pub(crate) fn journal_log() -> Log {
    let mut log = Log::first_file();
    log.append(&[event(1, "default", "user-123", 1)]);
    log.append(&[
        event(2, "default", "user-123", 2),
        event(3, "acme", "user-123", 1),
        event(4, "default", "größe 1", 1),
    ]);
    log.end_round();
    log.append(&[event(5, "default", "order-1", 1)]);
    log.end_round();
    log.mark();
    log.end_round();
    log
}

fn journal() -> Vector {
    let log = journal_log();
    good("journal-events", log.meaning(), log.bytes(1))
}

fn continued_journal() -> Vector {
    let mut log = Log::after(&journal_log(), 2, 2);
    log.append(&[event(6, "default", "order-1", 2)]);
    log.end_round();
    good("journal-second-file-of-a-new-epoch", log.meaning(), log.bytes(0))
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
