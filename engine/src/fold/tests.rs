//! What a fold keeps, and what it notices.

use super::*;

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
fn members_behind_a_name_that_is_no_text_are_kept() {
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
fn a_version_that_is_not_met_is_an_error() {
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
