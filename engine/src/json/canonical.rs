//! One spelling for every text of a JSON value, so that values can be compared as bytes.

use std::ops::Range;

use super::flaws::Flaws;
use super::names::canonical_name;
use super::tokens::{Shape, Token, Tokens};

/// Text nested deeper than this is compared byte for byte, because writing canonical text recurses.
const DEPTH_MAX: usize = 128;
/// How many digits of an exponent are added to at once; far more than the digits of a payload can shift it by.
const EXPONENT_DIGITS: usize = 30;
const EXPONENT_UNIT: i128 = 10_i128.pow(EXPONENT_DIGITS as u32);

/// Whether two texts have the same JSON value. Members may come in any order, but an object that names a member twice
/// equals only the same bytes. Numbers are compared by exact value, whatever their length, with -0 equal to 0; strings
/// by their characters.
///
/// ```
/// use allsource_engine::json::is_same_value;
/// assert!(is_same_value(r#"{"a":1,"b":[10e-1]}"#, r#"{ "b": [1.0], "a": 1 }"#));
/// assert!(!is_same_value("100000000000000000000000000001", "100000000000000000000000000002"));
/// ```
pub fn is_same_value(one: &str, other: &str) -> bool {
    one == other || canonical(one) == canonical(other)
}

/// The canonical spelling of JSON text whose syntax was checked before. Texts of the same value have the same spelling,
/// see [`is_same_value`].
pub fn canonical(text: &str) -> Vec<u8> {
    let text = text.trim_ascii();
    if Flaws::of(text).depth > DEPTH_MAX {
        return text.as_bytes().to_vec();
    }
    let mut out = Vec::with_capacity(text.len());
    let mut writer = Writer { text, tokens: Tokens::of(text), out: &mut out };
    if let Some(first) = writer.tokens.next() {
        writer.value(first);
    }
    out
}

/// Where a member lies in the output.
struct Member {
    name: Range<usize>,
    end: usize,
}

struct Writer<'a, 'o> {
    text: &'a str,
    tokens: Tokens<'a>,
    out: &'o mut Vec<u8>,
}

impl<'a> Writer<'a, '_> {
    fn value(&mut self, first: Token<'a>) {
        match first {
            Token::Open(Shape::Object) => self.object(),
            Token::Open(Shape::Array) => self.array(),
            Token::String(raw) | Token::Name(raw) => self.string(raw),
            Token::Number(number) => write_number(number, self.out),
            Token::Word(word) => self.out.extend_from_slice(word.as_bytes()),
            Token::Close => {}
        }
    }

    fn string(&mut self, raw: &str) {
        self.out.push(b'"');
        self.out.extend_from_slice(canonical_name(raw).as_bytes());
        self.out.push(b'"');
    }

    fn array(&mut self) {
        self.out.push(b'[');
        while let Some(token) = self.tokens.next().filter(|token| *token != Token::Close) {
            self.value(token);
            self.out.push(b',');
        }
        self.out.push(b']');
    }

    fn object(&mut self) {
        let (start, text_start) = (self.out.len(), self.tokens.offset() - 1);
        self.out.push(b'{');
        let mut members = Vec::new();
        while let Some(Token::Name(raw)) = self.tokens.next() {
            let name = self.out.len();
            self.string(raw);
            let name = name..self.out.len();
            self.out.push(b':');
            if let Some(first) = self.tokens.next() {
                self.value(first);
            }
            self.out.push(b',');
            members.push(Member { name, end: self.out.len() });
        }
        self.sort(start, &members, text_start);
        self.out.push(b'}');
    }

    /// Sorts the members of the object that was written from `start` on by name.
    fn sort(&mut self, start: usize, members: &[Member], text_start: usize) {
        let name = |member: &Member| written(self.out, member.name.clone());
        assert!(members.is_sorted_by_key(|member| member.end), "members follow each other in the output");
        if members.is_sorted_by(|one, next| name(one) < name(next)) {
            return;
        }
        let mut sorted: Vec<&Member> = members.iter().collect();
        sorted.sort_by_key(|member| name(member));
        let is_each_once = sorted.is_sorted_by(|one, next| name(one) < name(next));
        let mut written = vec![b'{'];
        if is_each_once {
            let bytes = |member: &Member| self::written(self.out, member.name.start..member.end);
            sorted.iter().for_each(|member| written.extend_from_slice(bytes(member)));
            assert_eq!(written.len(), self.out.len() - start, "sorting moves every byte and adds none");
        } else {
            // Readers choose differently between two members of one name, so the value is what its bytes say.
            #[expect(
                clippy::expect_used,
                reason = "both ends lie beside a bracket or at the end of the text"
            )]
            let raw =
                self.text.get(text_start..self.tokens.offset()).expect("an object lies within its text");
            written.extend_from_slice(format!("={}:", raw.len()).as_bytes());
            written.extend_from_slice(raw.as_bytes());
        }
        self.out.truncate(start);
        self.out.append(&mut written);
    }
}

/// Bytes of the output, from where a member was written.
fn written(out: &[u8], range: Range<usize>) -> &[u8] {
    #[expect(clippy::expect_used, reason = "the range was noted while it was written")]
    out.get(range).expect("a member lies within the output")
}

/// Writes a number as its digits, without zeros at either end, and an exponent. The exponent is never expanded.
fn write_number(number: &str, out: &mut Vec<u8>) {
    let (sign, rest) = number.strip_prefix('-').map_or(("", number), |rest| ("-", rest));
    let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    let stripped = digits.trim_start_matches('0').trim_end_matches('0');
    if stripped.is_empty() {
        out.push(b'0');
        return;
    }
    let trailing = digits.len() - digits.trim_end_matches('0').len();
    match shifted(exponent, trailing as i128 - fraction.len() as i128) {
        Some(exponent) => out.extend_from_slice(format!("{sign}{stripped}e{exponent}").as_bytes()),
        // Not a number: the record is damaged.
        None => out.extend_from_slice(number.as_bytes()),
    }
}

/// An exponent of any length plus `by`, in decimal; `None` if it is not a whole number.
fn shifted(exponent: &str, by: i128) -> Option<String> {
    assert!(by.abs() < EXPONENT_UNIT, "a number has fewer digits than fit into memory");
    let is_negative = exponent.starts_with('-');
    let magnitude = exponent.strip_prefix(['+', '-']).unwrap_or(exponent).trim_start_matches('0');
    let Some(split) = magnitude.len().checked_sub(EXPONENT_DIGITS).filter(|split| *split > 0) else {
        return Some((exponent.parse::<i128>().ok()? + by).to_string());
    };
    let (high, low) = magnitude.split_at_checked(split)?;
    if !magnitude.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let low = low.parse::<i128>().ok()? + if is_negative { -by } else { by };
    let high = match low.div_euclid(EXPONENT_UNIT) {
        0 => high.to_owned(),
        carry => stepped(high, carry > 0),
    };
    let low = low.rem_euclid(EXPONENT_UNIT);
    let text = format!("{high}{low:0EXPONENT_DIGITS$}");
    Some(format!("{}{}", if is_negative { "-" } else { "" }, text.trim_start_matches('0')))
}

/// A decimal number of any length, above 0, plus 1 or minus 1.
fn stepped(number: &str, up: bool) -> String {
    let (full, empty) = if up { ('9', '0') } else { ('0', '9') };
    let rest = number.trim_end_matches(full);
    let carried = String::from_iter(std::iter::repeat_n(empty, number.len() - rest.len()));
    let mut rest = if rest.is_empty() { "0".to_owned() } else { rest.to_owned() };
    let digit = rest.pop().and_then(|digit| digit.to_digit(10));
    let stepped = digit.map(|digit| if up { digit + 1 } else { digit.saturating_sub(1) });
    rest.extend(stepped.and_then(|digit| char::from_digit(digit, 10)));
    rest + &carried
}
