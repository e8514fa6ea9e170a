//! What commands say to people, and the files they leave.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use allsource_tests::command::Program;

use super::{DAMAGED, REFUSED, UNREACHABLE, json, longest, start};

#[test]
fn one_of_something_is_not_plural() {
    let running = start();
    let run = |arguments: &[&str]| running.program.run(arguments);
    let imported = running
        .program
        .run_with(&["import"], "{\"entity_id\":\"a\",\"event_type\":\"t\",\"payload\":{}}\nx\n");
    assert!(
        imported.out.starts_with("1 event in ") && imported.out.contains("; 1 line refused"),
        "{imported:?}"
    );
    assert!(run(&["state", "a"]).success().contains("at version 1: 1 event,"));
    assert!(run(&["snapshot", "create", "a"]).success().contains(": 1 event, "));
    let store = running.folder.path().join("store");
    running.process.stop();
    let offline = Program::new(Path::new(env!("CARGO_BIN_EXE_server")), "127.0.0.1:1");
    let verified = offline.run(&["verify", store.to_str().unwrap()]).success();
    assert!(verified.contains(", 1 event\n"), "{verified}");
}

#[test]
fn a_table_of_stats_has_no_json() {
    let running = start();
    running.program.run(&["append", "a", "t"]).success();
    let table = running.program.run(&["stats"]).success();
    assert!(table.contains("from position 1\n") && !table.contains(['{', '"']), "{table}");
}

#[test]
fn a_wrong_id_or_key_is_explained_before_anything_is_sent() {
    let offline = Program::new(Path::new(env!("CARGO_BIN_EXE_server")), "127.0.0.1:1");
    let commands: [&[&str]; 2] = [&["get", "17"], &["append", "a", "t", "--id", "order-17"]];
    for arguments in commands {
        let refused = offline.run(arguments);
        assert!(refused.code == 2 && refused.err.contains("is a UUID, like 9b2f8c1e-"), "{refused:?}");
        assert!(!refused.err.contains("urn:"), "{refused:?}");
    }
    let refused = offline.run(&["append", "a", "t", "--idempotency-key", "two words"]);
    assert!(refused.code == 2 && refused.err.contains("without spaces"), "{refused:?}");
}

/// Page cursors are random text, and numbers are JSON: either may begin with a hyphen.
#[test]
fn a_cursor_or_payload_that_begins_with_a_hyphen_is_no_option() {
    let offline = Program::new(Path::new(env!("CARGO_BIN_EXE_server")), "127.0.0.1:1");
    let commands: [&[&str]; 3] = [
        &["read", "--cursor", "-CoAAAA"],
        &["append", "a", "t", "-5"],
        &["append", "a", "t", "-0.5e3", "--tag", "x"],
    ];
    for arguments in commands {
        let ran = offline.run(arguments);
        assert_eq!(ran.code, UNREACHABLE, "{ran:?}");
    }
}

#[test]
fn lines_that_end_in_a_carriage_return_alone_are_recognised() {
    let running = start();
    let file = running.folder.path().join("old.ndjson");
    let line = |n: u32| format!("{{\"entity_id\":\"a\",\"event_type\":\"t\",\"payload\":{n}}}\r");
    std::fs::write(&file, [1, 2, 3].map(line).concat()).unwrap();
    let refused = running.program.run(&["import", file.to_str().unwrap()]);
    assert_eq!(refused.code, REFUSED, "{refused:?}");
    assert!(refused.err.contains("carriage return") && refused.err.contains(r"tr '\r' '\n'"), "{refused:?}");
    let script = refused.err.lines().find_map(|text| text.split_once("first: ")).unwrap().1;
    let script = script.replace("allsource", env!("CARGO_BIN_EXE_server"));
    let mut advised = std::process::Command::new("sh");
    let advised = advised.args(["-c", &script]).env("ALLSOURCE_URL", running.program.url()).output().unwrap();
    assert!(String::from_utf8_lossy(&advised.stdout).starts_with("3 events in "), "{advised:?}");
}

#[test]
fn a_tail_continues_after_a_cursor() {
    let running = start();
    for n in 1..=3 {
        running.program.run(&["append", "a", "t", &n.to_string()]).success();
    }
    let stats = json(&running.program.run(&["stats", "--output", "json"]).success());
    let cursor = format!("1-{}", stats["incarnation"].as_str().unwrap().replace('-', ""));
    let text = running.program.tail(&["tail", "--cursor", &cursor, "--output", "ndjson"], 2);
    let positions: Vec<_> = text.lines().map(|line| json(line)["position"].clone()).collect();
    assert_eq!(positions, [2, 3]);
    let both = running.program.run(&["tail", "--cursor", &cursor, "--from", "beginning"]);
    assert_eq!(both.code, 2, "{both:?}");
}

/// The permissions of a file that this process creates.
fn plain_mode(folder: &Path) -> u32 {
    let plain = folder.join("plain");
    std::fs::write(&plain, "").unwrap();
    plain.metadata().unwrap().permissions().mode() & 0o777
}

/// A dump has its name only when it is complete, and never replaces a file.
#[test]
fn a_dump_to_a_file_is_whole_and_replaces_nothing() {
    let running = start();
    running.program.run(&["demo", "--events", "500"]).success();
    running.program.run(&["seal"]).success();
    let folder = running.folder.path();
    let (store, file) = (folder.join("store"), folder.join("saved.ndjson"));
    let files = || std::fs::read_dir(folder).unwrap().count();
    let (store_name, file_name) = (store.to_str().unwrap(), file.to_str().unwrap());
    let in_use = running.program.run(&["dump", store_name, "--to", file_name]);
    assert!(in_use.code == 1 && files() == 1, "{in_use:?}");
    running.process.stop();
    let offline = Program::new(Path::new(env!("CARGO_BIN_EXE_server")), "127.0.0.1:1");
    let printed = offline.run(&["dump", store_name]).success();
    assert_eq!(offline.run(&["dump", store_name, "--to", file_name]).success(), "");
    assert!(std::fs::read_to_string(&file).unwrap() == printed && files() == 2);
    let mode = file.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o600, 0o600);
    assert_eq!(mode & 0o777, plain_mode(folder), "readable to others as far as any file of the user is");
    let files = || std::fs::read_dir(folder).unwrap().count() - 1;
    let again = offline.run(&["dump", store_name, "--to", file_name]);
    assert!(again.code == 1 && again.err.contains("exists already"), "{again:?}");
    let nowhere = offline.run(&["dump", store_name, "--to", folder.join("no/where").to_str().unwrap()]);
    assert!(nowhere.code == 1 && nowhere.err.contains("cannot write"), "{nowhere:?}");
    // What is readable of a damaged store is a dump, too.
    std::fs::remove_file(&file).unwrap();
    let segment = longest(&store.join("segments"), ".seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let damaged = offline.run(&["dump", store_name, "--to", file_name]);
    assert_eq!((damaged.code, files()), (DAMAGED, 2), "{damaged:?}");
    assert!(std::fs::read_to_string(&file).unwrap().lines().count() > 0);
}
