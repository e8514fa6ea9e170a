//! The tail: every way to find an event in memory.

use super::*;
use crate::event::Entity;

use allsource_format::record::{self, Draft, Stamp};
use rkyv::util::AlignedVec;

/// An event of the tenant `default`, to be put into a tail by [`add`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Example<'a> {
    pub(crate) entity_id: &'a str,
    pub(crate) event_type: &'a str,
    pub(crate) version: u64,
    pub(crate) payload: &'a str,
    pub(crate) tags: &'a [&'a str],
}

/// Adds an event at the next position; the position is also its time in microseconds, and makes its id.
pub(crate) fn add(tail: &Tail, event: Example<'_>) {
    let position = tail.last_position() + 1;
    let Example { entity_id, event_type, version, payload, tags } = event;
    let draft = Draft {
        id: u128::from(position).to_be_bytes(),
        timestamp: None,
        is_json: true,
        tenant: "default",
        entity_id,
        event_type,
        payload: payload.as_bytes(),
        metadata: "",
        tags,
    };
    let mut bytes = AlignedVec::new();
    let crc = record::encode(&draft, &mut bytes).unwrap();
    let time = i64::try_from(position).unwrap();
    record::complete(&mut bytes, crc, &Stamp { position, version, recorded_at: time, clock: time });
    tail.insert(&Arc::new(Block::new(bytes)), &[0]);
}

/// A tail after position 10 with three events of `a` and one of `b`, at positions 11 to 14.
fn tail() -> Tail {
    let tail = Tail::after(10, vec![4, 6]);
    for (entity_id, event_type, version) in
        [("a", "placed", 1), ("b", "placed", 1), ("a", "paid", 2), ("a", "paid", 3)]
    {
        add(&tail, Example { entity_id, event_type, version, payload: "{}", tags: &["red", "red"] });
    }
    tail
}

fn ordinals(list: Option<Arc<Postings>>) -> Vec<u32> {
    list.map_or_else(Vec::new, |list| list.to_vec())
}

#[test]
fn events_are_found_by_entity_type_tag_and_id() {
    let tail = tail();
    let key = |name: &str| key_of("default", name.as_bytes());
    assert_eq!(ordinals(tail.entity(&key("a"))), [0, 2, 3]);
    assert_eq!(ordinals(tail.event_type(&key("paid"))), [2, 3]);
    assert_eq!(ordinals(tail.tag(&key("red"))), [0, 1, 2, 3], "a tag given twice counts once");
    assert!(ordinals(tail.entity(&key("c"))).is_empty());
    let id = 12_u128.to_be_bytes();
    let found = tail.find_id("default", &id).unwrap();
    assert_eq!((found.position().value(), found.entity_id()), (12, "b"));
    assert!(tail.find_id("acme", &id).is_none(), "ids belong to a tenant");
}

#[test]
fn versions_and_sequences_are_known_as_of_every_position() {
    let tail = tail();
    let a = Entity::new("a").unwrap();
    let heads = [10, 11, 12, 13, 14].map(|position| tail.head_below(&a.key(), position));
    assert_eq!(heads, [None, Some(1), Some(1), Some(2), Some(3)]);
    assert_eq!(tail.sequences_through(10), [4, 6]);
    assert_eq!(tail.sequences_through(14).iter().sum::<u64>(), 14);
    assert_eq!((tail.base(), tail.last_position()), (10, 14));
}

#[test]
fn events_and_entities_of_a_tenant_are_counted() {
    let tail = tail();
    let of = |tenant: &str| {
        let tally = tail.tally(Some(&TenantId::new(tenant).unwrap()));
        (tally.events, tally.entities)
    };
    assert_eq!((of("default"), of("acme")), ((4, 2), (0, 0)));
}
