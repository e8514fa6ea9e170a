//! Snapshots: round trips, and every way to spoil one.

use super::*;

fn snapshot() -> Snapshot<'static> {
    Snapshot {
        id: [7; 16],
        created_at: 5,
        version: 100,
        position: 512,
        events: 100,
        last_updated: -3,
        max_timestamp: 9,
        cause: 2,
        fold: FOLD_MERGE,
        incarnation: [4; 16],
        key: "default\0user-1",
        members: &[4, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0],
        text: "name\"Ada\"n42",
    }
}

#[test]
fn a_snapshot_comes_back_and_no_cut_is_accepted() {
    let mut bytes = Vec::new();
    snapshot().encode(&mut bytes);
    assert_eq!(Snapshot::decode(&bytes), Ok(snapshot()));
    assert_eq!(snapshot().lengths().collect::<Vec<_>>(), [(4, 5), (1, 2)]);
    for length in 0..bytes.len() {
        assert!(Snapshot::decode(&bytes[..length]).is_err(), "cut to {length}");
    }
}

#[test]
fn lengths_that_contradict_each_other_are_refused() {
    let mut bytes = Vec::new();
    snapshot().encode(&mut bytes);
    for offset in (72..INCARNATION).chain(HEADER_BYTES..HEADER_BYTES + 16).step_by(4) {
        for value in [0_u32, 3, 1 << 20, u32::MAX] {
            let mut bad = bytes.clone();
            bad[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
            if bad != bytes {
                assert!(Snapshot::decode(&bad).is_err(), "{value} at {offset}");
            }
        }
    }
}

#[test]
fn a_member_that_ends_inside_a_character_is_refused() {
    let mut bytes = Vec::new();
    Snapshot { members: &[3, 0, 0, 0, 2, 0, 0, 0], text: "n\u{f6}\u{e4}", ..snapshot() }.encode(&mut bytes);
    assert!(Snapshot::decode(&bytes).is_ok());
    bytes.clear();
    Snapshot { members: &[2, 0, 0, 0, 3, 0, 0, 0], text: "n\u{f6}\u{e4}", ..snapshot() }.encode(&mut bytes);
    assert_eq!(Snapshot::decode(&bytes), Err(FormatError::Field("text of a snapshot")));
}
