//! A small journal for tests.

use allsource_format::frame::Kind;
use allsource_format::manifest::{Lineage, Manifest};
use allsource_format::record::{self, Draft, Stamp};
use rkyv::util::AlignedVec;

use super::round::RoundBuilder;

/// The manifest of a new store with journal files of this length.
pub(super) fn manifest(journal_file_bytes: u64) -> Manifest {
    Manifest {
        store: [3; 16],
        number: 1,
        created_at: 0,
        first_journal: 1,
        last_journal: 0,
        journal_file_bytes,
        partitions: 1,
        lineage: Lineage::default(),
        generations: Vec::new(),
        sequences: vec![0],
    }
}

/// Adds an append of one small event of the entity `a`, at the version that is its position.
pub(super) fn append(round: &mut RoundBuilder) {
    let draft = Draft {
        id: [9; 16],
        timestamp: Some(1),
        is_json: true,
        tenant: "default",
        entity_id: "a",
        event_type: "t",
        payload: b"{}",
        metadata: "",
        tags: &[],
    };
    let mut encoded = AlignedVec::new();
    let crc = record::encode(&draft, &mut encoded).unwrap();
    round.open_frame();
    let position = round.next_position();
    let time = position.cast_signed();
    round.push(&encoded, crc, &Stamp { position, version: position, recorded_at: time, clock: time });
    round.close_frame(Kind::Append);
}
