//! Flaws, equality of values, and the spelling of names.

use super::*;

fn flaw(text: &str) -> Option<(String, &'static str)> {
    Flaws::of(text).first.map(|flaw| (flaw.pointer, flaw.problem))
}

#[test]
fn half_pairs_in_names_and_values_are_found_with_their_pointer() {
    let half = "has text with half of a surrogate pair";
    let check = |text: &str, pointer: &str, problem: &str| {
        let found = flaw(text).unwrap();
        assert_eq!((found.0.as_str(), found.1), (pointer, problem), "{text}");
    };
    check(r#"{"a":[1,{"b/c":"\ud83d"}]}"#, "/a/1/b~1c", half);
    check(r#""\udc00""#, "", half);
    check(r#"["\ud83dx"]"#, "/0", half);
    check(r#"["\ud83d\ud83d\ude00"]"#, "/0", half);
    check(r#"[[],"\ud83d\\ude00"]"#, "/1", half);
    check(r#"{"x":{"\ud83d":1}}"#, r"/x/\ud83d", "has a name with half of a surrogate pair");
    for whole in [r#"{"\ud83d\ude00":"\uD83D\uDE00"}"#, r#""\\ud83d""#, r#""\u0000""#, "{}", "[]"] {
        assert_eq!(flaw(whole), None, "{whole}");
    }
}

#[test]
fn numbers_too_large_for_a_double_are_found_and_tiny_ones_pass() {
    let problem = "has a number too large for a double";
    for number in ["1e400", "-1E309", "1.8e308", &"9".repeat(400), "1e99999999999999999999"] {
        assert_eq!(flaw(&format!("{{\"a\":[0,{number}]}}")), Some(("/a/1".to_owned(), problem)), "{number}");
    }
    for number in ["1e-400", "1.7e308", "0e999", &"9".repeat(299), "123456789012345678901234567890"] {
        assert_eq!(flaw(&format!("[{number}]")), None, "{number}");
    }
}

#[test]
fn depth_counts_values_and_not_brackets_in_strings() {
    assert_eq!(Flaws::of(r#"{"a":["[[[","\"["]}"#).depth, 2);
    assert_eq!(Flaws::of("1").depth, 0);
}

#[test]
fn values_are_the_same_whatever_their_spelling() {
    for (one, other) in [
        ("1", "1.0"),
        ("1", "10e-1"),
        ("-0", "0"),
        ("0.0e7", "-0e-9"),
        ("100", "1E+2"),
        ("123456789012345678901234567890", "1.2345678901234567890123456789e29"),
        (r#"{"a":1,"b":{"d":[],"c":{}}}"#, r#" { "b" : {"c":{ },"d":[ ]}, "\u0061" : 1 } "#),
        (r#""größe""#, r#""gr\u00f6\u00dfe""#),
        (r#""\/\u0009""#, r#""/\t""#),
        (r#""\uD83D""#, r#""\ud83d""#),
    ] {
        assert!(is_same_value(one, other), "{one} {other}");
    }
    for (one, other) in [
        ("1", "\"1\""),
        ("1", "-1"),
        ("0.1", "0.10000000000000000000000000001"),
        ("9007199254740993", "9007199254740992"),
        ("[1,2]", "[2,1]"),
        ("[[1],2]", "[[1,2]]"),
        ("null", "false"),
        (r#"{"a":1}"#, r#"{"a":1,"b":1}"#),
        (r#"{"a":1,"a":2}"#, r#"{"a":2,"a":1}"#),
        (r#"{"a":1,"a":2}"#, r#"{"a":1, "a":2}"#),
        (r#"{"a":2}"#, r#"{"a":1,"a":2}"#),
        (r#"{"\\ud83d":1}"#, r#"{"\ud83d":1}"#),
        ("1e99999999999999999999", "1"),
    ] {
        assert!(!is_same_value(one, other), "{one} {other}");
    }
    let nested = |space: &str| format!("{}{space}1{}", "[".repeat(90), "]".repeat(90));
    assert!(is_same_value(&nested(""), &nested(" ")));
}

#[test]
fn an_exponent_is_never_expanded() {
    assert!(is_same_value("1e-1000000000000", "10e-1000000000001"));
    assert!(!is_same_value("1e-1000000000000", "1e-1000000000001"));
    assert!(canonical("1e-1000000000000").len() < 32);
}

#[test]
fn exponents_of_any_length_are_compared_by_value() {
    let zeros = "0".repeat(40);
    assert!(is_same_value(&format!("1e{zeros}1"), "10") && is_same_value(&format!("1e-{zeros}1"), "0.1"));
    let nines = "9".repeat(60);
    // The shift carries over all digits, and borrows from all of them.
    for sign in ["", "+", "-"] {
        let (more, less) = (format!("{sign}1{}", "0".repeat(60)), format!("{sign}{nines}"));
        let (up, down) = if sign == "-" { ("0.1", "10") } else { ("10", "0.1") };
        assert!(is_same_value(&format!("1e{more}"), &format!("{up}e{less}")), "{sign}");
        assert!(is_same_value(&format!("{down}e{more}"), &format!("1e{less}")), "{sign}");
        assert!(!is_same_value(&format!("1e{more}"), &format!("1e{less}")), "{sign}");
    }
    let (thirty, long) = ("9".repeat(30), format!("1{}", "0".repeat(30)));
    assert!(is_same_value(&format!("10e{thirty}"), &format!("1e{long}")));
    assert!(is_same_value(&format!("1e{thirty}"), &format!("0.1e{long}")));
    assert!(!is_same_value(&format!("1e-{long}"), &format!("1e{long}")));
    assert!(is_same_value(&format!("0e{nines}"), "0"), "zero has no exponent");
}

#[test]
fn a_member_is_found_beside_names_and_values_that_are_no_text() {
    let object = r#"{"\ud83d":"y","n":1e999,"a\u002fb":{"c": [1, "}"]},"n":2}"#;
    assert_eq!(member(object, "n"), Some("2"));
    assert_eq!(member(object, "a/b"), Some(r#"{"c": [1, "}"]}"#));
    assert_eq!(member(object, r"\ud83d"), None);
    assert_eq!(member("[1]", "n"), None);
    assert_eq!(member(r#"{"s":"x\"y"}"#, "s"), Some(r#""x\"y""#));
}

#[test]
fn two_names_never_share_a_canonical_spelling() {
    assert_eq!(canonical_name(r"a\u0062"), "ab");
    assert_eq!(canonical_name(r"\uD83D"), r"\ud83d");
    assert_eq!(canonical_name(r"\\ud83d"), r"\\ud83d");
    assert_eq!(decoded_name(r"\\ud83d"), r"\ud83d");
    assert_eq!(decoded_name(r"\ud83d"), r"\ud83d");
    for name in ["\u{1}\u{7f}\"\\\n\r\t\u{8}\u{c}/é", "plain"] {
        let quoted = serde_json::Value::from(name).to_string();
        let canonical = canonical_name(quoted.trim_matches('"')).into_owned();
        assert_eq!(quoted, format!("\"{canonical}\""));
        assert_eq!(decoded_name(&canonical), name);
    }
}

/// A damaged record may hold any text. The result means nothing, but there is one.
#[test]
fn text_that_is_not_json_never_panics() {
    let ends_early =
        ["", "{", "[[", "\"", "\"\\", "{\"a", "{\"a\":", "\\u", "\"\\u12", "é\"ab", "{\"a\":\"é\\é"];
    let is_odd = [
        "}]",
        "\"\\ué\"",
        "{1:2}",
        "]é\"\\ud83d",
        "[,\"\\ud83d\"",
        "{]\"\\ud83d\":[}\"\\udc00\"",
        "-é",
        "1e1234567890123456789012345678901234é567890",
        "1e-é234567890123456789012345678901234567890",
        "tré",
    ];
    for text in ends_early.into_iter().chain(is_odd) {
        let _: (Flaws, Vec<u8>, Option<&str>) = (Flaws::of(text), canonical(text), member(text, "a"));
    }
}
