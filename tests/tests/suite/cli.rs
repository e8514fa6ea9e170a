//! The command line, against a server process.

mod ways_out;
mod first_contact;
mod options;
mod retries;
mod texts;
mod usage;

use std::path::{Path, PathBuf};

use allsource_tests::command::Program;
use allsource_tests::process::Process;
use serde_json::Value;

const REFUSED: i32 = 3;
const NOT_FOUND: i32 = 4;
const CONFLICT: i32 = 5;
const UNREACHABLE: i32 = 6;
const DAMAGED: i32 = 8;

struct Running {
    program: Program,
    process: Process,
    folder: tempfile::TempDir,
}

fn start() -> Running {
    start_with(&[])
}

fn start_with(arguments: &[&str]) -> Running {
    let path = Path::new(env!("CARGO_BIN_EXE_server"));
    let folder = tempfile::tempdir().unwrap();
    let mut process = Process::start_with(path, &folder.path().join("store"), arguments);
    let program = Program::new(path, &process.address().unwrap());
    Running { program, process, folder }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

#[test]
fn an_event_is_appended_read_folded_and_counted() {
    let running = start();
    let run = |arguments: &[&str]| running.program.run(arguments);
    run(&["append", "user-1", "user.created", r#"{"name":"Ada"}"#, "--tag", "vip"]).success();
    run(&["append", "user-1", "user.moved", r#"{"city":"Ely"}"#, "--expected-version", "1"]).success();
    let refused = run(&["append", "user-1", "user.moved", "{}", "--expected-version", "1"]);
    assert_eq!(refused.code, CONFLICT);
    assert!(refused.err.contains("user-1") && refused.err.contains('2'), "{}", refused.err);

    let table = run(&["read", "user-1"]).success();
    assert!(table.contains("user.created") && table.contains("user.moved"), "{table}");
    let lines = run(&["read", "--tag", "vip", "--output", "ndjson"]).success();
    assert_eq!(json(lines.trim())["event_type"], "user.created");
    let state = json(&run(&["state", "user-1", "--output", "json"]).success());
    assert_eq!(state["current_state"], json(r#"{"name":"Ada","city":"Ely"}"#));
    let before = json(&run(&["state", "user-1", "--at-version", "1", "--output", "json"]).success());
    assert_eq!(before["current_state"], json(r#"{"name":"Ada"}"#));
    let stats = json(&run(&["stats", "--output", "json"]).success());
    assert_eq!(stats["total_events"], 2);
    assert_eq!(run(&["state", "unknown"]).code, NOT_FOUND);
}

#[test]
fn an_import_reports_refused_lines_goes_on_and_appends_nothing_twice() {
    let running = start();
    let event = |n: u32| format!(r#"{{"event_type":"t","entity_id":"e-{}","payload":{n}}}"#, n % 3);
    let mut lines: Vec<String> = (0..20_000).map(event).collect();
    lines[10_000] = r#"{"event_type":"t","entity_id":"e","payload":"#.to_owned();
    lines[15_000] = r#"{"event_type":"t","entity_id":" e","payload":1}"#.to_owned();
    let file = running.folder.path().join("events.ndjson");
    std::fs::write(&file, lines.join("\n")).unwrap();
    let import = |more: &[&str]| {
        let arguments = [&["import", file.to_str().unwrap(), "--output", "json"], more].concat();
        running.program.run(&arguments)
    };
    let first = import(&[]);
    assert_eq!(first.code, REFUSED, "{first:?}");
    let summary = json(&first.out);
    assert_eq!((&summary["appended"], &summary["refused"]), (&19_998.into(), &2.into()));
    let lines: Vec<_> = first.err.lines().map(|line| json(line)["refused"]["line"].clone()).collect();
    assert_eq!(lines, [10_001, 15_001]);
    let again = json(&import(&[]).out);
    assert_eq!((&again["appended"], &again["replayed"]), (&0.into(), &19_998.into()));
    let resumed = import(&["--from-line", "19001"]);
    assert_eq!((resumed.code, &json(&resumed.out)["replayed"]), (0, &1_000.into()));

    let piped = running.program.run_with(&["import", "--output", "json"], &event(20_001));
    assert_eq!(json(&piped.success())["appended"], 1);
}

#[test]
fn a_store_is_verified_and_its_dump_imports_into_another() {
    let running = start();
    running.program.run(&["demo", "--events", "3000", "--ending", "2026-01-31T00:00:00Z"]).success();
    let odd = "{\n\"a\":\t1.10 }";
    running.program.run(&["append", "odd", "t", odd]).success();
    let store = running.folder.path().join("store");
    let store = store.to_str().unwrap();
    let in_use = running.program.run(&["verify", store]);
    assert_eq!(in_use.code, 1, "{in_use:?}");
    running.process.stop();

    let path = Path::new(env!("CARGO_BIN_EXE_server"));
    let offline = Program::new(path, "127.0.0.1:1");
    assert!(offline.run(&["verify", store]).success().contains("clean"));
    let dump = offline.run(&["dump", store]).success();
    assert_eq!(dump.lines().count(), 3_001);

    let other = start();
    other.program.run_with(&["import", "-"], &dump).success();
    other.process.stop();
    let copy = other.folder.path().join("store");
    assert_eq!(offline.run(&["dump", copy.to_str().unwrap()]).success(), dump);

    let journal = Path::new(store).join("journal/0000000001.jnl");
    let mut bytes = std::fs::read(&journal).unwrap();
    bytes[5_000] ^= 1;
    std::fs::write(&journal, bytes).unwrap();
    let damaged = offline.run(&["verify", store]);
    assert_eq!(damaged.code, DAMAGED, "{damaged:?}");
    assert!(damaged.out.contains("DAMAGE journal/0000000001.jnl"), "{}", damaged.out);
}

#[test]
fn snapshots_are_taken_listed_and_printed() {
    let running = start();
    let run = |arguments: &[&str]| running.program.run(arguments);
    run(&["append", "user-1", "user.created", r#"{"name":"Ada"}"#]).success();
    let taken = json(&run(&["snapshot", "create", "user-1", "--output", "json"]).success());
    assert_eq!((&taken["entity_id"], &taken["version"]), (&"user-1".into(), &1.into()));
    run(&["append", "user-1", "user.moved", r#"{"city":"Ely"}"#]).success();
    let told = run(&["snapshot", "create", "user-1"]).success();
    assert!(told.contains("user-1 at version 2: 2 events"), "{told}");

    let listed = json(&run(&["snapshot", "list", "user-1", "--output", "json"]).success());
    assert_eq!((&listed["total"], &listed["snapshots"][1]["id"]), (&2.into(), &taken["snapshot_id"]));
    let first = run(&["snapshot", "list", "--limit", "1", "--output", "ndjson"]);
    assert!(first.err.contains("--limit"), "{}", first.err);
    assert_eq!(json(first.success().trim())["version"], 2);
    let table = run(&["snapshot", "list"]).success();
    assert!(table.contains("ENTITY") && table.matches("manual").count() == 2, "{table}");
    let latest = run(&["snapshot", "latest", "user-1"]).success();
    assert!(latest.contains("name") && latest.contains(r#""Ely""#), "{latest}");
    let latest = json(&run(&["snapshot", "latest", "user-1", "--output", "json"]).success());
    assert_eq!(latest["state"], json(r#"{"name":"Ada","city":"Ely"}"#));

    let unknown = run(&["snapshot", "latest", "unknown"]);
    assert!(unknown.code == NOT_FOUND && unknown.err.contains("unknown"), "{unknown:?}");
    assert_eq!(run(&["snapshot", "create", "user-1", "--tenant", "acme"]).code, NOT_FOUND);
    let others = run(&["snapshot", "list", "--tenant", "acme", "--output", "json"]).success();
    assert_eq!(json(&others)["total"], 0);
}

/// The longest file at any depth in a folder whose name ends with `ending`.
fn longest(folder: &Path, end: &str) -> PathBuf {
    let (mut folders, mut files) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.retain(|path| path.to_str().unwrap().ends_with(end));
    files.into_iter().max_by_key(|path| path.metadata().unwrap().len()).unwrap()
}

#[test]
fn a_store_is_sealed_and_its_indexes_are_rebuilt() {
    let running = start();
    assert!(running.program.run(&["seal"]).success().contains("nothing to seal"));
    running.program.run(&["demo", "--events", "3000", "--ending", "2026-01-31T00:00:00Z"]).success();
    let sealed = json(&running.program.run(&["seal", "--output", "json"]).success());
    assert_eq!(sealed["sealed_position"], 3_000);
    assert!(running.program.run(&["seal"]).success().contains("position 3,000"));
    let folder = running.folder.path().join("store");
    let (segments, store) = (folder.join("segments"), folder.to_str().unwrap());
    let in_use = running.program.run(&["index", "rebuild", store]);
    assert!(in_use.code == 1 && in_use.err.contains("stop the server"), "{in_use:?}");
    running.process.stop();

    let offline = Program::new(Path::new(env!("CARGO_BIN_EXE_server")), "127.0.0.1:1");
    let dump = offline.run(&["dump", store]).success();
    assert_eq!(dump.lines().count(), 3_000);
    std::fs::remove_file(longest(&segments, ".idx")).unwrap();
    assert_eq!(offline.run(&["verify", store]).code, DAMAGED);
    let rebuilt = json(&offline.run(&["index", "rebuild", store, "--output", "json"]).success());
    assert_eq!((&rebuilt["complete"], &rebuilt["rebuilt"]), (&true.into(), &1.into()));
    assert!(offline.run(&["verify", store]).success().contains("clean"));
    assert_eq!(offline.run(&["dump", store]).success(), dump);

    let segment = longest(&segments, ".seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let damaged = offline.run(&["index", "rebuild", store]);
    assert!(damaged.code == DAMAGED && damaged.out.contains("DAMAGE segments/"), "{damaged:?}");
    let no_store = offline.run(&["index", "rebuild", segments.to_str().unwrap()]);
    assert_eq!(no_store.code, 1, "{no_store:?}");
}

#[test]
fn a_mistake_on_the_command_line_or_in_the_file_is_explained() {
    let path = Path::new(env!("CARGO_BIN_EXE_server"));
    let program = Program::new(path, "127.0.0.1:1");
    let unreachable = program.run(&["stats"]);
    assert_eq!(unreachable.code, UNREACHABLE);
    assert!(unreachable.err.contains("allsource serve"), "{}", unreachable.err);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("allsource.toml");
    std::fs::write(&file, "lisen = \"127.0.0.1:0\"\n").unwrap();
    let refused = program.run(&["serve", "--config", file.to_str().unwrap()]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("lisen") && refused.err.contains("listen"), "{}", refused.err);
    let exposed = program.run(&["serve", "--listen", "0.0.0.0:0"]);
    assert!(exposed.code == 1 && exposed.err.contains("--behind-proxy"), "{exposed:?}");
}
