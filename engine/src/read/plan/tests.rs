//! The plan: which list a query walks.

use super::*;
use crate::event::{EntityId, EventType, Tag};
use crate::tail::tests::{Example, add};

/// A tail of 1,000 events of ten entities. All have the type `common` and the tag `all`, every hundredth the tag `rare`.
fn tail() -> Tail {
    let tail = Tail::after(0, vec![0]);
    for position in 1..=1000_u64 {
        let entity_id = format!("e-{}", position % 10);
        let tags: &[&str] = if position % 100 == 0 { &["all", "rare"] } else { &["all"] };
        let version = 1 + (position - 1) / 10;
        add(&tail, Example { entity_id: &entity_id, event_type: "common", version, payload: "{}", tags });
    }
    tail
}

/// How many candidates a filter leaves in the tail, and whether they still have to be compared with it.
fn candidates(filter: Filter) -> (u64, bool) {
    let (plan, tail) = (Plan::of(&filter), tail());
    let effort = Effort { events: 1000, window: 1000, wanted: u64::MAX };
    let (found, rest) = plan.in_tail(&tail, effort);
    let count = match found {
        InTail::Everything => 1000,
        InTail::One(event) => u64::from(event.is_some()),
        InTail::Lists(lists) => lists.iter().map(|list| list.len() as u64).sum(),
    };
    (count, !plan.leaves_nothing(rest))
}

fn of_default() -> Filter {
    Filter::tenant(TenantId::default())
}

fn tag(name: &str) -> Tag {
    Tag::new(name).unwrap()
}

#[test]
fn the_shortest_list_is_walked_and_only_the_conditions_beyond_it_are_compared() {
    let entity = Filter { entity_id: Some(EntityId::new("e-3").unwrap()), ..of_default() };
    assert_eq!(candidates(entity.clone()), (100, false));
    assert_eq!(candidates(Filter { tags: vec![tag("rare")], ..of_default() }), (10, false));
    assert_eq!(candidates(Filter { tags: vec![tag("all"), tag("rare")], ..of_default() }), (10, true));
    assert_eq!(candidates(Filter { tags: vec![tag("rare")], ..entity }), (10, true));
    let common = Filter { types: vec![EventType::new("common").unwrap()], ..of_default() };
    assert_eq!(candidates(common), (1000, false));
}

#[test]
fn a_name_that_no_event_has_ends_the_search_at_once() {
    let nothing = Filter { tags: vec![tag("all"), tag("none")], ..of_default() };
    assert_eq!(candidates(nothing).0, 0);
    assert_eq!(candidates(Filter::tenant(TenantId::new("other").unwrap())).0, 0);
}

#[test]
fn without_a_tenant_every_event_is_a_candidate() {
    assert_eq!(candidates(Filter::all()), (1000, false));
    assert_eq!(candidates(Filter { tags: vec![tag("rare")], ..Filter::all() }), (1000, true));
}
