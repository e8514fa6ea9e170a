//! A real event log of 262,200 events, imported and killed. It is not part of the product: where it is not
//! present, the test says so.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use allsource_tests::command::Program;
use allsource_tests::process::Process;
use serde_json::{Value, json};

/// Names the file; without it, it is looked for beside the checkout.
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
