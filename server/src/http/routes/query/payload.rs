//! Conditions on payloads: members that must have a value.

use std::collections::HashMap;

use allsource_engine::event::{EventRef, Payload};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::http::params::{Params, invalid};
use crate::problem::Problem;

/// Members and the values they must all have; a name is a path of names joined by dots.
#[derive(Debug)]
pub(super) struct Conditions(Map<String, Value>);

impl Conditions {
    /// Reads the parameter `payload_filter`, if it is there.
    pub(super) fn among(params: &Params) -> Result<Option<Self>, Problem> {
        let Some(text) = params.text("payload_filter") else { return Ok(None) };
        let conditions = serde_json::from_str(text).map_err(|error| {
            invalid("payload_filter", &format!("must be a JSON object like {{\"status\":\"paid\"}}: {error}"))
        })?;
        Ok(Some(Self(conditions)))
    }

    /// Whether the payload of an event meets them all; one that is not JSON meets none.
    pub(super) fn hold(&self, event: &EventRef) -> bool {
        let Payload::Json(text) = event.payload() else { return false };
        self.0.iter().all(|(name, expected)| member(text, name).is_some_and(|found| found == *expected))
    }
}

/// The member of that very name, or else the one the path leads to. Only what is asked for is read: another member
/// may hold a number or a text that this program cannot.
fn member(payload: &str, name: &str) -> Option<Value> {
    let name = name.strip_prefix("payload.").unwrap_or(name);
    let found =
        step(payload, name).or_else(|| name.split('.').try_fold(payload, |text, part| step(text, part)))?;
    serde_json::from_str(found).ok()
}

/// The text of one member of an object.
fn step<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    let members: HashMap<String, &'a RawValue> = serde_json::from_str(object).ok()?;
    members.get(name).map(|value| value.get())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_member_is_found_by_name_and_by_path() {
        let payload = r#"{"a":{"b":1},"c.d":2,"payload":3}"#;
        assert_eq!(member(payload, "a.b"), Some(json!(1)));
        assert_eq!(member(payload, "payload.a.b"), Some(json!(1)));
        assert_eq!(member(payload, "c.d"), Some(json!(2)));
        assert_eq!(member(payload, "a.x"), None);
    }

    /// Such events were left out of every answer without a word.
    #[test]
    fn a_member_is_found_beside_one_that_no_program_can_hold() {
        assert_eq!(member(r#"{"n":1,"big":1e999,"half":"\ud800"}"#, "n"), Some(json!(1)));
    }
}
