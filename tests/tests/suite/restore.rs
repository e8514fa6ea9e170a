//! An older copy of a store, put back under clients that have seen more.

use std::path::Path;
use std::process::Command;

use allsource_tests::process::Process;
use serde_json::{Value, json};
use ureq::Agent;

fn start(data: &Path) -> (Process, String) {
    let mut process = Process::start(Path::new(env!("CARGO_BIN_EXE_server")), data);
    let address = process.address().unwrap();
    (process, address)
}

fn agent() -> Agent {
    Agent::config_builder().http_status_as_error(false).build().new_agent()
}

fn append(address: &str, if_match: Option<&str>, payload: &Value) -> u16 {
    let body = json!({"entity_id": "user-1", "event_type": "t", "payload": payload}).to_string();
    let request = agent().post(format!("http://{address}/api/v1/events")).content_type("application/json");
    let request = if_match.into_iter().fold(request, |request, tag| request.header("if-match", tag));
    request.send(body).unwrap().status().as_u16()
}

/// The status and the entity tag of an answer.
fn get(address: &str, path: &str, if_none_match: &str) -> (u16, String) {
    let request = agent().get(format!("http://{address}{path}")).header("if-none-match", if_none_match);
    let answer = request.call().unwrap();
    let tag = answer.headers().get("etag").unwrap().to_str().unwrap().to_owned();
    (answer.status().as_u16(), tag)
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

#[test]
fn an_entity_tag_does_not_outlive_a_restore() {
    const PATHS: [&str; 2] = ["/api/v1/entities/user-1/state", "/api/v1/events/query?entity_id=user-1"];
    let folder = tempfile::tempdir().unwrap();
    let (data, backup) = (folder.path().join("data"), folder.path().join("backup"));
    let (server, address) = start(&data);
    assert_eq!(append(&address, None, &json!({"a": "kept"})), 200);
    let (_, kept) = get(&address, PATHS[0], "\"0\"");
    server.stop();
    copy(&data, &backup);
    let (server, address) = start(&data);
    assert_eq!(get(&address, PATHS[0], &kept), (304, kept.clone()), "an ordinary restart changes no state");
    let (_, of_query) = get(&address, PATHS[1], "\"0\"");
    assert_eq!(append(&address, Some(&of_query), &json!({"a": "lost"})), 200, "nor a version");
    let tags = PATHS.map(|path| get(&address, path, "\"0\"").1);
    for (path, tag) in PATHS.iter().zip(&tags) {
        assert_eq!(get(&address, path, tag).0, 304, "{path}");
    }
    server.stop();
    std::fs::remove_dir_all(&data).unwrap();
    copy(&backup, &data);
    let (server, address) = start(&data);
    assert_eq!(append(&address, None, &json!({"a": "other"})), 200);
    for (path, tag) in PATHS.iter().zip(&tags) {
        assert!(tag.starts_with("\"2-"), "{tag}");
        assert_eq!(get(&address, path, tag).0, 200, "{path}: version 2 is another event now");
        assert_eq!(append(&address, Some(tag), &json!({"a": "over it"})), 412, "{path}");
    }
    server.stop();
}

/// The copy was made while the server that wrote on was running, so its incarnation is part of the copy's history.
#[test]
fn an_entity_tag_of_a_known_incarnation_does_not_outlive_a_restore_either() {
    let folder = tempfile::tempdir().unwrap();
    let (data, backup) = (folder.path().join("data"), folder.path().join("backup"));
    let path = "/api/v1/entities/user-1/state";
    let (server, address) = start(&data);
    assert_eq!(append(&address, None, &json!({"a": "kept"})), 200);
    copy(&data, &backup);
    assert_eq!(append(&address, None, &json!({"a": "lost"})), 200);
    let (_, lost) = get(&address, path, "\"0\"");
    server.stop();
    std::fs::remove_dir_all(&data).unwrap();
    copy(&backup, &data);
    let (server, address) = start(&data);
    assert_eq!(append(&address, None, &json!({"a": "other"})), 200);
    assert_eq!(get(&address, path, &lost).0, 200, "version 2 is another event now");
    assert_eq!(append(&address, Some(&lost), &json!({"a": "over it"})), 412);
    let (_, now) = get(&address, path, "\"0\"");
    assert_eq!(append(&address, Some(&now), &json!({"a": "after it"})), 200);
    server.stop();
}
