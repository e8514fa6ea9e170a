//! The server's own log.

use std::path::{Path, PathBuf};

use allsource_tests::command::Program;
use allsource_tests::process::Process;
use serde_json::Value;

fn path() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_server"))
}

fn start(data: &Path) -> (Process, String) {
    let mut process = Process::start(path(), data);
    let address = process.address().unwrap();
    (process, address)
}

fn get(address: &str, path: &str) -> Value {
    let mut answer = ureq::get(format!("http://{address}{path}"))
        .config()
        .http_status_as_error(false)
        .build()
        .call()
        .unwrap();
    answer.body_mut().read_json().unwrap()
}

#[test]
fn every_start_is_recorded_and_a_killed_server_has_no_end() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (first, address) = start(&data);
    get(&address, "/api/v1/system/starts");
    first.stop();
    let (second, address) = start(&data);
    get(&address, "/api/v1/system/starts");
    second.kill();
    let (third, address) = start(&data);
    let known = get(&address, "/api/v1/system/starts");
    let ended: Vec<bool> =
        known["starts"].as_array().unwrap().iter().map(|start| start["stopped_at"].is_string()).collect();
    assert_eq!(ended, [false, false, true], "{known}");
    assert_eq!(known["total"], 3);
    assert_eq!(known["starts"][0]["incarnation"], get(&address, "/health")["incarnation"]);
    assert_eq!(known["starts"][0]["version"], env!("CARGO_PKG_VERSION"));
    let newest = get(&address, "/api/v1/system/starts?limit=1");
    assert_eq!(newest["starts"].as_array().unwrap().len(), 1);
    assert_eq!(get(&address, "/api/v1/system/starts?limit=0")["status"], 400);
    third.stop();
    let verified =
        Program::new(path(), "127.0.0.1:1").run(&["verify", data.to_str().unwrap(), "--output", "json"]);
    let report: Value = serde_json::from_str(&verified.out).unwrap();
    assert_eq!((verified.code, &report["system_log"]["events"]), (0, &5.into()), "{report}");
}

fn manifests(data: &Path) -> Vec<PathBuf> {
    let names = std::fs::read_dir(data.join("system/manifest")).unwrap();
    names.map(|name| name.unwrap().path()).collect()
}

#[test]
fn events_are_served_without_a_system_log_that_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    start(&data).0.stop();
    for manifest in manifests(&data) {
        std::fs::write(manifest, "not a manifest").unwrap();
    }
    let (process, address) = start(&data);
    let ready = get(&address, "/readyz");
    assert_eq!(ready["status"], "ready");
    assert!(ready["system_log"].as_str().is_some_and(|text| text.contains("manifest")), "{ready}");
    let refused = get(&address, "/api/v1/system/starts");
    assert_eq!((&refused["status"], &refused["type"]), (&503.into(), &"/problems/unavailable".into()));
    process.stop();
    let verified = Program::new(path(), "127.0.0.1:1").run(&["verify", data.to_str().unwrap()]);
    assert_eq!(verified.code, 8, "{}", verified.out);
}
