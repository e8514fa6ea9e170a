//! The same conditions give the same events on every way to read: as a query, as lines, as server-sent events, over a
//! WebSocket by parameters and by a frame, and in the engine.

use std::io::BufRead as _;
use std::time::Duration;

use allsource_engine::event::{EntityId, EventType, Filter, Tag, TenantId, Timestamp};
use allsource_engine::{Message, Query, Start, Version};
use allsource_tests::server::Server;
use serde_json::{Value, json};

use super::streams::{PATIENCE, Socket, connect, frame, say};

/// Events appended; half of them are sealed.
const EVENTS: u64 = 120;

/// One way of choosing events, said in three languages.
struct Case {
    parameters: &'static str,
    frame: Value,
    filter: Filter,
}

fn own() -> Filter {
    Filter::tenant(TenantId::default())
}

fn event_type(name: &str) -> EventType {
    EventType::new(name).unwrap()
}

fn tag(name: &str) -> Tag {
    Tag::new(name).unwrap()
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn cases() -> Vec<Case> {
    let case = |parameters, frame, filter| Case { parameters, frame, filter };
    let version = |number| Version::new(number).unwrap();
    let entity = Filter { entity_id: Some(EntityId::new("order-3").unwrap()), ..own() };
    vec![
        case("entity_id=order-3", json!({"entity_id": "order-3"}), entity.clone()),
        case(
            "entity_id_prefix=order-",
            json!({"entity_id_prefix": "order-"}),
            own().of_entity_prefix("order-"),
        ),
        case(
            "event_type=order.paid",
            json!({"event_type": "order.paid"}),
            own().of_type(event_type("order.paid")),
        ),
        case(
            "event_type=order.paid&event_type=user,seen",
            json!({"event_type": ["order.paid", "user,seen"]}),
            own().of_type(event_type("order.paid")).of_type(event_type("user,seen")),
        ),
        case(
            "event_type_prefix=order.&event_type_prefix=user",
            json!({"event_type_prefix": ["order.", "user"]}),
            own().of_type_prefix("order.").of_type_prefix("user"),
        ),
        case(
            "event_type_prefix=order.&exclude_event_type_prefix=order.pa",
            json!({"event_type_prefix": "order.", "exclude_event_type_prefix": ["order.pa"]}),
            own().of_type_prefix("order.").without_type_prefix("order.pa"),
        ),
        case(
            "event_type=order.paid&event_type=user,seen&event_type_prefix=order.",
            json!({"event_type": ["order.paid", "user,seen"], "event_type_prefix": "order."}),
            own().of_type(event_type("order.paid")).of_type(event_type("user,seen")).of_type_prefix("order."),
        ),
        case(
            "event_type_prefix=order.&event_type_prefix=user&exclude_event_type_prefix=user",
            json!({"event_type_prefix": ["order.", "user"], "exclude_event_type_prefix": "user"}),
            own().of_type_prefix("order.").of_type_prefix("user").without_type_prefix("user"),
        ),
        case(
            "tag=even&tag=third",
            json!({"tag": ["even", "third"]}),
            own().tagged(tag("even")).tagged(tag("third")),
        ),
        case(
            "tag=even&event_type=user,seen&entity_id_prefix=order-1",
            json!({"tag": "even", "event_type": "user,seen", "entity_id_prefix": "order-1"}),
            own().tagged(tag("even")).of_type(event_type("user,seen")).of_entity_prefix("order-1"),
        ),
        case(
            "entity_id=order-3&from_version=2&to_version=4",
            json!({"entity_id": "order-3", "from_version": 2, "to_version": 4}),
            entity.since_version(version(2)).until_version(version(4)),
        ),
        case(
            "since=2026-01-01T00:00:30Z&until=2026-01-01T00:01:30Z&tag=even",
            json!({"since": "2026-01-01T00:00:30Z", "until": "2026-01-01T00:01:30Z", "tag": "even"}),
            own().since(time("2026-01-01T00:00:30Z")).until(time("2026-01-01T00:01:30Z")).tagged(tag("even")),
        ),
    ]
}

fn fill(server: &Server) {
    let lines = |numbers: std::ops::Range<u64>| {
        let line = |n: u64| {
            let kind = ["order.placed", "order.paid", "user,seen", "stock.moved"][(n % 4) as usize];
            let entity =
                if n.is_multiple_of(5) { format!("user-{}", n % 3) } else { format!("order-{}", n % 12) };
            let tags = [(2, "even"), (3, "third")].into_iter().filter(|(of, _)| n.is_multiple_of(*of));
            let tags: Vec<&str> = tags.map(|(_, tag)| tag).collect();
            json!({"event_type": kind, "entity_id": entity, "tags": tags, "payload": {"n": n},
                "tenant_id": if n.is_multiple_of(7) { "acme" } else { "default" },
                "timestamp": format!("2026-01-01T00:{:02}:{:02}Z", n / 60, n % 60)})
            .to_string()
        };
        numbers.map(line).collect::<Vec<_>>().join("\n")
    };
    let kind = [("content-type", "application/x-ndjson")];
    server.send("POST", "/api/v1/events/batch", &kind, &lines(0..EVENTS / 2)).success();
    server.engine.seal().unwrap();
    server.send("POST", "/api/v1/events/batch", &kind, &lines(EVENTS / 2..EVENTS)).success();
}

fn position(event: &Value) -> u64 {
    event["position"].as_u64().unwrap_or_else(|| panic!("no position in {event}"))
}

fn by_query(server: &Server, parameters: &str) -> Vec<u64> {
    let page = server.get(&format!("/api/v1/events/query?{parameters}")).success();
    page["events"].as_array().unwrap().iter().map(position).collect()
}

fn by_lines(server: &Server, parameters: &str) -> Vec<u64> {
    let accept = [("accept", "application/x-ndjson")];
    let answer = server.send("GET", &format!("/api/v1/events?{parameters}"), &accept, "");
    answer.text.lines().map(|line| position(&serde_json::from_str(line).unwrap())).collect()
}

fn by_server_sent_events(server: &Server, parameters: &str) -> Vec<u64> {
    let agent = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).build().new_agent();
    let url = server.url(&format!("/api/v1/events/stream?from=beginning&{parameters}"));
    let response = agent.get(url).header("accept", "text/event-stream").call().expect("a stream");
    let lines = std::io::BufReader::new(response.into_body().into_reader()).lines();
    let lines = lines.map(|line| line.expect("a line"));
    let data = lines.take_while(|line| line != "event: caught_up");
    let events = data.filter_map(|line| line.strip_prefix("data: ").map(str::to_owned));
    // What is no event says `{"position":…}` and has no type.
    let events = events.map(|text| serde_json::from_str::<Value>(&text).expect("JSON"));
    events.filter(|event| event["event_type"].is_string()).map(|event| position(&event)).collect()
}

/// The events that come over a WebSocket until it has come to the end of what was appended.
fn until_the_end(server: &Server, socket: &mut Socket) -> Vec<u64> {
    let mut found = Vec::new();
    loop {
        let message = frame(server, socket);
        if message["type"] == "event" {
            found.push(position(&message));
        }
        if position(&message) == EVENTS {
            return found;
        }
    }
}

fn by_engine(server: &Server, filter: &Filter) -> [Vec<u64>; 2] {
    let read = server.engine.read(&Query::matching(filter.clone())).unwrap();
    let read = read.map(|event| event.unwrap().position().value()).collect();
    let mut live = server.engine.subscribe(Start::Beginning, filter.clone()).unwrap();
    let mut followed = Vec::new();
    while let Message::Event(event) = live.next_timeout(Duration::from_secs(5)).unwrap().unwrap() {
        followed.push(event.position().value());
    }
    [read, followed]
}

#[test]
fn the_same_conditions_give_the_same_events_on_every_way_to_read() {
    let server = Server::start();
    let framed: Vec<(Case, Socket)> = cases()
        .into_iter()
        .map(|case| {
            let mut socket = connect(&server, "?from=now");
            assert_eq!(frame(&server, &mut socket)["type"], "caught_up");
            say(&server, &mut socket, &case.frame.to_string());
            assert_eq!(frame(&server, &mut socket)["type"], "caught_up", "{}", case.frame);
            (case, socket)
        })
        .collect();
    fill(&server);
    let all: Vec<_> = server.engine.read(&Query::all()).unwrap().map(Result::unwrap).collect();
    assert_eq!(all.len() as u64, EVENTS);
    for (Case { parameters, filter, .. }, mut socket) in framed {
        let matching = all.iter().filter(|event| filter.matches(event));
        let expected: Vec<u64> = matching.map(|event| event.position().value()).collect();
        assert!((1..100).contains(&expected.len()), "{parameters} chooses {}", expected.len());
        assert_eq!(by_query(&server, parameters), expected, "query, {parameters}");
        assert_eq!(by_lines(&server, parameters), expected, "lines, {parameters}");
        assert_eq!(by_server_sent_events(&server, parameters), expected, "server-sent events, {parameters}");
        let mut live = connect(&server, &format!("?from=beginning&{parameters}"));
        assert_eq!(until_the_end(&server, &mut live), expected, "WebSocket, {parameters}");
        assert_eq!(until_the_end(&server, &mut socket), expected, "frame of a WebSocket, {parameters}");
        assert_eq!(by_engine(&server, &filter), [expected.clone(), expected], "engine, {parameters}");
    }
}

/// A frame that no event can meet, or that is wrong in another way, is answered, and changes nothing.
#[test]
fn a_frame_that_no_event_can_meet_is_refused_by_name() {
    let server = Server::start();
    let mut socket = connect(&server, "?from=now");
    assert_eq!(frame(&server, &mut socket)["type"], "caught_up");
    let mut check = |text: &str, slug: &str, part: &str| {
        say(&server, &mut socket, text);
        let answer = frame(&server, &mut socket);
        assert_eq!(answer["problem"]["type"], format!("/problems/{slug}"), "{text}: {answer}");
        assert!(answer["problem"]["detail"].as_str().unwrap().contains(part), "{text}: {answer}");
    };
    let excluded = r#"{"event_type":["a.b"],"exclude_event_type_prefix":"a."}"#;
    check(excluded, "invalid-parameter", "event_type");
    check(r#"{"from_version":2,"to_version":1}"#, "invalid-parameter", "from_version");
    check(r#"{"since":"yesterday"}"#, "invalid-parameter", "since");
    check(r#"{"event_type":7}"#, "invalid-body", "a text, a list of texts, or null");
    check(r#"{"event_types":["a"]}"#, "unknown-field", "event_type");
    super::append(&server, "e", &json!(1));
    assert_eq!(frame(&server, &mut socket)["event"]["payload"], 1);
}
