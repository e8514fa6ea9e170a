//! One spelling for every text of a JSON value, so that values can be compared as bytes.

use std::ops::Range;

use super::flaws::Flaws;
use super::names::canonical_name;
use super::tokens::{Shape, Token, Tokens};

/// Text nested deeper than this is compared byte for byte, because writing canonical text recurses.
const DEPTH_MAX: usize = 128;
/// A number whose exponent has more digits than this is compared byte for byte.
const EXPONENT_DIGITS_MAX: usize = 30;

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
    let magnitude = exponent.trim_start_matches(['+', '-']).trim_start_matches('0');
    let parsed = (magnitude.len() <= EXPONENT_DIGITS_MAX).then(|| exponent.parse::<i128>().ok()).flatten();
    let Some(exponent) = parsed else {
        out.extend_from_slice(number.as_bytes());
        return;
    };
    let exponent = exponent + trailing as i128 - fraction.len() as i128;
    out.extend_from_slice(format!("{sign}{stripped}e{exponent}").as_bytes());
}
