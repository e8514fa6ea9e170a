//! Imports of malformed lines, damaged files and failing servers.

use std::cell::RefCell;
use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use super::chunk::{Chunk, Chunks, Lines};
use super::foreign::Verdict;
use super::progress::{Progress, Total};
use super::source::Source;
use super::upload::{Because, End, Reply, Stopped, Tally, Upload};
use crate::cli::client::NoAnswer;
use crate::cli::failure::Failure;
use crate::cli::interrupt::Interrupt;
use crate::cli::terminal::Output;

fn source(bytes: &[u8]) -> Source {
    Source::new(Box::new(io::Cursor::new(bytes.to_vec())), Total::Unknown).unwrap()
}

fn lines(count: usize) -> String {
    (1..=count)
        .map(|n| format!("{{\"event_type\":\"t\",\"entity_id\":\"e-{n}\",\"payload\":{n}}}\n"))
        .collect()
}

fn chunks(bytes: &[u8], first_line: u64, chunk_lines: u32) -> Vec<Chunk> {
    Chunks::new(source(bytes), None, first_line, chunk_lines).map(|chunk| chunk.unwrap()).collect()
}

fn sent(chunk: &Chunk) -> Vec<Value> {
    chunk
        .body
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

fn ids(bytes: &[u8], name: Option<&str>, first_line: u64) -> Vec<String> {
    let chunks = Chunks::new(source(bytes), name, first_line, 10);
    chunks
        .flat_map(|chunk| sent(&chunk.unwrap()))
        .map(|event| event["id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn lines_that_are_no_events_are_refused_with_number_and_reason_and_the_others_sent() {
    let text = b"\xef\xbb\xbf{\"a\":1}\n\n[1]\n{\"a\":\n{\"id\":\"mine\",\"a\":2} \r\n{}\n{\"a\":3";
    let chunks = chunks(text, 1, 10);
    let [chunk] = chunks.as_slice() else { panic!("{} chunks", chunks.len()) };
    let refused: Vec<_> =
        chunk.refused.iter().map(|refusal| (refusal.line, refusal.reason.as_str())).collect();
    assert_eq!(refused[0], (3, "is not a JSON object"));
    assert_eq!(refused[1], (4, "is not valid JSON: the text ends where a value is expected at column 5"));
    assert_eq!(refused[2].0, 7);
    assert_eq!((chunk.numbers.as_slice(), chunk.last_line), ([1, 5, 6].as_slice(), 7));
    let sent = sent(chunk);
    assert_eq!((&sent[0]["a"], &sent[1]["id"]), (&Value::from(1), &Value::from("mine")));
    assert!(sent[2]["id"].is_string());
}

#[test]
fn an_event_goes_out_byte_for_byte_but_for_its_id() {
    let text = "{ \"payload\" : {\"n\":1.00,\"é\":\"\\u00e9\"} }\n";
    let [chunk] = <[Chunk; 1]>::try_from(chunks(text.as_bytes(), 1, 10)).unwrap();
    let body = String::from_utf8(chunk.body).unwrap();
    let (id, rest) = body.split_once(',').unwrap();
    assert!(id.starts_with("{\"id\":\"") && id.len() == 44);
    assert_eq!(Some(rest), text.strip_prefix("{"));
}

#[test]
fn the_same_line_always_has_the_same_id_wherever_it_stands() {
    let text = lines(9);
    let all = ids(text.as_bytes(), None, 1);
    assert_eq!(ids(text.as_bytes(), None, 4), all[3..]);
    // Ids that depend on line numbers would append the whole file again.
    let longer =
        format!("{{\"event_type\":\"t\",\"entity_id\":\"new\",\"payload\":0}}\n\n{text}{}", lines(1));
    let longer = ids(longer.as_bytes(), None, 1);
    assert_eq!(longer[1..10], all);
    assert!(!all.contains(&longer[0]) && !all.contains(&longer[10]));
    let windows = text.replace('\n', " \r\n");
    assert_eq!(ids(windows.as_bytes(), None, 1), all);
    assert!(ids(text.as_bytes(), Some("y"), 1).iter().all(|id| !all.contains(id)));
}

#[test]
fn equal_lines_are_told_apart_by_their_number_among_equals() {
    let [a, b] = ["{\"a\":1}\n", "{\"b\":1}\n"];
    let three = ids(format!("{a}{a}{a}").as_bytes(), None, 1);
    assert!(three[0] != three[1] && three[1] != three[2] && three[0] != three[2]);
    let mixed = ids(format!("{b}{a}{b}{a}{a}").as_bytes(), None, 1);
    assert_eq!([&mixed[1], &mixed[3], &mixed[4]], [&three[0], &three[1], &three[2]]);
    assert_eq!(ids(format!("{a}{a}{a}").as_bytes(), None, 3), three[2..]);
}

#[test]
fn ids_never_change_between_releases() {
    let ids = ids(b"{\"a\":1}\n{\"a\":1}\n", None, 1);
    assert_eq!(ids, ["3f183b8f-6e32-54ba-ba19-0865566d300c", "dbbf1d19-16ab-578e-93f4-cfd73e324453"]);
}

#[test]
fn gzip_is_known_by_its_bytes_even_in_several_members() {
    let member = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let text = lines(300);
    let (first, second) = text.split_at(text.len() / 2);
    let zipped = [member(first), member(second)].concat();
    let read = |bytes: &[u8]| chunks(bytes, 1, 1_000).pop().unwrap().body;
    assert!(zipped.len() < text.len());
    assert_eq!(read(&zipped), read(text.as_bytes()));
}

#[test]
fn a_gzip_file_that_is_cut_off_gives_every_line_before_the_cut() {
    let text: String = (0..30_000).map(|n| format!("{{\"a\":{n},\"b\":{}}}\n", n * 7919 % 10_007)).collect();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    let zipped = encoder.finish().unwrap();
    for cut in [20, zipped.len() / 2, zipped.len() - 20, zipped.len() - 4] {
        let mut chunks: Vec<_> = Chunks::new(source(&zipped[..cut]), None, 1, 100_000).collect();
        let broken = chunks.pop().unwrap().unwrap_err();
        let sent: Vec<_> = chunks.iter().map(|chunk| chunk.as_ref().unwrap()).collect();
        let count: usize = sent.iter().map(|chunk| chunk.numbers.len()).sum();
        assert_eq!((broken.line, sent.last().unwrap().last_line), (count as u64 + 1, count as u64), "{cut}");
        assert!(count >= cut.saturating_sub(10_000) / 10, "{count} lines of {cut} bytes");
    }
}

#[test]
fn chunks_are_cut_at_the_line_asked_for_and_begin_where_told() {
    let shape = |first, size| {
        chunks(lines(7).as_bytes(), first, size).iter().map(|c| c.numbers.clone()).collect::<Vec<_>>()
    };
    assert_eq!(shape(1, 3), [vec![1, 2, 3], vec![4, 5, 6], vec![7]]);
    assert_eq!(shape(6, 3), [vec![6, 7]]);
    assert_eq!(shape(8, 3), [Vec::<u64>::new()]);
}

#[test]
fn a_line_without_end_is_an_error_and_no_loss_of_memory() {
    struct Endless;
    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            buffer.fill(b' ');
            Ok(buffer.len())
        }
    }
    let mut source = Source::new(Box::new(Endless), Total::Unknown).unwrap();
    assert!(source.next_line(&mut Vec::new()).unwrap_err().to_string().contains("longer than"));
}

fn upload(
    text: &str,
    chunk_lines: u32,
    send: &mut dyn FnMut(&[u8]) -> Result<Reply, NoAnswer>,
) -> (End, Tally) {
    let (interrupt, progress, mut tally) =
        (Interrupt::default(), Progress::start(Total::Unknown), Tally::default());
    let mut upload = Upload {
        interrupt: &interrupt,
        progress: &progress,
        output: Output::Table,
        label: "x".to_owned(),
        tally: &mut tally,
        show_refused: 2,
    };
    let end = upload.run(Chunks::new(source(text.as_bytes()), None, 1, chunk_lines), send);
    (end, tally)
}

fn reply(text: &str) -> Result<Reply, NoAnswer> {
    Ok(serde_json::from_str(text).unwrap())
}

#[test]
fn what_the_server_refuses_is_counted_and_the_rest_goes_on() {
    let bodies = RefCell::new(0);
    let (end, tally) = upload(&(lines(5) + "nonsense\n"), 2, &mut |_| {
        *bodies.borrow_mut() += 1;
        reply(r#"{"total":2,"ingested":1,"refused":[{"line":2,"error":"no"}],"events":[]}"#)
    });
    assert!(matches!(end, End::Complete));
    assert_eq!(tally, Tally { appended: 3, replayed: 0, refused: 4 });
    assert_eq!(bodies.into_inner(), 3);
}

#[test]
fn a_server_that_is_away_for_a_while_gets_the_same_bytes_again() {
    let attempts = RefCell::new(Vec::new());
    let (end, tally) = upload(&lines(2), 10, &mut |body| {
        let mut attempts = attempts.borrow_mut();
        attempts.push(body.to_vec());
        if attempts.len() < 3 {
            return Err(NoAnswer::Later(Failure::new("away")));
        }
        reply(r#"{"total":2,"ingested":2,"replayed":1}"#)
    });
    assert!(matches!(end, End::Complete));
    assert_eq!(tally, Tally { appended: 1, replayed: 1, refused: 0 });
    let attempts = attempts.into_inner();
    assert!(attempts.len() == 3 && attempts.iter().all(|body| *body == attempts[0]));
}

#[test]
fn a_refusal_of_the_whole_says_how_far_it_got() {
    let requests = RefCell::new(0);
    let (end, tally) = upload(&lines(9), 3, &mut |_| {
        *requests.borrow_mut() += 1;
        if *requests.borrow() == 3 {
            return Err(NoAnswer::Refused(Failure::new("the disk is full")));
        }
        reply(r#"{"total":3,"ingested":3}"#)
    });
    let End::Stopped(Stopped { reached, uncertain, because: Because::Server(failure) }) = end else {
        panic!("{end:?}")
    };
    assert_eq!((reached, failure.message(), tally.appended), (6, "the disk is full", 6));
    assert_eq!(uncertain, None);
}

/// The store takes nothing after a failed sync, so the attempt after the one that may have been stored is refused.
#[test]
fn an_outcome_that_is_unknown_stays_so_when_the_next_attempt_is_refused() {
    let attempts = RefCell::new(0);
    let (end, tally) = upload(&lines(6), 2, &mut |_| {
        *attempts.borrow_mut() += 1;
        match *attempts.borrow() {
            1 => reply(r#"{"total":2,"ingested":2}"#),
            2 => Err(NoAnswer::Later(Failure::new("unknown").outcome_unknown(true))),
            _ => Err(NoAnswer::Refused(Failure::new("fenced"))),
        }
    });
    let End::Stopped(Stopped { reached, uncertain, because: Because::Server(failure) }) = end else {
        panic!("{end:?}")
    };
    assert_eq!((reached, uncertain, failure.message(), tally.appended), (2, Some(4), "fenced", 2));
}

#[test]
fn nothing_waits_for_more_than_the_first_event_of_a_pipe() {
    struct Once(bool);
    impl Read for Once {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            assert!(!std::mem::replace(&mut self.0, true), "a pipe that is open would wait here");
            let text = b"{\"a\":1}\n{\"a\"";
            buffer[..text.len()].copy_from_slice(text);
            Ok(text.len())
        }
    }
    let mut source = Source::new(Box::new(Once(false)), Total::Unknown).unwrap();
    assert_eq!(source.recognise(), Verdict::Lines);
    let mut line = Vec::new();
    assert!(source.next_line(&mut line).unwrap());
    assert_eq!(line, b"{\"a\":1}");
}

#[test]
fn what_is_zipped_is_recognised_as_well() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(b"id,type\n1,placed\n").unwrap();
    let verdict = source(&encoder.finish().unwrap()).recognise();
    assert!(matches!(verdict, Verdict::Foreign { what, .. } if what.contains("CSV")));
}
