//! A dump imports without loss, and importing a broken file loses nothing that can be read.

use std::io::Write as _;
use std::path::Path;

use allsource_tests::command::Program;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::{REFUSED, json, start, start_with};

const MEBIBYTE: usize = 1 << 20;

fn base64(bytes: usize) -> String {
    "AAAA".repeat(bytes / 3) + ["", "AA==", "AAA="][bytes % 3]
}

#[test]
fn a_dump_gives_back_every_byte_of_the_largest_and_oddest_events() {
    let large_files = ["--journal-file-bytes", "67108864"];
    let running = start_with(&large_files);
    // 8 MiB of bytes are 11.2 MiB of base64; 8 MiB of JSON with a line break are up to 16 MiB of text.
    let largest = format!(
        "{{\"entity_id\":\"bytes\",\"event_type\":\"t\",\"payload_base64\":\"{}\"}}\n",
        base64(8 * MEBIBYTE)
    );
    running.program.run_with(&["import"], &largest).success();
    let tags: Vec<String> = (0..64).map(|n| format!("{n:0>255}\"")).collect();
    let mut arguments = vec!["append", "json", "t", "-", "--metadata", "{\n\t\"by\" :\r\"x\" }"];
    arguments.extend(tags.iter().flat_map(|tag| ["--tag", tag.as_str()]));
    let quotes = format!("[\n{}\"\" ]", "\"\",".repeat((8 * MEBIBYTE - 10) / 3));
    running.program.run_with(&arguments, &quotes).success();
    for odd in ["{\n\"a\":\t1.10 , \"é\":\"\\u00e9\"}", "[1,\r\n 2]", "{ \"a\" :1}", "null", "\"\\u2028\""] {
        running.program.run(&["append", "odd", "t", odd]).success();
    }
    let null = r#"{"entity_id":"odd","event_type":"t","payload":1,"metadata_text":"null"}"#;
    running.program.run_with(&["import"], null).success();
    let store = running.folder.path().join("store");
    running.process.stop();

    let offline = Program::new(Path::new(env!("CARGO_BIN_EXE_server")), "127.0.0.1:1");
    let dump = offline.run(&["dump", store.to_str().unwrap()]).success();
    assert_eq!(dump.lines().count(), 8);
    assert!(dump.lines().any(|line| line.contains(r#""metadata_text":"null""#)));
    assert!(dump.lines().any(|line| line.contains(r#""payload_text":"[1,\r\n 2]""#)));
    assert!(dump.lines().any(|line| line.contains(r#""metadata_text":"{\n\t\"by\" :\r\"x\" }""#)));

    let other = start_with(&large_files);
    other.program.run_with(&["import"], &dump).success();
    let again = json(&other.program.run_with(&["import", "--output", "json"], &dump).success());
    assert_eq!((&again["replayed"], &again["refused"]), (&8.into(), &0.into()));
    let copy = other.folder.path().join("store");
    other.process.stop();
    assert!(offline.run(&["dump", copy.to_str().unwrap()]).success() == dump, "the copy differs");
}

#[test]
fn lines_the_rules_refuse_are_reported_by_number_and_counted() {
    let running = start();
    let lines = [
        r#"{"entity_id":"a","event_type":"t","payload":1}"#,
        r#"{"entity_id":"_system","event_type":"t","payload":1}"#,
        r#"{"entity_id":"a","event_type":"t","payload":1,"payload_text":"1"}"#,
        r#"{"entity_id":"a","event_type":"t","payload_text":"{"}"#,
        r#"{"entity_id":"a","event_type":"t","payload_text":"2"}"#,
        "no event",
    ];
    let ran = running.program.run_with(&["import", "--output", "json"], &lines.join("\n"));
    assert_eq!(ran.code, REFUSED, "{ran:?}");
    let summary = json(&ran.out);
    assert_eq!((&summary["appended"], &summary["refused"]), (&2.into(), &4.into()));
    let refused: Vec<_> = ran.err.lines().map(|line| json(line)["refused"].clone()).collect();
    let numbers: Vec<_> = refused.iter().map(|refused| refused["line"].clone()).collect();
    assert_eq!(numbers, [2, 3, 4, 6], "in the order of the file: {}", ran.err);
    assert!(
        refused.iter().all(|refused| refused["file"] == "standard input" && refused["reason"].is_string())
    );
    let counted = ["import", "--show-refused", "1", "--output", "json"];
    let counted = running.program.run_with(&counted, &lines.join("\n"));
    let note = json(counted.err.lines().last().unwrap())["note"].clone();
    assert!(note.as_str().unwrap().contains("--show-refused"), "{counted:?}");
    let few = running.program.run_with(&["import", "--show-refused", "1"], &lines.join("\n"));
    assert_eq!(few.err.matches("standard input:").count(), 1, "{}", few.err);
    assert!(few.err.contains("--show-refused") && few.out.contains("4 lines refused"), "{few:?}");
}

#[test]
fn a_truncated_gzip_file_is_imported_up_to_the_cut_and_completed_later() {
    let running = start();
    let event =
        |n: u32| format!("{{\"event_type\":\"t\",\"entity_id\":\"e-{n}\",\"payload\":{}}}\n", n * 7919);
    let text: String = (0..20_000).map(event).collect();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    let zipped = encoder.finish().unwrap();
    let file = running.folder.path().join("events.ndjson.gz");
    let import = |more: &[&str]| running.program.run(&[&["import", file.to_str().unwrap()], more].concat());
    std::fs::write(&file, &zipped[..zipped.len() / 2]).unwrap();
    let broken = import(&["--output", "json"]);
    assert_eq!(broken.code, 1, "{broken:?}");
    let appended = json(&broken.out)["appended"].as_u64().unwrap();
    assert!(appended > 5_000, "{appended} of 20,000 lines, from half of the file");
    let error = json(broken.err.lines().last().unwrap());
    let message = error["error"]["message"].as_str().unwrap();
    assert!(message.contains(&format!("every line up to {appended} was processed")), "{message}");
    let advice = error["error"]["advice"].as_str().unwrap();
    assert!(advice.contains("intact copy") && !advice.contains("--from-line"), "{advice}");
    std::fs::write(&file, &zipped).unwrap();
    let whole = json(&import(&["--output", "json"]).success());
    assert_eq!((&whole["appended"], &whole["replayed"]), (&(20_000 - appended).into(), &appended.into()));
}

#[test]
fn a_new_first_line_in_a_renamed_file_is_the_only_one_appended() {
    let running = start();
    let event = |n: u32| format!("{{\"event_type\":\"t\",\"entity_id\":\"e\",\"payload\":{n}}}\n");
    let import = |name: &str, text: &str, more: &[&str]| {
        let file = running.folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        let arguments = [&["import", file.to_str().unwrap(), "--output", "json"], more].concat();
        let summary = json(&running.program.run(&arguments).success());
        (summary["appended"].as_u64().unwrap(), summary["replayed"].as_u64().unwrap())
    };
    let text: String = [1, 2, 2, 3].map(event).concat();
    assert_eq!(import("a.ndjson", &text, &[]), (4, 0), "equal lines in a file are separate events");
    assert_eq!(import("a.ndjson", &text, &[]), (0, 4));
    assert_eq!(import("b.ndjson", &(event(0) + &text + &event(2)), &[]), (2, 4));
    assert_eq!(import("b.ndjson", &text, &["--again"]), (4, 0));
    assert_eq!(import("b.ndjson", &text, &["--name", "second"]), (4, 0));
}

#[test]
fn a_file_of_another_format_is_recognised_instead_of_refused_line_by_line() {
    let running = start();
    let rows: String = (0..20_000).map(|n| format!("order-{n},placed,{n}\n")).collect();
    let file = running.folder.path().join("orders.csv");
    std::fs::write(&file, rows).unwrap();
    let ran = running.program.run(&["import", file.to_str().unwrap()]);
    assert_eq!(ran.code, REFUSED, "{ran:?}");
    assert!(
        ran.err.contains("CSV") && ran.err.contains("orders.csv") && ran.err.lines().count() < 10,
        "{}",
        ran.err
    );
    let ran = running.program.run_with(&["import"], "[{\"a\":1}]");
    assert!(ran.code == REFUSED && ran.err.contains("jq -c '.[]'"), "{ran:?}");
}
