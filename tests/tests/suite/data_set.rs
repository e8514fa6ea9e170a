//! Imports a real log of 262,200 events and kills the server. The log is not part of this repository; without it, the
//! tests say that they are skipped.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use allsource_tests::command::Program;
use allsource_tests::process::Process;
use serde_json::{Value, json};

/// The variable with the file's path; without it, the file is expected beside the checkout.
const VARIABLE: &str = "ALLSOURCE_DATA_SET";
const BESIDE: &str = "../../shared/data/loan-applications.ndjson.gz";
const EVENTS: u64 = 262_200;

fn data_set() -> Option<PathBuf> {
    let named = std::env::var_os(VARIABLE).map(PathBuf::from);
    let path = named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(BESIDE));
    path.is_file().then_some(path)
}

fn get(address: &str, path: &str) -> Value {
    let mut answer = ureq::get(format!("http://{address}{path}")).call().unwrap();
    serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap()
}

fn check(address: &str) {
    let stats = get(address, "/api/v1/stats");
    let counts =
        ["total_events", "total_entities", "total_event_types"].map(|name| stats[name].as_u64().unwrap());
    assert_eq!(counts, [EVENTS, 13_087, 24]);
    let history = get(address, "/api/v1/events/query?entity_id=application-185548");
    let versions: Vec<u64> = history["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["version"].as_u64().unwrap())
        .collect();
    assert_eq!(versions, (1..=175).collect::<Vec<_>>());
    let state = get(address, "/api/v1/entities/application-173688/state?as_of=2011-10-10T00:00:00Z");
    assert_eq!(
        (&state["event_count"], &state["current_state"]["amount_requested"]),
        (&json!(16), &json!(20_000))
    );
}

/// A server's answers to many queries, in one text.
fn answers(address: &str) -> String {
    let mut all = String::new();
    let types = get(address, "/api/v1/events/query?limit=1000");
    let mut questions: Vec<String> = Vec::new();
    for event in types["events"].as_array().unwrap().iter().step_by(40) {
        let (entity, kind) = (event["entity_id"].as_str().unwrap(), event["event_type"].as_str().unwrap());
        let kind = kind.replace(' ', "%20");
        questions.push(format!("/api/v1/events/query?entity_id={entity}&limit=1000"));
        questions.push(format!("/api/v1/events/query?event_type={kind}&order=desc&limit=50"));
        questions.push(format!("/api/v1/entities/{entity}/state?history=false"));
        questions.push(format!("/api/v1/entities/{entity}/state?as_of=2012-01-01T00:00:00Z"));
        questions
            .push(format!("/api/v1/events/{}", event["event_id"].as_str().or(event["id"].as_str()).unwrap()));
    }
    questions.push("/api/v1/events/query?from=131000&limit=500".to_owned());
    for question in questions {
        let mut answer = ureq::get(format!("http://{address}{question}"))
            .config()
            .http_status_as_error(false)
            .build()
            .call()
            .unwrap();
        all.push_str(&format!(
            "{question}: {} {}\n",
            answer.status(),
            answer.body_mut().read_to_string().unwrap()
        ));
    }
    all.push_str(&whole_day(address));
    // Two imports of the same lines differ only in commit times and cursors.
    without(&without(&all, "recorded_at"), "next_cursor")
}

/// The events of one day. Where a page ends early depends on how fast the store looks through the others,
/// so the pages are joined.
fn whole_day(address: &str) -> String {
    let question = "/api/v1/events/query?since=2012-02-01T00:00:00Z&until=2012-02-02T00:00:00Z&limit=1000";
    let mut page = get(address, question);
    let mut events = page["events"].as_array().unwrap().clone();
    while page["has_more"] == true {
        page = get(address, &format!("{question}&cursor={}", page["next_cursor"].as_str().unwrap()));
        events.extend_from_slice(page["events"].as_array().unwrap());
    }
    assert_eq!(events.len() as u64, page["total_count"].as_u64().unwrap());
    Value::from(events).to_string()
}

/// A text without the string values of a member.
fn without(text: &str, member: &str) -> String {
    let mut same = String::with_capacity(text.len());
    for part in text.split(&format!("\"{member}\":\"")) {
        same.push_str(part.split_once('"').filter(|_| !same.is_empty()).map_or(part, |(_, rest)| rest));
    }
    same
}

/// Where two answers part, with a little of what follows in each.
fn apart((one, other): (&str, &str)) -> (String, String) {
    let place =
        one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count().saturating_sub(200);
    let short = |text: &str| text.chars().skip(place).take(400).collect();
    (short(one), short(other))
}

#[test]
fn the_real_log_gives_the_same_answers_from_memory_from_segments_and_from_merged_ones() {
    let Some(data_set) = data_set() else {
        println!("SKIPPED: the data set is not there; {VARIABLE} says where it is");
        return;
    };
    let path = Path::new(env!("CARGO_BIN_EXE_server"));
    let mut said: Vec<(&str, String)> = Vec::new();
    // Everything in memory; about five generations; many generations, most of them merged.
    for (name, arguments) in [
        ("memory", ["--seal-bytes", "1000000000"]),
        ("segments", ["--seal-bytes", "30000000"]),
        ("merged segments", ["--seal-bytes", "6000000"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Process::start_with(path, folder.path(), &arguments);
        let address = process.address().unwrap();
        let program = Program::new(path, &address);
        program.run(&["import", data_set.to_str().unwrap()]).success();
        check(&address);
        said.push((name, answers(&address)));
        if name != "memory" {
            program.run(&["seal"]).success();
            check(&address);
            said.push((name, answers(&address)));
        }
        process.stop();
        let report = Program::new(path, "").run(&["verify", folder.path().to_str().unwrap()]).success();
        assert!(report.contains("262,200") || report.contains("262200"), "{report}");
    }
    let (first, rest) = said.split_first().unwrap();
    assert!(first.1.len() > 500_000, "the queries are answered");
    for (name, answer) in rest {
        let unlike = first.1.lines().zip(answer.lines()).find(|(one, other)| one != other);
        assert!(unlike.is_none() && first.1.len() == answer.len(), "{name}: {:?}", unlike.map(apart));
    }
}

#[test]
fn the_real_log_is_imported_and_survives_a_kill_in_the_middle_of_a_second_import() {
    let Some(data_set) = data_set() else {
        println!("SKIPPED: the data set is not there; {VARIABLE} says where it is");
        return;
    };
    let path = Path::new(env!("CARGO_BIN_EXE_server"));
    let folder = tempfile::tempdir().unwrap();
    let mut process = Process::start(path, folder.path());
    let address = process.address().unwrap();
    let program = Program::new(path, &address);
    let file = data_set.to_str().unwrap();
    let summary = program.run(&["import", file]).success();
    assert!(summary.starts_with("262,200 events"), "{summary}");
    check(&address);

    let mut second = program.command(&["import", file, "--name", "second"]);
    second.stdout(Stdio::null()).stderr(Stdio::null());
    let mut second = second.spawn().unwrap();
    while get(&address, "/api/v1/stats")["total_events"].as_u64().unwrap() < EVENTS + 40_000 {
        std::thread::sleep(Duration::from_millis(10));
    }
    process.kill();
    second.kill().unwrap();
    second.wait().unwrap();

    let mut process = Process::start(path, folder.path());
    let address = process.address().unwrap();
    let survived = get(&address, "/api/v1/stats")["total_events"].as_u64().unwrap();
    assert!(survived >= EVENTS + 40_000, "acknowledged events were lost: {survived}");
    let first_import = get(&address, "/api/v1/entities/application-173688/state?at_version=16");
    assert_eq!(first_import["current_state"]["amount_requested"], 20_000);
    let summary = Program::new(path, &address).run(&["import", file, "--name", "second"]).success();
    assert!(summary.starts_with("262,200 events"), "{summary}");
    assert_eq!(get(&address, "/api/v1/stats")["total_events"], 2 * EVENTS);
    process.stop();
}
