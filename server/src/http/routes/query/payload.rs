//! Conditions on payloads: members that must have a certain value.

use std::fmt;

use allsource_engine::event::{EventRef, Payload};
use allsource_engine::json::{canonical, member};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
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
        let Members(conditions) = serde_json::from_str(text).map_err(|error| {
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
        self.0.iter().all(|(name, expected)| candidates(payload, name).any(|found| is_met(found, expected)))
    }
}

/// The members of an object, each of another name.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Members<'de>, A::Error> {
        let mut members: Vec<(String, &RawValue)> = Vec::new();
        while let Some((name, value)) = object.next_entry::<String, &RawValue>()? {
            if members.iter().any(|(known, _)| *known == name) {
                return Err(A::Error::custom(format!("`{name}` is there twice")));
            }
            members.push((name, value));
        }
        Ok(Members(members))
    }
}

/// The members that a name can mean: the one of exactly this name, and the one at the path; with or without a leading
/// `payload.`.
fn candidates<'a>(payload: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    let names = [Some(name), name.strip_prefix("payload.")].into_iter().flatten();
    names.flat_map(move |name| {
        let path = || name.split('.').try_fold(payload, |text, part| member(text, part));
        let path = name.contains('.').then(path).flatten();
        [member(payload, name), path].into_iter().flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_found_by_name_and_by_path() {
        let check = |payload: &str, name: &str, expected: &[&str]| {
            assert_eq!(candidates(payload, name).collect::<Vec<_>>(), expected, "{name} in {payload}");
        };
        let payload = r#"{"a":{"b":1},"c.d":2,"payload":3}"#;
        check(payload, "a.b", &["1"]);
        check(payload, "payload.a.b", &["1"]);
        check(payload, "c.d", &["2"]);
        check(payload, "a.x", &[]);
        check(r#"{"a.b":2,"a":{"b":1}}"#, "a.b", &["2", "1"]);
        check(r#"{"payload":{"x":1},"x":2}"#, "payload.x", &["1", "2"]);
    }

    #[test]
    fn a_name_that_is_there_twice_is_refused() {
        let parse = |text| serde_json::from_str::<Members<'_>>(text).map(|Members(members)| members.len());
        assert_eq!(parse(r#"{"a":1,"b":{"a":1}}"#).unwrap(), 2);
        assert!(parse(r#"{"a":1,"a":2}"#).unwrap_err().to_string().contains("`a` is there twice"));
        assert!(parse("[1]").unwrap_err().to_string().contains("an object"));
    }

    /// Such members must not hide the event from every answer.
    #[test]
    fn a_member_is_found_beside_one_that_no_program_can_hold() {
        let payload = r#"{"n":1,"big":1e999,"half":"\ud800","\ud83d":0}"#;
        assert_eq!(candidates(payload, "n").next(), Some("1"));
    }

    #[test]
    fn numbers_are_compared_by_their_exact_value() {
        let holds = |filter: &str, payload: &str| {
            let Members(conditions) = serde_json::from_str(filter).unwrap();
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
