//! Conditions on payloads: members that must have a certain value.

use std::collections::BTreeMap;

use allsource_engine::event::{EventRef, Payload};
use allsource_engine::json::{canonical, member};
use serde_json::value::RawValue;

use crate::http::params::{Params, invalid};
use crate::problem::{Problem, plain};

/// Members and the canonical text of their required values; a name is a path of names joined by dots.
#[derive(Debug)]
pub(super) struct Conditions(Vec<(String, Vec<u8>)>);

impl Conditions {
    /// Parses the parameter `payload_filter`, if given.
    pub(super) fn among(params: &Params) -> Result<Option<Self>, Problem> {
        let Some(text) = params.text("payload_filter") else { return Ok(None) };
        let conditions: BTreeMap<String, &RawValue> = serde_json::from_str(text).map_err(|error| {
            let said = plain(&error.to_string());
            invalid("payload_filter", &format!("must be a JSON object like {{\"status\":\"paid\"}}: {said}"))
        })?;
        let canonical = |(name, value): (String, &RawValue)| (name, canonical(value.get()));
        Ok(Some(Self(conditions.into_iter().map(canonical).collect())))
    }

    /// Whether the payload of an event meets all conditions; a payload that is not JSON meets none.
    pub(super) fn hold(&self, event: &EventRef) -> bool {
        let Payload::Json(text) = event.payload() else { return false };
        self.hold_in(text)
    }

    fn hold_in(&self, payload: &str) -> bool {
        let is_met =
            |found: &str, expected: &[u8]| found.as_bytes() == expected || canonical(found) == expected;
        self.0.iter().all(|(name, expected)| at(payload, name).is_some_and(|found| is_met(found, expected)))
    }
}

/// The text of the member with exactly this name, or else of the member at the path.
fn at<'a>(payload: &'a str, name: &str) -> Option<&'a str> {
    let name = name.strip_prefix("payload.").unwrap_or(name);
    member(payload, name).or_else(|| name.split('.').try_fold(payload, |text, part| member(text, part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_found_by_name_and_by_path() {
        let payload = r#"{"a":{"b":1},"c.d":2,"payload":3}"#;
        assert_eq!(at(payload, "a.b"), Some("1"));
        assert_eq!(at(payload, "payload.a.b"), Some("1"));
        assert_eq!(at(payload, "c.d"), Some("2"));
        assert_eq!(at(payload, "a.x"), None);
    }

    /// Such members must not hide the event from every answer.
    #[test]
    fn a_member_is_found_beside_one_that_no_program_can_hold() {
        assert_eq!(at(r#"{"n":1,"big":1e999,"half":"\ud800","\ud83d":0}"#, "n"), Some("1"));
    }

    #[test]
    fn numbers_are_compared_by_their_exact_value() {
        let holds = |filter: &str, payload: &str| {
            let conditions: BTreeMap<String, &RawValue> = serde_json::from_str(filter).unwrap();
            let canonical = |(name, value): (String, &RawValue)| (name, canonical(value.get()));
            Conditions(conditions.into_iter().map(canonical).collect()).hold_in(payload)
        };
        assert!(holds(r#"{"n":1}"#, r#"{"n":1.0}"#) && holds(r#"{"n":10e-1}"#, r#"{"n":1}"#));
        assert!(holds(r#"{"n":0}"#, r#"{"n":-0.0}"#));
        assert!(!holds(r#"{"n":9007199254740993}"#, r#"{"n":9007199254740992}"#));
        assert!(holds(
            r#"{"n":123456789012345678901234567890}"#,
            r#"{"n":1.2345678901234567890123456789e29}"#
        ));
        assert!(holds(r#"{"o":{"a":1,"b":2}}"#, r#"{"o":{"b":2.0,"a":1}}"#));
        assert!(!holds(r#"{"n":"1"}"#, r#"{"n":1}"#));
    }
}
