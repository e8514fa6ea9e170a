//! Recognises files that are not lines of events by their first bytes, and says how to convert them.

use serde::Deserialize;
use serde::de::IgnoredAny;

/// The kind of a file, judged by its beginning.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// One JSON object per line, or an empty file.
    Lines,
    /// Something else.
    Foreign {
        /// What it looks like.
        what: &'static str,
        /// How to convert it to lines; `FILE` stands for its name.
        advice: &'static str,
    },
}

const DECOMPRESS: [(&[u8], &str, &str); 4] = [
    (b"PK\x03\x04", "a zip archive", "unpack it first: unzip -p FILE | allsource import"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "decompress it first: zstd -dc FILE | allsource import"),
    (b"\xfd7zXZ\0", "compressed with xz", "decompress it first: xz -dc FILE | allsource import"),
    (b"BZh", "compressed with bzip2", "decompress it first: bzip2 -dc FILE | allsource import"),
];

const RECODE: &str = "recode it first: iconv -f UTF-16 -t UTF-8 FILE | allsource import";

const RETURNS: &str = r"convert the ends of the lines first: tr '\r' '\n' < FILE | allsource import";

const CONVERT_ROWS: &str = r#"convert each row to one JSON object first, for example:
  python3 -c 'import csv, json, sys
for row in csv.DictReader(sys.stdin):
    print(json.dumps({"entity_id": row["COLUMN"], "event_type": "TYPE", "payload": row}))' < FILE | allsource import"#;

const CONVERT_LINES: &str = r#"convert each line to one JSON object first, for example:
  python3 -c 'import json, sys
for line in sys.stdin:
    print(json.dumps({"entity_id": line.split()[0], "event_type": "TYPE", "payload": {"line": line.strip()}}))' \
    < FILE | allsource import"#;

const CONVERT_ANYTHING: &str = r#"an event is one line, such as {"entity_id":"order-1","event_type":"order.placed","payload":{"items":2}}"#;

/// Whether the head decides the verdict, so that reading need not wait for more.
pub(super) fn is_enough(head: &[u8]) -> bool {
    let has_event = complete_lines(head).next().is_some_and(is_object);
    has_event || (head.len() >= 300 && complete_lines(head).count() >= 20)
}

/// The kind of a file that begins with `head`.
pub(super) fn recognise(head: &[u8]) -> Verdict {
    let foreign = |what, advice| Verdict::Foreign { what, advice };
    if let Some((_, what, advice)) = DECOMPRESS.into_iter().find(|(magic, ..)| head.starts_with(magic)) {
        return foreign(what, advice);
    }
    if head.get(257..262) == Some(b"ustar") {
        return foreign("a tar archive", "unpack it first: tar -xOf FILE | allsource import");
    }
    let (even, odd) = zeros(head);
    let is_marked = head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff");
    if is_marked || ((even == 0) != (odd == 0) && even + odd > head.len() / 4) {
        return foreign("text in UTF-16", RECODE);
    }
    if even + odd > 0 {
        return foreign("binary data", CONVERT_ANYTHING);
    }
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    if ends_lines_with_returns(text) {
        return foreign("text whose lines end in a carriage return alone", RETURNS);
    }
    if let Some(rest) = text.strip_prefix(b"[")
        && matches!(rest.trim_ascii_start().first(), Some(b'{' | b'[' | b']'))
    {
        return foreign(
            "a JSON array",
            "convert each element to one line: jq -c '.[]' FILE | allsource import",
        );
    }
    if is_answer(text) {
        return foreign("a JSON object that holds events", "jq -c '.events[]' FILE | allsource import");
    }
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).collect();
    let lines: Vec<&[u8]> = lines.into_iter().filter(|line| !line.is_empty()).take(20).collect();
    match lines.as_slice() {
        [] => Verdict::Lines,
        _ if lines.iter().any(|line| is_object(line)) => Verdict::Lines,
        // A line may be longer than the bytes examined.
        [only] if only.starts_with(b"{") => Verdict::Lines,
        [first, ..] if first.starts_with(b"{") && is_cut_short(first) => foreign(
            "JSON spread over several lines",
            "convert each object to one line: jq -c . FILE | allsource import",
        ),
        [first, ..] if first.starts_with(b"{") => Verdict::Lines,
        [first, ..] if first.starts_with(b"<") => foreign("XML or HTML", CONVERT_ANYTHING),
        [first, ..] if is_access_log(first) => foreign("the log of a web server", CONVERT_LINES),
        [first, second, ..] if is_table(first, second) => {
            foreign("a table of separated values (CSV)", CONVERT_ROWS)
        }
        _ => foreign("something else", CONVERT_ANYTHING),
    }
}

fn complete_lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let lines = head.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
    lines.map(<[u8]>::trim_ascii).filter(|line| !line.is_empty())
}

/// The number of zero bytes at even and at odd offsets.
fn zeros(head: &[u8]) -> (usize, usize) {
    let zero = |start| head.iter().skip(start).step_by(2).filter(|byte| **byte == 0).count();
    (zero(0), zero(1))
}

/// Whether carriage returns alone part the lines. Between the tokens of one JSON text they are white space.
fn ends_lines_with_returns(text: &[u8]) -> bool {
    if text.contains(&b'\n') {
        return false;
    }
    let mut lines = text.split(|byte| *byte == b'\r').filter(|line| !line.trim_ascii().is_empty());
    let (first, has_more) = (lines.next().unwrap_or_default(), lines.next().is_some());
    let is_one_json_text = is_object(text) || (is_cut_short(text) && is_cut_short(first));
    has_more && !is_one_json_text
}

fn is_object(line: &[u8]) -> bool {
    line.starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(line).is_ok()
}

fn is_cut_short(line: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(line).is_err_and(|error| error.is_eof())
}

/// Whether the text looks like this server's answer to a query.
fn is_answer(text: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(rename = "events")]
        _events: Vec<IgnoredAny>,
    }
    let Some(rest) = text.strip_prefix(b"{") else { return false };
    let rest = rest.trim_ascii_start();
    rest.starts_with(b"\"events\"") || serde_json::from_slice::<Answer>(text).is_ok()
}

/// Whether a line looks like the access log of a web server.
fn is_access_log(line: &[u8]) -> bool {
    let text = String::from_utf8_lossy(line);
    text.contains("\" HTTP/") || text.contains(" HTTP/1.") || text.contains(" - - [")
}

/// Whether the second line has at least as many of a separator as the first.
fn is_table(first: &[u8], second: &[u8]) -> bool {
    let count = |line: &[u8], separator| line.iter().filter(|byte| **byte == separator).count();
    [b',', b';', b'\t', b'|'].into_iter().any(|separator| {
        let found = count(first, separator);
        found > 0 && count(second, separator) >= found
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_file_is_recognised_by_how_it_begins() {
        let check = |head: &[u8], expected: &str| match recognise(head) {
            Verdict::Foreign { what, .. } => assert!(what.contains(expected), "{what}, not {expected}"),
            Verdict::Lines => panic!("taken for lines, not for {expected}"),
        };
        let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        check(b"PK\x03\x04\x14\0", "zip");
        check(b"\x28\xb5\x2f\xfd\0", "zstd");
        check(b"BZh91AY", "bzip2");
        check(&[b"\xff\xfe".to_vec(), utf16("{\"a\":1}\n")].concat(), "UTF-16");
        check(&utf16("{\"entity_id\":\"a\"}\n"), "UTF-16");
        check(b"PAR1\0\x12\0\0\0\x01", "binary");
        check(b"[{\"a\":1},\n{\"a\":2}]\n", "array");
        check(b"\n [\n  {\n    \"a\": 1\n  }\n]\n", "array");
        check(b"{\n  \"entity_id\": \"a\",\n  \"payload\": {}\n}\n", "several lines");
        check(b"{ \"entity_id\":\n \"a\"}\n", "several lines");
        check(b"{\"events\":[{\"a\":1}],\"count\":1}\n", "holds events");
        check(b"{\"count\":1,\"events\":[{\"a\":1}]}\n", "holds events");
        check(b"id,type,when\n1,placed,2026-01-01\n", "CSV");
        check(b"id;type\n1;placed\n", "CSV");
        check(b"10.0.0.1 - - [01/Jan/2026:00:00:00 +0000] \"GET / HTTP/1.1\" 200 5\n", "web server");
        check(b"<?xml version=\"1.0\"?>\n", "XML");
        check(b"hello\nworld\n", "something else");
        check(b"{\"a\":1}\r{\"a\":2}\r", "carriage return");
        check(b"{\"a\":1}\r\r{\"a\":", "carriage return");
        check(b"id,type\r1,placed\r", "carriage return");
    }

    #[test]
    fn lines_with_some_that_are_no_events_are_still_lines() {
        let texts: [&[u8]; 11] = [
            b"",
            b"\n\n",
            b"\xef\xbb\xbf{\"a\":1}\n",
            b"# exported\n{\"a\":1}\n",
            b"{\"a\":\n{\"a\":1}\n",
            b"{\"entity_id\":\"a line without end",
            b"{\"a\":1,}\n{\"a\":2,}\n",
            b"{\"a\":1}\r\n{\"a\":2}\r\n",
            b"{\"a\":1}\r",
            b"{\r\"a\":1\r}",
            b"{\r\"entity_id\":\"a line without end",
        ];
        for text in texts {
            assert_eq!(recognise(text), Verdict::Lines, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn a_first_event_is_enough_so_that_nothing_waits_for_more() {
        assert!(is_enough(b"{\"a\":1}\n") && !is_enough(b"{\"a\":1}") && !is_enough(b"{\n \"a\":1\n}\n"));
    }
}
