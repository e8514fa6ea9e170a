//! A new user's first hour: no server, an address that is nearly right, and the commands that the README and the server
//! suggest.

use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use allsource_tests::command::Program;

use super::{UNREACHABLE, json, start};

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_server"))
}

/// An address where nothing listens.
fn nowhere() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn without_a_server_every_command_fails_at_once_and_says_how_to_start_one() {
    let program = Program::new(program(), &nowhere());
    let commands: [&[&str]; 7] = [
        &["tail"],
        &["import"],
        &["demo", "--ending", "2026-01-31T00:00:00Z"],
        &["read"],
        &["append", "a", "t"],
        &["seal"],
        &["snapshot", "list"],
    ];
    for command in commands {
        let began = Instant::now();
        let ran = program.run(command);
        assert_eq!(ran.code, UNREACHABLE, "{command:?}: {ran:?}");
        assert!(ran.err.contains("cannot reach") && ran.err.contains("allsource serve"), "{}", ran.err);
        assert!(!ran.err.contains("os error"), "{}", ran.err);
        assert!(began.elapsed() < Duration::from_secs(10), "{command:?} took {:?}", began.elapsed());
    }
}

#[test]
fn two_tenants_that_differ_are_refused_before_anything_is_sent() {
    let program = Program::new(program(), &nowhere());
    let twice = ["append", "a", "t", "{}", "--tenant", "acme", "--header"];
    let ran = program.run(&[&twice[..], &["X-Tenant-ID: other"]].concat());
    assert!(ran.code == 2 && ran.err.contains("name the tenant once"), "{ran:?}");
    let same = program.run(&[&twice[..], &["X-Tenant-ID: acme"]].concat());
    assert_eq!(same.code, UNREACHABLE, "{same:?}");
}

#[test]
fn an_address_without_a_scheme_is_understood_and_others_are_explained() {
    let running = start();
    let address = running.program.url().trim_start_matches("http://").to_owned();
    running.program.run(&["stats", "--url", &address]).success();
    running.program.run(&["stats", "--url", &format!("http://{address}/")]).success();
    let encrypted = running.program.run(&["stats", "--url", &format!("https://{address}")]);
    assert!(encrypted.code == 2 && encrypted.err.contains("not https"), "{encrypted:?}");
    for wrong in ["ftp://store.example", "http://", "a b"] {
        let ran = running.program.run(&["stats", "--url", wrong]);
        assert!(ran.code == 2 && ran.err.contains("--url takes an address like"), "{ran:?}");
    }
    let astray = running.program.run(&["stats", "--url", &format!("http://{address}/store")]);
    assert!(astray.code == 1 && astray.err.contains("without a path"), "{astray:?}");
    assert!(!astray.err.contains("/api/") && !astray.err.contains("HEAD"), "{astray:?}");
    let mut proxied = running.program.command(&["stats"]);
    let proxied =
        proxied.env("HTTP_PROXY", format!("http://{}", nowhere())).env("ALL_PROXY", "nonsense").output();
    assert!(proxied.unwrap().status.success(), "loopback addresses are reached without a proxy");
}

#[test]
fn a_broken_proxy_from_the_environment_is_named() {
    let program = Program::new(program(), "store.invalid:8080");
    let mut command = program.command(&["stats"]);
    let output = command.env("HTTP_PROXY", format!("http://{}", nowhere())).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("through the proxy http://127.0.0.1:") && said.contains("NO_PROXY"), "{said}");
}

#[test]
fn a_tail_that_was_connected_waits_for_its_server() {
    let running = start();
    running.program.run(&["append", "a", "t", "1"]).success();
    let mut command = running.program.command(&["tail", "--from", "beginning", "--output", "ndjson"]);
    let errors = running.folder.path().join("errors");
    let file = std::fs::File::create(&errors).unwrap();
    let mut child = command.stdout(std::process::Stdio::piped()).stderr(file).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let first = lines.next().unwrap().unwrap();
    running.process.kill();
    let deadline = Instant::now() + Duration::from_secs(30);
    let said = || std::fs::read_to_string(&errors).unwrap();
    while !said().contains("reconnecting") && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(child.try_wait().unwrap().is_none(), "it ended: {}", said());
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(json(&first)["entity_id"], "a");
    assert!(said().contains("the stream broke off; reconnecting"), "{}", said());
}

/// The commands of the program that a text shows, without their comments.
fn commands(text: &str) -> Vec<Vec<String>> {
    let command = |line: &str| {
        let line = line.split(" #").next()?.trim();
        let line = line.strip_prefix("allsource ")?;
        Some(line.split_whitespace().map(|word| word.trim_matches('\'').to_owned()).collect())
    };
    text.lines().filter_map(command).collect()
}

#[test]
fn every_command_in_the_readme_works_as_printed() {
    let running = start();
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let commands = commands(&readme);
    assert!(commands.len() > 6, "{commands:?}");
    for words in commands {
        let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
        let into = words.iter().position(|word| *word == ">").map(|at| words.split_off(at)[1].to_owned());
        let mut command = running.program.command(&words);
        command.current_dir(running.folder.path());
        if words[0] == "tail" {
            let mut child = command.stdout(std::process::Stdio::null()).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(500));
            assert!(child.try_wait().unwrap().is_none(), "{words:?} ended");
            child.kill().unwrap();
            child.wait().unwrap();
            continue;
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
        if let Some(file) = into {
            std::fs::write(running.folder.path().join(file), output.stdout).unwrap();
        }
    }
}
