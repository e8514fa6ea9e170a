//! Building an index from records.

use rkyv::util::AlignedVec;

use super::*;
use crate::segment::tests::{Event, event, record};

/// Adds the records of one run of partition 0, back to back from offset 4096.
fn add_run(builder: &mut Builder, run: u64, events: &[Event]) {
    let mut offset = 4096;
    for event in events {
        let bytes: AlignedVec = record(event);
        let record = Record::check(&bytes).unwrap();
        builder.add(&record, 0, run, offset).unwrap();
        offset += bytes.len() as u64;
    }
}

fn section(builder: Builder, kind: u32) -> Built {
    let mut found = None;
    builder
        .finish(|built| {
            if built.kind == kind {
                found = Some(built);
            }
            Ok::<(), ()>(())
        })
        .unwrap();
    found.unwrap()
}

fn stretches(builder: Builder) -> Vec<(u64, u32)> {
    let built = section(builder, ENTITIES);
    let stretches = built.bytes.chunks(32).map(|entry| Stretch::decode(entry).unwrap());
    stretches.map(|stretch| (stretch.first_version, stretch.count)).collect()
}

#[test]
fn a_stretch_ends_with_its_run_at_64_records_and_after_256_kib() {
    let history =
        |from: u64, to: u64| (from..=to).map(|version| event("t", "e", version, version)).collect::<Vec<_>>();
    let mut builder = Builder::new(1, 140, 1);
    add_run(&mut builder, 0, &history(1, 130));
    add_run(&mut builder, 1, &history(131, 140));
    assert_eq!(stretches(builder), [(1, 64), (65, 64), (129, 2), (131, 10)]);

    let mut large = history(1, 5);
    large.iter_mut().for_each(|event| event.payload_bytes = 100 << 10);
    let mut builder = Builder::new(1, 5, 1);
    add_run(&mut builder, 0, &large);
    assert_eq!(stretches(builder), [(1, 3), (4, 2)]);
}

/// Clients choose entity ids, so they can create two entities with one hash. If the versions of one continue where
/// those of the other end, they must still not share a stretch.
#[test]
fn entities_with_one_hash_share_no_stretch() {
    let mut builder = Builder::new(1, 3, 1);
    let mut offset = 4096;
    for event in [event("t", "a", 1, 1), event("t", "a", 2, 2), event("t", "b", 3, 3)] {
        let bytes = record(&event);
        builder.set_key(event.tenant.as_bytes(), event.entity_id.as_bytes());
        builder.extend_stretch(&Record::check(&bytes).unwrap(), 77, (0, 0), offset);
        offset += bytes.len() as u64;
    }
    let found: Vec<_> = builder
        .stretches
        .iter()
        .map(|stretch| (stretch.hash, stretch.first_version, stretch.count))
        .collect();
    assert_eq!(found, [(77, 1, 2), (77, 3, 1)]);
}

#[test]
fn ranks_count_what_comes_before_every_4096_events() {
    let events: Vec<_> = (1..=9000).map(|version| event("t", "e", version, version)).collect();
    let mut builder = Builder::new(1, 9000, 2);
    add_run(&mut builder, 0, &events);
    let ranks = section(builder, RANKS);
    let rows: Vec<u8> = [0_u32, 0, 4096, 0, 8192, 0].iter().flat_map(|count| count.to_le_bytes()).collect();
    assert_eq!((ranks.count, ranks.bytes), (6, rows));
}

#[test]
fn a_fanout_counts_the_hashes_before_each_bucket() {
    for count in [0_u64, 1, 15, 16, 31, 32, 1000] {
        let hashes: Vec<u64> = (0..count).map(|n| n * (u64::MAX / count.max(1))).collect();
        let built = fanout(ID_FANOUT, hashes.iter().copied());
        let bits = fanout_bits(count);
        assert_eq!(built.count, (1 << bits) + 1);
        for (place, start) in (0_u64..).zip(built.bytes.as_chunks::<4>().0) {
            let before = hashes.iter().filter(|hash| bucket(**hash, bits) < place).count();
            assert_eq!(u32::from_le_bytes(*start) as usize, before, "{count} hashes, bucket {place}");
        }
    }
}

#[test]
fn a_repeated_tag_counts_once_and_an_event_added_twice_or_outside_the_generation_is_refused() {
    let mut builder = Builder::new(10, 3, 1);
    add_run(&mut builder, 0, &[event("t", "a", 1, 10), event("t", "a", 2, 12)]);
    assert_eq!(builder.missing(), Some(11));
    for position in [9, 10, 13] {
        let bytes = record(&event("t", "b", 1, position));
        assert_eq!(builder.add(&Record::check(&bytes).unwrap(), 0, 0, 4096), Err(position));
    }
    add_run(&mut builder, 1, &[event("t", "b", 1, 11)]);
    assert_eq!(builder.missing(), None);
    let lists = section(builder, TAG_LISTS);
    let ordinals: Vec<u8> = [0_u32, 2, 0, 2].iter().flat_map(|ordinal| ordinal.to_le_bytes()).collect();
    assert_eq!((lists.count, lists.bytes), (4, ordinals));
}
