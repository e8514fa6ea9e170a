//! Finding events.

use std::sync::Arc;

use allsource_engine::platform::SystemClock;
use allsource_engine::platform::sim::{SimDisk, SimEntropy};
use allsource_engine::{Engine, Options, ReadMode};
use allsource_tests::server::Server;
use serde_json::{Value, json};

fn fill(server: &Server) {
    let lines: Vec<String> = (0..300)
        .map(|n| {
            let kind = ["order.placed", "order.paid", "user.created"][n % 3];
            let tags = [(10, "ten"), (4, "four")].into_iter().filter(|(of, _)| n % of == 0);
            let tags: Vec<&str> = tags.map(|(_, tag)| tag).collect();
            json!({"event_type": kind, "entity_id": format!("e-{}", n % 7), "payload": {"n": n, "even": n % 2 == 0},
                "tags": tags,
                "timestamp": format!("2026-01-01T00:{:02}:{:02}Z", n / 60, n % 60)})
            .to_string()
        })
        .collect();
    let kind = [("content-type", "application/x-ndjson")];
    server.send("POST", "/api/v1/events/batch", &kind, &lines.join("\n")).success();
}

fn ask(server: &Server, query: &str) -> Value {
    server.get(&format!("/api/v1/events/query?{query}")).success()
}

fn positions(page: &Value) -> Vec<u64> {
    page["events"].as_array().unwrap().iter().map(|event| event["position"].as_u64().unwrap()).collect()
}

/// Positions start at 1, numbers at 0.
fn expected(matches: impl Fn(u64) -> bool) -> Vec<u64> {
    (1..=300).filter(|position| matches(position - 1)).collect()
}

#[test]
fn every_condition_selects_what_it_says() {
    let server = Server::start();
    fill(&server);
    let check = |query: &str, matches: &dyn Fn(u64) -> bool| {
        let page = ask(&server, query);
        assert_eq!(positions(&page), expected(matches), "{query}");
        let mut newest_first = positions(&ask(&server, &format!("{query}&order=desc")));
        newest_first.reverse();
        assert_eq!(newest_first, expected(matches), "{query}, descending");
    };
    check("", &|_| true);
    check("entity_id=e-3", &|n| n % 7 == 3);
    check("event_type=order.paid", &|n| n % 3 == 1);
    check("event_type_prefix=order.", &|n| n % 3 < 2);
    check("exclude_event_type_prefix=order.pa,user", &|n| n % 3 == 0);
    check("tag=ten", &|n| n % 10 == 0);
    check("entity_id=e-3&event_type=order.paid", &|n| n % 7 == 3 && n % 3 == 1);
    check("since=2026-01-01T00:01:00Z&until=2026-01-01T00:02:00Z", &|n| (60..=120).contains(&n));
    check("as_of=2026-01-01T00:00:09Z", &|n| n < 10);
    check("as_of=2026-01-01T00:00:09Z&until=2026-01-01T00:00:04Z", &|n| n < 5);
    check("from=11&to=20", &|n| (10..20).contains(&n));
    check("payload_filter=%7B%22even%22:true%7D", &|n| n % 2 == 0);
    check("payload_filter=%7B%22payload.n%22:42%7D", &|n| n == 42);
    check("entity_id=unknown", &|_| false);
    check("event_type=order.paid&event_type=user.created", &|n| n % 3 > 0);
    check("event_type_prefix=order.pl&event_type_prefix=user.&event_type_prefix=order.pla", &|n| n % 3 != 1);
    check("event_type_prefix=order.&exclude_event_type_prefix=order.pa", &|n| n % 3 == 0);
    check("exclude_event_type_prefix=order.pa&exclude_event_type_prefix=user", &|n| n % 3 == 0);
    check("tag=ten&tag=four", &|n| n % 20 == 0);
    check("tag=four&event_type=order.paid&entity_id=e-1", &|n| n % 4 == 0 && n % 3 == 1 && n % 7 == 1);
    check("entity_id_prefix=e-3", &|n| n % 7 == 3);
    check("entity_id_prefix=e-&tag=ten&event_type=order.paid", &|n| n % 10 == 0 && n % 3 == 1);
    check("entity_id=e-3&from_version=2&to_version=4", &|n| n % 7 == 3 && (7..28).contains(&n));
    check("to_version=1", &|n| n < 7);
}

#[test]
fn the_path_of_appends_is_a_query_too() {
    let server = Server::start();
    fill(&server);
    let page = server.get("/api/v1/events?event_type=order.paid&limit=5").success();
    assert_eq!(page, ask(&server, "event_type=order.paid&limit=5"));
    assert_eq!(positions(&page), [2, 5, 8, 11, 14]);
}

#[test]
fn a_read_begins_at_the_first_event_recorded_at_a_time() {
    let server = Server::start();
    fill(&server);
    let whole = ask(&server, "");
    let time = |position: usize| whole["events"][position - 1]["recorded_at"].as_str().unwrap().to_owned();
    assert_eq!(
        positions(&ask(&server, &format!("from_time={}", time(201)))),
        (201..=300).collect::<Vec<_>>()
    );
    let both = format!("from_time={}&from=250&to=260&order=desc", time(201));
    assert_eq!(positions(&ask(&server, &both)), (250..=260).rev().collect::<Vec<_>>());
    assert_eq!(positions(&ask(&server, "from_time=2020-01-01T00:00:00Z")).len(), 300);
    // Nothing was recorded since that time, but later events will be.
    assert_eq!(ask(&server, "from=301")["count"], 0);
    let first = ask(&server, &format!("from_time={}&limit=60", time(201)));
    let second =
        ask(&server, &format!("from_time={}&cursor={}", time(201), first["next_cursor"].as_str().unwrap()));
    assert_eq!(positions(&second), (261..=300).collect::<Vec<_>>());
    for path in ["/api/v1/events/query", "/api/v1/events/stream"] {
        for (query, parameter) in [("from_time=9999-01-01T00:00:00Z", "from_time"), ("from=302", "from")] {
            let problem = server.get(&format!("{path}?{query}")).problem(400, "invalid-parameter");
            assert_eq!(problem["parameter"], parameter, "{path}?{query}");
        }
    }
}

#[test]
fn an_entity_without_events_is_at_version_0() {
    let server = Server::start();
    let check = |query: &str, version: u64| {
        let page = ask(&server, query);
        assert_eq!((&page["count"], &page["entity_version"]), (&json!(0), &json!(version)), "{query}");
    };
    check("entity_id=unknown", 0);
    fill(&server);
    check("entity_id=unknown", 0);
    check("entity_id=e-1&event_type=nothing", 43);
}

/// An empty page that only ran out of its scan limit must not look like a complete answer.
#[test]
fn a_search_without_an_index_continues_and_says_where_it_stopped() {
    let server = Server::start();
    let kind = [("content-type", "application/x-ndjson")];
    for thousands in 0..6 {
        let line = |n: u64| {
            format!("{{\"event_type\":\"t\",\"entity_id\":\"e-{}\",\"payload\":{{\"n\":{n}}}}}\n", n % 11)
        };
        let lines: String = (thousands * 20_000..(thousands + 1) * 20_000).map(line).collect();
        server.send("POST", "/api/v1/events/batch", &kind, &lines).success();
    }
    let follow = |query: &str| {
        let (mut found, mut partial, mut cursor) = (Vec::new(), 0, String::new());
        for _ in 0..100 {
            let page = ask(&server, &format!("{query}{cursor}"));
            found.extend(positions(&page));
            partial += u64::from(page["partial"] == true);
            match page["next_cursor"].as_str() {
                Some(next) => {
                    assert_eq!((&page["partial"], &page["has_more"]), (&json!(true), &json!(true)), "{page}");
                    cursor = format!("&cursor={next}");
                }
                None => return (found, partial),
            }
        }
        panic!("{query} does not end");
    };
    let (found, _) = follow("payload_filter=%7B%22n%22:119999%7D");
    assert_eq!(found, [120_000]);
    let (found, _) = follow("payload_filter=%7B%22n%22:3%7D&order=desc");
    assert_eq!(found, [4]);
    assert!(follow("entity_id_prefix=unknown").0.is_empty());
    // Matches found in time are returned before the search ends.
    let page = ask(&server, "payload_filter=%7B%22n%22:5%7D");
    assert_eq!(
        (positions(&page), &page["partial"], &page["has_more"]),
        (vec![6], &json!(true), &json!(true))
    );
    let (found, partial) = follow("payload_filter=%7B%22n%22:5%7D");
    assert_eq!(found, [6]);
    assert!(partial > 0);
    let accept = [("accept", "application/x-ndjson")];
    let lines =
        server.send("GET", "/api/v1/events/query?payload_filter=%7B%22n%22:119999%7D", &accept, "").text;
    assert_eq!(lines.lines().count(), 1);
}

/// An empty answer would look as if nothing had happened.
#[test]
fn conditions_that_no_event_can_meet_are_refused_by_name() {
    let server = Server::start();
    fill(&server);
    let check = |query: &str, parameter: &str| {
        let problem = server.get(&format!("/api/v1/events/query?{query}")).problem(400, "invalid-parameter");
        assert_eq!(problem["parameter"], parameter, "{query}: {problem}");
        let stream = server.get(&format!("/api/v1/events/stream?{query}"));
        if !query.starts_with("from=") {
            assert_eq!(stream.problem(400, "invalid-parameter")["parameter"], parameter, "stream, {query}");
        }
    };
    check("entity_id=e-1&entity_id_prefix=e-2", "entity_id_prefix");
    check("event_type=order.paid&event_type_prefix=user.", "event_type");
    check("event_type=order.paid&exclude_event_type_prefix=order.", "event_type");
    check("event_type_prefix=order.paid&exclude_event_type_prefix=order.", "event_type_prefix");
    check("from_version=3&to_version=2", "from_version");
    check("from_version=0", "from_version");
    check("since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "since");
    check("since=2026-01-02T00:00:00Z&as_of=2026-01-01T00:00:00Z", "since");
    check("from=9&to=8", "from");
    check("entity_id_prefix=%20e", "entity_id_prefix");
    check(&"&tag=t".repeat(65)[1..], "tag");
    let long = "x".repeat(257);
    check(&format!("event_type_prefix={long}"), "event_type_prefix");
}

#[test]
fn pages_joined_are_one_read_even_while_events_arrive() {
    let server = Server::start();
    fill(&server);
    server.engine.seal().unwrap();
    for query in [
        "entity_id=e-2",
        "entity_id=e-2&order=desc",
        "entity_id=e-2&from_version=3&to_version=40&order=desc",
        "entity_id=e-2&tag=four&event_type=order.paid",
        "order=asc",
        "order=desc",
        "event_type_prefix=order.",
        "payload_filter=%7B%22even%22:true%7D&order=desc",
    ] {
        let whole = positions(&ask(&server, &format!("{query}&to=300")));
        let (mut joined, mut cursor) = (Vec::new(), String::new());
        for _ in 0..200 {
            let page = ask(&server, &format!("{query}&to=300&limit=7{cursor}"));
            joined.extend(positions(&page));
            super::append(&server, "e-1", &json!({"even": true}));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(joined, whole, "{query}");
    }
}

#[test]
fn a_cursor_pins_the_end_of_the_log_that_its_first_page_saw() {
    let server = Server::start();
    fill(&server);
    let first = ask(&server, "limit=200");
    assert_eq!((&first["total_count"], &first["has_more"]), (&json!(300), &json!(true)));
    super::append(&server, "e-1", &json!({}));
    let second = ask(&server, &format!("limit=200&cursor={}", first["next_cursor"].as_str().unwrap()));
    assert_eq!(positions(&second), (201..=300).collect::<Vec<_>>());
    assert_eq!((&second["total_count"], &second["has_more"]), (&json!(300), &json!(false)));
}

#[test]
fn limit_and_offset_work_as_in_old_servers() {
    let server = Server::start();
    fill(&server);
    let page = ask(&server, "entity_id=e-0&limit=3&offset=2");
    assert_eq!(positions(&page), [15, 22, 29]);
    assert_eq!(
        (&page["count"], &page["entity_version"], &page["total_count"]),
        (&json!(3), &json!(43), &json!(43))
    );
}

#[test]
fn lines_stream_without_a_limit_and_with_the_same_answer() {
    let server = Server::start();
    fill(&server);
    let accept = [("accept", "application/x-ndjson")];
    let answer = server.send("GET", "/api/v1/events/query?event_type_prefix=order.&offset=1", &accept, "");
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let streamed: Vec<Value> = answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let page = ask(&server, "event_type_prefix=order.&offset=1");
    assert_eq!(page["events"].as_array(), Some(&streamed));
    assert_eq!(streamed.len(), 199);
}

#[test]
fn a_version_the_reader_has_is_not_sent_again() {
    let server = Server::start();
    fill(&server);
    let path = "/api/v1/events/query?entity_id=e-0";
    let tag = server.get(path).header("etag").unwrap().to_owned();
    assert!(tag.starts_with("\"43-"), "{tag}");
    assert_eq!(server.send("GET", path, &[("if-none-match", &tag)], "").status, 304);
    super::append(&server, "e-0", &json!({}));
    assert_eq!(server.send("GET", path, &[("if-none-match", &tag)], "").status, 200);
}

/// A version read after the page would let a client write over an event it has not seen.
#[test]
fn the_version_beside_a_page_is_that_of_its_newest_event() {
    let server = Server::start();
    super::append(&server, "raced", &json!(0));
    std::thread::scope(|scope| {
        scope.spawn(|| (1..400).for_each(|n| drop(super::append(&server, "raced", &json!(n)))));
        for _ in 0..400 {
            let page = ask(&server, "entity_id=raced&order=desc&limit=1");
            assert_eq!(page["entity_version"], page["events"][0]["version"]);
        }
    });
}

/// Every page of a long history was found by reading the history from its beginning.
#[test]
fn a_late_page_of_a_history_costs_no_more_than_an_early_one() {
    let disk = SimDisk::new(1);
    let options = Options {
        read_mode: ReadMode::Read,
        scrub_bytes_per_second: 0,
        snapshot_events: 0,
        ..Options::default()
    };
    let (clock, entropy) = (Arc::new(SystemClock::default()), Arc::new(SimEntropy::seeded(1)));
    let engine = Engine::open_on(Arc::new(disk.clone()), clock, entropy, options).unwrap();
    let server = Server::start_over(engine);
    let payload = json!("x".repeat(6000));
    let line = |_| json!({"event_type": "t", "entity_id": "long", "payload": payload}).to_string();
    let lines = (0..3_000).map(line).collect::<Vec<_>>().join("\n");
    server
        .send("POST", "/api/v1/events/batch", &[("content-type", "application/x-ndjson")], &lines)
        .success();
    server.engine.seal().unwrap();
    for order in ["asc", "desc"] {
        let (mut costs, mut cursor) = (Vec::new(), String::new());
        for _ in 0..30 {
            let before = disk.ops();
            let page = ask(&server, &format!("entity_id=long&limit=100&order={order}{cursor}"));
            costs.push(disk.ops() - before);
            assert_eq!(page["count"], 100);
            cursor = page["next_cursor"].as_str().map(|next| format!("&cursor={next}")).unwrap_or_default();
        }
        let (early, late) = (costs[2], costs[28]);
        assert!(late <= early * 2, "{order}: {costs:?}");
    }
}
