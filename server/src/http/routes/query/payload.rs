//! Conditions on payloads: members that must have a value.

use allsource_engine::event::{EventRef, Payload};
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
        // Payloads were checked when they were accepted.
        let payload: Value = serde_json::from_str(text).unwrap_or_default();
        self.0.iter().all(|(name, expected)| member(&payload, name) == Some(expected))
    }
}

/// The member of that very name, or else the one the path leads to.
fn member<'a>(payload: &'a Value, name: &str) -> Option<&'a Value> {
    let name = name.strip_prefix("payload.").unwrap_or(name);
    payload.get(name).or_else(|| name.split('.').try_fold(payload, |value, step| value.get(step)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_member_is_found_by_name_and_by_path() {
        let payload = json!({"a": {"b": 1}, "c.d": 2, "payload": 3});
        assert_eq!(member(&payload, "a.b"), Some(&json!(1)));
        assert_eq!(member(&payload, "payload.a.b"), Some(&json!(1)));
        assert_eq!(member(&payload, "c.d"), Some(&json!(2)));
        assert_eq!(member(&payload, "a.x"), None);
    }
}
