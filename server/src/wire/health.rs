//! Whether the server lives, and whether it takes events.

use std::collections::BTreeMap;

use serde::Serialize;

/// The answer of v0.6 servers about their health.
#[derive(Debug, Clone, Serialize)]
pub struct HealthReply {
    /// Always `healthy`.
    pub status: &'static str,
    /// The name of the service.
    pub service: &'static str,
    /// The release.
    pub version: &'static str,
    /// The incarnation of the store that writes now.
    pub incarnation: String,
}

/// The process answers.
#[derive(Debug, Clone, Serialize)]
pub struct LiveReply {
    /// Always `ok`.
    pub status: &'static str,
}

/// Whether events are accepted.
#[derive(Debug, Clone, Serialize)]
pub struct ReadyReply {
    /// The state of the store in one word.
    pub status: &'static str,
    /// Why the status is not `ready`.
    pub reason: Option<String>,
    /// Seconds by which the clock is behind the last stored event; at least 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_behind_seconds: Option<u64>,
    /// Why the system log is not folded, or takes no changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_log: Option<String>,
    /// The last error of each upkeep task that failed and will be tried again.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub upkeep_failing: BTreeMap<&'static str, String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::to_json;

    #[test]
    fn answers_about_health_keep_their_bytes() {
        let check = |reply: Vec<u8>, expected: &str| assert_eq!(String::from_utf8(reply).unwrap(), expected);
        let (incarnation, version) = ("48".to_owned(), "0.1.0");
        let health = HealthReply { status: "healthy", service: "allsource-core", version, incarnation };
        check(
            to_json(&health),
            r#"{"status":"healthy","service":"allsource-core","version":"0.1.0","incarnation":"48"}"#,
        );
        check(to_json(&LiveReply { status: "ok" }), r#"{"status":"ok"}"#);
        let ready = ReadyReply {
            status: "ready",
            reason: None,
            clock_behind_seconds: None,
            system_log: None,
            upkeep_failing: BTreeMap::new(),
        };
        check(to_json(&ready), r#"{"status":"ready","reason":null}"#);
        let troubled = ReadyReply {
            status: "storage_full",
            reason: Some("full".to_owned()),
            clock_behind_seconds: Some(2),
            system_log: Some("gone".to_owned()),
            upkeep_failing: [("seal", "no".to_owned()), ("merge", "room".to_owned())].into(),
        };
        check(
            to_json(&troubled),
            r#"{"status":"storage_full","reason":"full","clock_behind_seconds":2,"system_log":"gone","upkeep_failing":{"merge":"room","seal":"no"}}"#,
        );
    }
}
