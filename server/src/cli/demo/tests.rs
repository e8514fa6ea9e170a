//! The invented business is the same every time, has the requested size, and is plausible.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::business::{Business, first_customer, first_order};

fn ending() -> DateTime<Utc> {
    "2026-01-31T12:00:00Z".parse().unwrap()
}

fn events(seed: u64, count: u64) -> Vec<Value> {
    Business::new(seed, count, ending()).map(|event| serde_json::to_value(event).unwrap()).collect()
}

fn text<'a>(event: &'a Value, member: &str) -> &'a str {
    event[member].as_str().unwrap()
}

#[test]
fn the_same_seed_invents_the_same_business() {
    assert_eq!(events(7, 3_000), events(7, 3_000));
    assert_ne!(events(7, 100), events(8, 100));
}

#[test]
fn businesses_of_different_seeds_share_nothing() {
    let ids = |seed| {
        events(seed, 500).iter().map(|event| text(event, "entity_id").to_owned()).collect::<HashSet<_>>()
    };
    assert!(ids(1).is_disjoint(&ids(2)));
}

#[test]
fn it_has_as_many_events_as_asked_in_order_over_about_ninety_days() {
    for count in [1, 2, 500, 20_000] {
        let events = events(3, count);
        assert_eq!(events.len() as u64, count);
        let times: Vec<DateTime<Utc>> =
            events.iter().map(|event| text(event, "timestamp").parse().unwrap()).collect();
        assert!(times.is_sorted());
        assert_eq!(times.last(), Some(&ending()));
        let span = ending() - times[0];
        assert!(span < TimeDelta::days(150), "{count} events take {span}");
        assert!(count < 500 || span > TimeDelta::days(60), "{count} events take {span}");
    }
}

#[test]
fn an_order_is_placed_before_it_is_paid_and_shipped_before_it_arrives() {
    let before: HashMap<&str, &str> = HashMap::from([
        ("cart.item_added", "cart.opened"),
        ("payment.authorized", "payment.requested"),
        ("payment.captured", "payment.authorized"),
        ("order.confirmed", "order.placed"),
        ("order.completed", "order.confirmed"),
        ("order.returned", "order.completed"),
        ("shipment.delivered", "shipment.dispatched"),
        ("return.received", "return.requested"),
    ]);
    let mut seen = HashSet::new();
    let mut types = HashSet::new();
    for event in events(1, 50_000) {
        let (id, event_type) = (text(&event, "entity_id").to_owned(), text(&event, "event_type").to_owned());
        if let Some(first) = before.get(event_type.as_str()) {
            assert!(seen.contains(&(id.clone(), (*first).to_owned())), "{event_type} of {id} before {first}");
        }
        types.insert(event_type.clone());
        seen.insert((id, event_type));
    }
    assert!(types.len() >= 19, "{types:?}");
}

#[test]
fn what_the_command_suggests_to_look_at_exists() {
    for seed in 0..20 {
        let ids: HashSet<_> =
            events(seed, 1_000).iter().map(|event| text(event, "entity_id").to_owned()).collect();
        assert!(ids.contains(&first_customer(seed)) && ids.contains(&first_order(seed)), "seed {seed}");
    }
}
