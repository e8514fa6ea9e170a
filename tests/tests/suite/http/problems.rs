//! Bad requests: each is answered with a problem document that says what to do, and changes nothing.

use allsource_tests::server::Server;

const EVENTS: &str = "/api/v1/events";
const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

#[test]
fn a_bad_event_is_refused_with_its_mistake_named() {
    let server = Server::start();
    let long = "x".repeat(513);
    let deep =
        format!(r#"{{"event_type":"t","entity_id":"e","payload":{}1{}}}"#, "[".repeat(200), "]".repeat(200));
    let long_entity = format!(r#"{{"event_type":"t","entity_id":"{long}","payload":1}}"#);
    let bodies = [
        ("{", 400, "invalid-json", "line"),
        ("[]", 400, "invalid-body", "JSON object"),
        // Field values in order, without their names, are not an event.
        (r#"["t","e",null,1,null,null,null,null,null,null]"#, 400, "invalid-body", "JSON object"),
        (r#"{"event_type":"t","entity_id":"e"}"#, 400, "invalid-body", "payload"),
        (r#"{"event_type":"t","payload":1}"#, 400, "invalid-body", "entity_id"),
        (
            r#"{"event_typ":"t","entity_id":"e","payload":1}"#,
            400,
            "unknown-field",
            "did you mean `event_type`",
        ),
        (
            r#"{"event_type":7,"entity_id":"e","payload":1}"#,
            400,
            "invalid-body",
            "`event_type` is not as it should be: number `7`, expected a string",
        ),
        (r#"{"event_type":"","entity_id":"e","payload":1}"#, 400, "invalid-name", "event_type"),
        (r#"{"event_type":"t\u0000","entity_id":"e","payload":1}"#, 400, "invalid-name", "event_type"),
        (r#"{"event_type":"t","entity_id":"e ","payload":1}"#, 400, "invalid-name", "entity_id"),
        (long_entity.as_str(), 400, "invalid-name", "512"),
        (r#"{"event_type":"_sys","entity_id":"e","payload":1}"#, 400, "reserved-name", "reserved"),
        (
            r#"{"event_type":"t","entity_id":"e","payload":1,"tenant_id":"a b"}"#,
            400,
            "invalid-name",
            "tenant_id",
        ),
        (r#"{"event_type":"t","entity_id":"e","payload":1,"id":"7"}"#, 400, "invalid-event", "UUID"),
        (
            r#"{"event_type":"t","entity_id":"e","payload":1,"timestamp":"0000-06-01T00:00:00Z"}"#,
            400,
            "invalid-event",
            "0001-01-01",
        ),
        (
            r#"{"event_type":"t","entity_id":"e","payload":1,"timestamp":"yesterday"}"#,
            400,
            "invalid-event",
            "RFC 3339",
        ),
        (
            r#"{"event_type":"t","entity_id":"e","payload":1,"expected_version":-1}"#,
            400,
            "invalid-body",
            "-1",
        ),
        (deep.as_str(), 400, "invalid-event", "deep"),
    ];
    for (body, status, slug, word) in bodies {
        let problem = server.send("POST", EVENTS, &JSON, body).problem(status, slug);
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(word), "{body}: {detail:?} does not mention {word:?}");
    }
    assert_eq!(server.get("/api/v1/stats").success()["total_events"], 0);
}

#[test]
fn a_bad_path_or_parameter_is_refused_by_name() {
    let server = Server::start();
    let requests = [
        ("GET", "/nowhere", 404, "no-such-route"),
        ("DELETE", EVENTS, 405, "method-not-allowed"),
        ("GET", "/api/v1/events/abc", 400, "invalid-parameter"),
        ("GET", "/api/v1/events/11111111-2222-4333-8444-555555555555", 404, "event-not-found"),
        ("GET", "/api/v1/entities/unknown/state", 404, "entity-not-found"),
        ("GET", "/api/v1/entities/unknown/snapshot", 404, "entity-not-found"),
        ("GET", "/api/v1/entities/%FF/state", 400, "invalid-path"),
        ("GET", "/api/v1/events/query?entity=x", 400, "unknown-parameter"),
        ("GET", "/api/v1/events/query?limit=ten", 400, "invalid-parameter"),
        ("GET", "/api/v1/events/query?limit=10001", 400, "invalid-parameter"),
        ("GET", "/api/v1/events/query?limit=1&limit=2", 400, "invalid-parameter"),
        ("GET", "/api/v1/events/query?as_of=now", 400, "invalid-parameter"),
        ("GET", "/api/v1/events/query?order=down", 400, "invalid-parameter"),
        ("GET", "/api/v1/events/query?cursor=zzz", 400, "invalid-parameter"),
        ("GET", "/api/v1/events/query?payload_filter=1", 400, "invalid-parameter"),
        ("GET", "/api/v1/events/query?entity_id=%00", 400, "invalid-name"),
        // Neither "all events" nor a name with a replacement character.
        ("GET", "/api/v1/events/query?entity_id=", 400, "invalid-parameter"),
        ("GET", "/api/v1/events/query?entity_id=%ff", 400, "invalid-parameter"),
        ("GET", "/api/v1/stats?x=1", 400, "unknown-parameter"),
        ("GET", "/health?x=1", 400, "unknown-parameter"),
        ("GET", "/api/v1/events/stream", 426, "upgrade-required"),
        ("GET", "/api/v1/events/stream?from=5", 400, "invalid-parameter"),
        ("GET", "/api/v1/events/stream?from=soon", 400, "invalid-parameter"),
    ];
    for (method, path, status, slug) in requests {
        server.send(method, path, &[], "").problem(status, slug);
    }
    server
        .send("POST", EVENTS, &[("content-type", "text/plain")], "{}")
        .problem(415, "unsupported-media-type");
    server.send("POST", EVENTS, &[], "{}").problem(415, "unsupported-media-type");
    let compressed = [("content-type", "application/x-ndjson"), ("content-encoding", "gzip")];
    server.send("POST", "/api/v1/events/batch", &compressed, "x").problem(415, "unsupported-media-type");
    let large = format!(r#"{{"event_type":"t","entity_id":"e","payload":"{}"}}"#, "x".repeat(18 << 20));
    server.send("POST", EVENTS, &JSON, &large).problem(413, "too-large");
    assert_eq!(server.get("/api/v1/stats").success()["total_events"], 0);
}
