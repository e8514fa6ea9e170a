//! Every test vector, made anew.

#![expect(clippy::indexing_slicing, reason = "a vector that is not as long as it should be must not be made")]

mod log;
mod spoil;

use allsource_format::manifest::Manifest;
use allsource_format::partition::{entity_key, key_hash, of_key};
use serde_json::{Value, json};

use log::{Log, event};

/// Bytes, and what they mean.
pub(crate) struct Vector {
    /// Its path without an ending.
    pub(crate) path: String,
    /// What it says, or why it is refused.
    pub(crate) meaning: Value,
    pub(crate) bytes: Vec<u8>,
}

impl Vector {
    /// The text of its `.json` file.
    pub(crate) fn meaning_text(&self) -> String {
        format!("{:#}\n", self.meaning)
    }
}

/// The store all vectors are of.
pub(crate) const STORE: [u8; 16] = *b"allsource-vector";

fn good(name: &str, meaning: Value, bytes: Vec<u8>) -> Vector {
    Vector { path: format!("v1/{name}"), meaning, bytes }
}

/// Every vector.
pub(crate) fn all() -> Vec<Vector> {
    let mut vectors = vec![partitions()];
    vectors.extend(manifests());
    vectors.extend([empty_journal(), journal(), continued_journal()]);
    vectors.extend(spoil::all());
    vectors
}

fn partitions() -> Vector {
    let names = [
        ("default", "user-123"),
        ("default", "order-1"),
        ("acme", "user-123"),
        ("default", "application-185548"),
        ("default", "größe 1"),
        ("t", "e"),
    ];
    let example = |(tenant, entity_id): (&str, &str)| {
        let key = entity_key(tenant, entity_id);
        json!({"tenant": tenant, "entity_id": entity_id, "xxh3_64": format!("{:016x}", key_hash(&key)),
            "of_1": of_key(&key, 1), "of_32": of_key(&key, 32), "of_1024": of_key(&key, 1024)})
    };
    good("partition-examples", json!(names.map(example)), Vec::new())
}

/// A manifest of the vectors' store.
pub(crate) fn manifest() -> Manifest {
    Manifest {
        store: STORE,
        number: 7,
        created_at: 1_767_225_600_000_000,
        sealed_position: 0,
        first_journal: 1,
        last_journal: 3,
        journal_file_bytes: 64 << 20,
        partitions: 32,
    }
}

fn manifests() -> [Vector; 2] {
    let fresh =
        Manifest { number: 1, last_journal: 0, partitions: 1, journal_file_bytes: 64 << 10, ..manifest() };
    [("manifest-fresh", fresh), ("manifest-of-three-journal-files", manifest())].map(|(name, manifest)| {
        let meaning = json!({
            "store": hex(&manifest.store), "number": manifest.number, "created_at": manifest.created_at,
            "sealed_position": manifest.sealed_position, "first_journal": manifest.first_journal,
            "last_journal": manifest.last_journal, "journal_file_bytes": manifest.journal_file_bytes,
            "partitions": manifest.partitions,
        });
        good(name, meaning, manifest.encode().to_vec())
    })
}

fn empty_journal() -> Vector {
    let log = Log::first_file();
    good("journal-empty", log.meaning(), log.bytes(1))
}

/// Rounds of everything: events of both kinds, several frames in a round, a mark, and nothing after it.
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

/// Bytes as digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
