//! The options that commands share, their output, and their exit codes.

use std::path::Path;

use allsource_tests::command::Program;

use super::{CONFLICT, NOT_FOUND, REFUSED, json, start};

const USAGE: i32 = 2;

fn offline() -> Program {
    Program::new(Path::new(env!("CARGO_BIN_EXE_server")), "127.0.0.1:1")
}

/// The commands that a help lists.
fn inner_commands(help: &str) -> Vec<&str> {
    let listed = help.split_once("Commands:\n").map_or("", |(_, rest)| rest.split("\n\n").next().unwrap());
    let names = listed.lines().filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").collect()
}

#[test]
fn every_help_has_examples_and_the_first_lists_the_exit_codes() {
    let program = offline();
    let help = program.run(&["--help"]).success();
    assert!(help.contains("Exit codes:") && help.contains("unreachable"), "{help}");
    let names = inner_commands(&help);
    assert!(names.contains(&"import") && names.contains(&"version"), "{names:?}");
    for name in names {
        let help = program.run(&[name, "--help"]).success();
        assert!(help.contains("Examples:") && help.contains(&format!("allsource {name}")), "{help}");
        for inner in inner_commands(&help) {
            let help = program.run(&[name, inner, "--help"]).success();
            assert!(
                help.contains("Examples:") && help.contains(&format!("allsource {name} {inner}")),
                "{help}"
            );
        }
        let speaks = ["append", "demo", "get", "import", "read", "seal", "state", "stats", "tail"];
        if speaks.contains(&name) {
            let expected = ["--tenant", "--header", "--url", "ALLSOURCE_TENANT"];
            assert!(expected.iter().all(|option| help.contains(option)), "{name}: {help}");
        }
    }
    assert!(program.run(&["version"]).success().starts_with("allsource 0."));
    assert_eq!(program.run(&["read", "--since", "yesteryear"]).code, USAGE);
}

#[test]
fn a_tenant_is_named_by_an_option_or_the_environment_on_every_command() {
    let running = start();
    let run = |arguments: &[&str]| running.program.run(&[arguments, &["--tenant", "acme"]].concat());
    let appended = json(&run(&["append", "a", "t", "{\"n\":1}", "--output", "json"]).success());
    let id = appended["event_id"].as_str().unwrap();
    run(&["demo", "--events", "50"]).success();
    assert_eq!(run(&["read", "--limit", "1000", "--output", "ndjson"]).success().lines().count(), 51);
    assert_eq!(json(&run(&["stats", "--output", "json"]).success())["total_events"], 51);
    assert_eq!(json(&run(&["get", id, "--output", "json"]).success())["tenant_id"], "acme");
    run(&["snapshot", "create", "a"]).success();
    assert!(run(&["state", "a"]).success().contains('1'));
    assert_eq!(running.program.run(&["state", "a"]).code, NOT_FOUND);
    assert_eq!(running.program.run(&["get", id]).code, NOT_FOUND);
    let mut command = running.program.command(&["state", "a"]);
    assert!(command.env("ALLSOURCE_TENANT", "acme").output().unwrap().status.success());
    let by_header = ["state", "a", "--header", "X-Tenant-ID: acme", "--header", "X-Trace: 1"];
    running.program.run(&by_header).success();
}

#[test]
fn an_append_happens_once_under_a_key_and_errors_are_json_on_request() {
    let running = start();
    let append =
        |payload: &str, more: &[&str]| running.program.run(&[&["append", "a", "t", payload], more].concat());
    append("1", &["--idempotency-key", "k", "--metadata", "{\"by\":\"x\"}"]).success();
    let again = append("1", &["--idempotency-key", "k", "--metadata", "{\"by\":\"x\"}"]).success();
    assert!(again.contains("already stored"), "{again}");
    assert_eq!(append("2", &["--idempotency-key", "k"]).code, CONFLICT);
    let id = "9b2f8c1e-6a53-4f6e-9f2b-1d1f5a0c7e11";
    append("3", &["--id", id, "--timestamp", "2026-01-31"]).success();
    assert_eq!(append("4", &["--id", id]).code, CONFLICT);
    let event = json(&running.program.run(&["get", id, "--output", "json"]).success());
    assert!(event["timestamp"].as_str().unwrap().starts_with("2026-01-31T00:00:00"), "{event}");

    let conflict = append("5", &["--expected-version", "7", "--output", "json"]);
    assert_eq!(conflict.code, CONFLICT);
    let error = &json(&conflict.err)["error"];
    assert_eq!((&error["kind"], &error["exit_code"]), (&"conflict".into(), &5.into()));
    assert_eq!(error["problem"]["current_version"], 2);
    assert!(!error["message"].as_str().unwrap().contains("409"), "{error}");
    assert_eq!(append("{", &[]).code, 2, "nothing was sent");
    assert_eq!(running.program.run(&["append", "_a", "t"]).code, REFUSED);
}

/// Queries and streams take the same conditions.
#[test]
fn conditions_can_be_repeated_and_joined_in_read_and_tail() {
    let running = start();
    let append = |entity: &str, event_type: &str, tags: &[&str]| {
        let tags = tags.iter().flat_map(|tag| ["--tag", tag]);
        let arguments: Vec<&str> = ["append", entity, event_type].into_iter().chain(tags).collect();
        running.program.run(&arguments).success();
    };
    append("order-1", "order.placed", &["vip", "new"]);
    append("order-1", "order.paid", &["vip"]);
    append("order-2", "order.placed", &["new"]);
    append("user-1", "user.created", &["vip", "new"]);
    append("user,1", "user.created,again", &[]);
    let positions = |arguments: &[&str]| {
        let read = running.program.run(&[&["read", "--output", "ndjson"], arguments].concat()).success();
        let of = |text: &str| -> Vec<u64> {
            text.lines().map(|line| json(line)["position"].as_u64().unwrap()).collect()
        };
        let tail = ["tail", "--from", "beginning", "--output", "ndjson"];
        let end = running.program.tail(&[&tail, arguments].concat(), of(&read).len());
        assert_eq!(of(&end), of(&read), "{arguments:?}");
        of(&read)
    };
    assert_eq!(positions(&["--type", "order.placed", "--type", "order.paid"]), [1, 2, 3]);
    assert_eq!(positions(&["--type", "user.created,again"]), [5], "a comma is part of a name");
    assert_eq!(positions(&["--tag", "vip", "--tag", "new"]), [1, 4]);
    assert_eq!(positions(&["--prefix", "order.pl", "--prefix", "user."]), [1, 3, 4, 5]);
    assert_eq!(positions(&["--exclude-prefix", "order.pa", "--exclude-prefix", "user."]), [1, 3]);
    assert_eq!(positions(&["--entity-prefix", "order-", "--type", "order.placed"]), [1, 3]);
    assert_eq!(positions(&["--from-version", "2"]), [2]);
    assert_eq!(positions(&["--to-version", "1", "--entity-prefix", "order-"]), [1, 3]);
    assert_eq!(positions(&["--since", "1h", "--until", "2199-01-01"]), [1, 2, 3, 4, 5]);
    let since = running.program.run(&["read", "--from-time", "1h", "--output", "ndjson"]).success();
    assert_eq!(since.lines().count(), 5);
    let arguments = ["tail", "--from-time", "1h", "--output", "ndjson"];
    assert_eq!(running.program.tail(&arguments, 5).lines().count(), 5);
    let state =
        running.program.run(&["state", "order-1", "--at-position", "1", "--output", "json"]).success();
    assert_eq!(json(&state)["version"], 1);
}

#[test]
fn a_read_can_be_ordered_filtered_continued_and_shown_whole() {
    let running = start();
    let long = format!("{{\"status\":\"paid\",\"text\":\"{}\"}}", "x".repeat(300));
    running.program.run(&["append", "a", "t", &long, "--tag", "vip", "--metadata", "{\"by\":1}"]).success();
    for n in ["1", "2", "3"] {
        running.program.run(&["append", "a", "t", n, "--timestamp", "3d"]).success();
    }
    let read = |more: &[&str]| running.program.run(&[&["read", "a"], more].concat());
    assert!(read(&[]).success().contains(&"x".repeat(300)), "piped output is not truncated");
    let newest = read(&["--newest-first", "--limit", "1", "--output", "ndjson"]);
    let cursor = json(&newest.err)["cursor"].as_str().unwrap().to_owned();
    assert_eq!(json(&newest.success())["payload"], 3);
    let next = read(&["--order", "desc", "--limit", "1", "--output", "ndjson", "--cursor", &cursor]);
    assert_eq!(json(&next.success())["payload"], 2);
    let paid = read(&["--payload-filter", "{\"status\":\"paid\"}", "--output", "json"]).success();
    assert_eq!(json(&paid).as_array().unwrap().len(), 1);
    let recent = read(&["--since", "2h", "--output", "json"]).success();
    assert_eq!(json(&recent).as_array().unwrap().len(), 1);
    let columns = read(&["--columns", "tags,metadata,version"]).success();
    let mut lines = columns.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(lines.next().unwrap(), ["TAGS", "METADATA", "VERSION"]);
    assert_eq!(lines.next().unwrap(), ["vip", "{\"by\":1}", "1"]);
    let wide = read(&["--wide"]).success();
    assert!(
        ["ID", "TAGS", "METADATA", "TENANT", "RECORDED"].iter().all(|name| wide.contains(name)),
        "{wide}"
    );
}
