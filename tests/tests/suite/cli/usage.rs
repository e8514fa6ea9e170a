//! Mistakes on the command line: the exit code, the words, and JSON for programs.

use std::path::Path;

use allsource_tests::command::Program;
use serde_json::Value;

use super::{CONFLICT, DAMAGED, json, longest, start};

const USAGE: i32 = 2;

fn offline() -> Program {
    Program::new(Path::new(env!("CARGO_BIN_EXE_server")), "127.0.0.1:1")
}

/// A script that asked for JSON must be able to parse whatever is wrong.
#[test]
fn a_mistake_on_the_command_line_is_json_where_json_is_asked_for() {
    let commands: [&[&str]; 7] = [
        &["get", "nope", "--output", "json"],
        &["get", "nope", "--output=ndjson"],
        &["read", "--limit", "0", "--output", "json"],
        &["read", "--no-such-option", "--output", "json"],
        &["stats", "--url", "ftp://x", "--output", "json"],
        &["append", "a", "t", "{bad", "--output", "json"],
        &["append", "a", "t", "{}", "--metadata", "bad", "--output", "json"],
    ];
    for arguments in commands {
        let ran = offline().run(arguments);
        assert_eq!((ran.code, ran.err.lines().count()), (USAGE, 1), "{ran:?}");
        let error = &json(&ran.err)["error"];
        assert_eq!((&error["kind"], &error["exit_code"]), (&"usage".into(), &USAGE.into()));
        let message = error["message"].as_str().unwrap();
        assert!(!message.is_empty() && !message.starts_with("error:"), "{message}");
    }
    let text = offline().run(&["get", "nope"]);
    assert!(text.code == USAGE && text.err.starts_with("error: "), "{text:?}");
    let help = offline().run(&["get", "--help", "--output", "json"]);
    assert!(help.code == 0 && help.out.contains("Usage:") && help.err.is_empty(), "{help:?}");
}

#[test]
fn a_note_is_json_where_json_is_asked_for() {
    let running = start();
    running.program.run(&["demo", "--events", "100"]).success();
    let page = running.program.run(&["read", "--limit", "2", "--output", "json"]);
    let note = json(&page.err)["note"].as_str().unwrap().to_owned();
    assert!(page.code == 0 && note.contains("--cursor"), "{page:?}");
    let demo = running.program.run(&["demo", "--events", "10", "--seed", "2", "--output", "json"]);
    assert!(demo.code == 0 && demo.err.is_empty(), "{demo:?}");
}

/// The words of parsers explain nothing to people who write no Rust.
#[test]
fn a_number_or_time_that_cannot_be_is_refused_in_plain_words() {
    let check = |arguments: &[&str], expected: &str| {
        let ran = offline().run(arguments);
        assert!(ran.code == USAGE && ran.err.contains(expected), "{ran:?}");
        for foreign in ["invalid digit", "is not in", "found `", "input contains", "provided string"] {
            assert!(!ran.err.contains(foreign), "{ran:?}");
        }
    };
    let whole = "write a whole number from ";
    check(&["read", "--limit", "0"], &format!("{whole}1"));
    check(&["read", "--limit", "many"], &format!("{whole}1"));
    check(&["read", "--from", "0"], &format!("{whole}1"));
    check(&["read", "--limit", "-1"], &format!("{whole}1"));
    check(&["read", "--from-version", "0"], &format!("{whole}1"));
    check(&["read", "--to-version", "x"], &format!("{whole}0"));
    check(&["snapshot", "list", "--limit", "0"], &format!("{whole}1"));
    check(&["state", "a", "--at-version", "x"], &format!("{whole}0"));
    check(&["state", "a", "--at-position", "x"], &format!("{whole}1"));
    check(&["import", "--chunk", "0"], &format!("{whole}1 to 100000"));
    check(&["import", "--from-line", "x"], &format!("{whole}1"));
    check(&["import", "--show-refused", "x"], &format!("{whole}0"));
    check(&["demo", "--events", "0"], &format!("{whole}1"));
    check(&["demo", "--seed", "x"], &format!("{whole}0"));
    check(&["demo", "--ending", "soon"], "write a time like");
    check(&["bench", "--scale", "1001"], &format!("{whole}1 to 1000"));
    check(&["serve", "--partitions", "many"], &format!("{whole}0 to 4294967295"));
    check(&["append", "a", "t", "--expected-version", "new"], &format!("{whole}0, or exists"));
    check(&["append", "a", "t", "--expected-version", "-1"], &format!("{whole}0, or exists"));
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let three = offline().run(&["serve", "--partitions", "3", "--data", store.to_str().unwrap()]);
    assert!(three.code == 1 && three.err.contains("a power of two from 1 to 1024"), "{three:?}");
}

#[test]
fn an_append_can_expect_that_its_entity_exists() {
    let running = start();
    let append = || running.program.run(&["append", "a", "t", "{}", "--expected-version", "exists"]);
    assert_eq!(append().code, CONFLICT);
    running.program.run(&["append", "a", "t", "{}", "--expected-version", "0"]).success();
    assert!(append().success().contains("version 2"));
}

#[test]
fn a_payload_on_standard_input_that_is_not_json_is_no_mistake_on_the_command_line() {
    let ran = offline().run_with(&["append", "a", "t", "-", "--output", "json"], "{bad");
    assert_eq!((ran.code, &json(&ran.err)["error"]["kind"]), (1, &Value::from("failed")), "{ran:?}");
}

/// Whoever scripts backups learns of the damage, and that the dump holds every event.
#[test]
fn a_dump_beside_a_damaged_index_is_complete_and_says_so() {
    let running = start();
    running.program.run(&["demo", "--events", "3000"]).success();
    running.program.run(&["seal"]).success();
    let store = running.folder.path().join("store");
    running.process.stop();
    let whole = offline().run(&["dump", store.to_str().unwrap()]).success();
    let index = longest(&store.join("segments"), ".idx");
    let intact = std::fs::read(&index).unwrap();
    for place in [intact.len() / 8, intact.len() / 2, intact.len() - 100] {
        let mut bytes = intact.clone();
        bytes[place] ^= 1;
        std::fs::write(&index, bytes).unwrap();
        let ran = offline().run(&["dump", store.to_str().unwrap()]);
        assert!(ran.code == DAMAGED && ran.out == whole, "byte {place}: {}", ran.err);
        assert!(
            ran.err.contains("DAMAGE segments/") && ran.err.contains("the dump is complete"),
            "{}",
            ran.err
        );
    }
}
