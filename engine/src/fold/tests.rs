//! The fold: what it keeps, and what it notices.

use super::*;
use crate::tail::Tail;
use crate::tail::tests::{Example, add};

/// Three events of a user: the first creates it, the second changes one member and adds another, the third is no object.
fn user() -> Vec<EventRef> {
    let tail = Tail::after(0, vec![0]);
    let payloads = [r#"{"name":"Ada","city":"London"}"#, r#"{"city":"Paris","age":36}"#, "[1,2]"];
    for (version, payload) in (1..).zip(payloads) {
        add(&tail, Example { entity_id: "user-1", event_type: "user.changed", version, payload, tags: &[] });
    }
    (0..3).map(|ordinal| tail.event(ordinal)).collect()
}

#[test]
fn later_members_replace_earlier_ones_and_keep_their_place() {
    let mut fold = Fold::onto(None);
    user().iter().try_for_each(|event| fold.add(event)).unwrap();
    let state = fold.finish().unwrap();
    assert_eq!(state.to_json(), r#"{"name":"Ada","city":"Paris","age":36}"#);
    assert_eq!((state.version().value(), state.event_count()), (3, 3));
    assert_eq!(state.member("age"), Some("36"));
}

#[test]
fn a_fold_onto_a_snapshot_gives_the_state_of_the_whole_history() {
    let events = user();
    let (before, after) = events.split_at(1);
    let mut fold = Fold::onto(None);
    before.iter().try_for_each(|event| fold.add(event)).unwrap();
    let snapshot = fold.finish().unwrap();
    let mut fold = Fold::onto(Some(&snapshot));
    after.iter().try_for_each(|event| fold.add(event)).unwrap();
    let state = fold.finish().unwrap();
    assert_eq!(state.to_json(), r#"{"name":"Ada","city":"Paris","age":36}"#);
    assert_eq!((state.version().value(), state.event_count()), (3, 3));
}

#[test]
fn a_fold_of_nothing_is_its_snapshot_or_nothing() {
    assert!(Fold::onto(None).finish().is_none());
    let mut fold = Fold::onto(None);
    fold.add(&user()[0]).unwrap();
    let snapshot = fold.finish().unwrap();
    assert_eq!(Fold::onto(Some(&snapshot)).finish().unwrap().to_json(), snapshot.to_json());
}

fn merged(payloads: &[&str]) -> Vec<(String, String)> {
    let mut members = Members::of(None);
    payloads.iter().for_each(|payload| members.merge(payload).unwrap());
    let (text, places) = members.finish();
    let state = State {
        text,
        members: places,
        version: Version::FIRST,
        position: Position::FIRST,
        event_count: 1,
        last_updated: Timestamp::MIN,
        max_timestamp: Timestamp::MIN,
    };
    assert!(serde_json::from_str::<&serde_json::value::RawValue>(&state.to_json()).is_ok());
    state.members().map(|(name, value)| (name.into_owned(), value.to_owned())).collect()
}

#[test]
fn members_after_a_name_that_is_no_text_are_kept() {
    let found =
        merged(&[r#"{"note":"x","\ud83d":"y","status":"paid"}"#, r#"{"\uD83D":1,"\\ud83d":2,"a\"":3}"#]);
    let found: Vec<(&str, &str)> =
        found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let expected =
        [("note", "\"x\""), (r"\ud83d", "1"), ("status", "\"paid\""), (r"\ud83d", "2"), ("a\"", "3")];
    assert_eq!(found, expected);
}

#[test]
fn one_name_in_two_spellings_is_one_member() {
    assert_eq!(
        merged(&[r#"{"größe":1}"#, r#"{"gr\u00f6\u00DFe":2}"#]),
        [("größe".to_owned(), "2".to_owned())]
    );
}

#[test]
fn payloads_that_are_no_objects_change_nothing_and_broken_ones_are_errors() {
    assert!(merged(&["[1]", "\"x\"", " 7 ", "null"]).is_empty());
    let mut members = Members::of(None);
    assert!(members.merge("{\"a\":").unwrap_err().contains("not JSON"));
}

#[test]
fn a_long_value_gives_its_memory_back() {
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(100_000));
    assert_eq!(merged(&[&long, r#"{"a":1}"#, &long, r#"{"a":2}"#]), [("a".to_owned(), "2".to_owned())]);
}

#[test]
fn a_missing_version_is_an_error() {
    let entity = Entity::new("a").unwrap();
    let version = |number| Version::new(number).unwrap();
    let mut history = History::after(&entity, Some(version(3)));
    assert!(history.check_end(u64::MAX, || Ok(Some(5))).is_err());
    let error = history.follow(version(5)).unwrap_err();
    assert_eq!(error, FoldError::MissingEvent { entity: entity.clone(), version: 4 });
    history.follow(version(4)).unwrap();
    assert!(history.check_end(4, || unreachable!("the version that was asked for was met")).is_ok());
    assert!(history.check_end(7, || Ok(Some(4))).is_ok());
    assert!(history.check_end(u64::MAX, || Ok(Some(5))).is_err());
    history.cut_short();
    assert!(history.check_end(u64::MAX, || Ok(Some(5))).is_ok());
    assert!(History::after(&entity, None).check_end(u64::MAX, || Ok(None)).is_ok());
}
