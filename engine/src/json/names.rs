//! The canonical spelling of strings and names. It also spells half a surrogate pair, which is no text.

use std::borrow::Cow;

use super::tokens::{Shape, Token, Tokens};

/// A piece of a string, without its quotes.
enum Piece<'a> {
    /// Characters without an escape.
    Plain(&'a str),
    /// An escaped character.
    Char(char),
    /// Half of a surrogate pair, without the other half.
    Half(u32),
}

/// The pieces of a string whose syntax was checked before.
struct Pieces<'a>(&'a str);

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let rest = self.0;
        let end = rest.find('\\').unwrap_or(rest.len());
        if end > 0 {
            let (plain, behind) = rest.split_at(end);
            self.0 = behind;
            return Some(Piece::Plain(plain));
        }
        let escape = rest.get(1..)?.chars().next()?;
        let behind = rest.get(1 + escape.len_utf8()..)?;
        self.0 = behind;
        let plain = match escape {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => return Some(self.unit()),
            other => other,
        };
        Some(Piece::Char(plain))
    }
}

impl<'a> Pieces<'a> {
    /// What the next four digits stand for, together with a second escape if both make a surrogate pair.
    fn unit(&mut self) -> Piece<'a> {
        // An escape without four digits occurs only in text that was not checked.
        let Some(unit) = self.digits() else { return Piece::Half(0xfffd) };
        if let Some(character) = char::from_u32(unit) {
            return Piece::Char(character);
        }
        assert!((0xd800..0xe000).contains(&unit), "only half a surrogate pair is no character by itself");
        match self.second_half().filter(|_| unit < 0xdc00) {
            Some((low, behind)) => {
                self.0 = behind;
                let code = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                #[expect(clippy::expect_used, reason = "two halves give a code from 0x10000 to 0x10ffff")]
                Piece::Char(char::from_u32(code).expect("two halves of a pair are a character"))
            }
            None => Piece::Half(unit),
        }
    }

    /// The second half of a pair, if one comes next, and what follows it.
    fn second_half(&self) -> Option<(u32, &'a str)> {
        let mut behind = Pieces(self.0.strip_prefix("\\u")?);
        let low = behind.digits().filter(|low| (0xdc00..0xe000).contains(low))?;
        Some((low, behind.0))
    }

    fn digits(&mut self) -> Option<u32> {
        let (digits, behind) = self.0.split_at_checked(4)?;
        let unit = u32::from_str_radix(digits, 16).ok()?;
        self.0 = behind;
        Some(unit)
    }
}

/// Whether a string, without its quotes, holds half a surrogate pair.
pub(super) fn has_half_pair(raw: &str) -> bool {
    raw.contains("\\u") && Pieces(raw).any(|piece| matches!(piece, Piece::Half(_)))
}

/// The canonical spelling of a string, without quotes: it escapes only what it must. Half a surrogate pair keeps its
/// escape, in lower case.
pub(crate) fn canonical_name(raw: &str) -> Cow<'_, str> {
    if !raw.contains('\\') {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    for piece in Pieces(raw) {
        match piece {
            Piece::Plain(plain) => out.push_str(plain),
            Piece::Half(unit) => out.push_str(&format!("\\u{unit:04x}")),
            Piece::Char('"') => out.push_str("\\\""),
            Piece::Char('\\') => out.push_str("\\\\"),
            Piece::Char('\u{8}') => out.push_str("\\b"),
            Piece::Char('\u{c}') => out.push_str("\\f"),
            Piece::Char('\n') => out.push_str("\\n"),
            Piece::Char('\r') => out.push_str("\\r"),
            Piece::Char('\t') => out.push_str("\\t"),
            Piece::Char(control) if control < ' ' => {
                out.push_str(&format!("\\u{:04x}", u32::from(control)));
            }
            Piece::Char(character) => out.push(character),
        }
    }
    Cow::Owned(out)
}

/// The name that a canonical spelling stands for. A name with half a surrogate pair is no text and stays as spelled.
pub(crate) fn decoded_name(canonical: &str) -> Cow<'_, str> {
    if !canonical.contains('\\') || has_half_pair(canonical) {
        return Cow::Borrowed(canonical);
    }
    let mut out = String::with_capacity(canonical.len());
    for piece in Pieces(canonical) {
        match piece {
            Piece::Plain(plain) => out.push_str(plain),
            Piece::Char(character) => out.push(character),
            Piece::Half(_) => unreachable!("a name with half a pair was returned above"),
        }
    }
    Cow::Owned(out)
}

/// The value of a member of an object, as text; if several members have the name, the last one's. `None`: there is no
/// such member, or the text is not that of an object.
///
/// ```
/// use allsource_engine::json::member;
/// assert_eq!(member(r#"{"\ud83d":1,"b":[2, 3]}"#, "b"), Some("[2, 3]"));
/// ```
pub fn member<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    let mut tokens = Tokens::of(object);
    if tokens.next() != Some(Token::Open(Shape::Object)) {
        return None;
    }
    let mut found = None;
    while let Some(Token::Name(raw)) = tokens.next() {
        let first = tokens.next()?;
        let value = tokens.value(first);
        let is_named = match raw.contains('\\') {
            false => raw == name,
            true => !has_half_pair(raw) && decoded_name(raw) == name,
        };
        if is_named {
            found = Some(value);
        }
    }
    found
}
