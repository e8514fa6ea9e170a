//! Pages: an opaque cursor holds where the next page begins and the end of the log when the first was read, so that
//! all pages together equal one read at that position.

use allsource_engine::{Cursor as SeenCursor, Incarnation};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Serialize;
use uuid::Uuid;

use super::reply::to_json;

/// The UUID namespace of questions.
const NAMESPACE: Uuid = Uuid::from_u128(0x51c1_7a3e_0d7c_4e55_9a36_6be2_7c11_f08d);
const CURSOR_BYTES: usize = 56;

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageCursor {
    /// The highest position that the question covers.
    pub top: u64,
    /// The first position not examined yet, in the order of the question.
    pub next: u64,
    /// Matching events still to skip.
    pub skip: u64,
}

impl PageCursor {
    /// The text form, valid for one question only; `seen` is the store's cursor at `top`.
    pub fn to_text(self, seen: SeenCursor, question: Uuid) -> String {
        assert_eq!(
            seen.position, self.top,
            "a page cursor names the incarnation that wrote its top position"
        );
        let mut bytes = Vec::with_capacity(CURSOR_BYTES);
        for number in [self.top, self.next, self.skip] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&seen.incarnation.unwrap_or(Incarnation::UNKNOWN).to_bytes());
        bytes.extend_from_slice(question.as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Parses the text form of a cursor for a question. Also returns the store's cursor at `top`, which the store must
    /// check.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str, question: Uuid) -> Result<(Self, SeenCursor), &'static str> {
        let foreign = "is not a cursor of this server";
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| foreign)?;
        let bytes: [u8; CURSOR_BYTES] = bytes.try_into().map_err(|_| foreign)?;
        let (numbers, ids) = bytes.split_at(24);
        let ([incarnation, asked], [top, next, skip]) = (ids.as_chunks::<16>().0, numbers.as_chunks::<8>().0)
        else {
            return Err(foreign);
        };
        if asked != question.as_bytes() {
            return Err("belongs to a query with other parameters; only limit may change");
        }
        let [top, next, skip] = [top, next, skip].map(|bytes| u64::from_le_bytes(*bytes));
        let incarnation = Some(Incarnation::from_bytes(*incarnation));
        Ok((Self { top, next, skip }, SeenCursor { position: top, incarnation }))
    }
}

/// What every list of events begins with.
pub const EVENTS_HEAD: &[u8] = b"{\"events\":[";

/// What follows the events of a page.
#[derive(Debug, Clone, Serialize)]
pub struct PageEnd {
    /// How many events the page has.
    pub count: usize,
    /// Whether there may be another page.
    pub has_more: bool,
    /// Set if the search ended before the page was full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partial: Option<bool>,
    /// Where the next page begins.
    pub next_cursor: Option<String>,
    /// The number of events on all pages, if an index knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_count: Option<u64>,
    /// The version of the requested entity, if one is requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity_version: Option<u64>,
}

/// What follows the events under a key.
#[derive(Debug, Clone, Serialize)]
pub struct KeyedEnd {
    /// The index at which the next answer begins.
    pub next_index: Option<u64>,
}

/// The text that ends a list of events and adds these members.
pub fn end_events(members: &impl Serialize) -> Vec<u8> {
    let members = to_json(members);
    #[expect(clippy::expect_used, reason = "the members are fields of a struct")]
    let members = members.strip_prefix(b"{").expect("members are those of an object");
    [b"],", members].concat()
}

/// The id of a tenant's question; equal texts are the same question.
pub fn question(tenant: &str, text: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("{tenant} {text}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_and_only_for_its_own_question() {
        let cursor = PageCursor { top: 9, next: 4, skip: 1 };
        let incarnation = Some(Incarnation::from_bytes([3; 16]));
        let seen = SeenCursor { position: 9, incarnation };
        let text = cursor.to_text(seen, question("default", "tag=a"));
        assert_eq!(PageCursor::parse(&text, question("default", "tag=a")), Ok((cursor, seen)));
        let refused = |text: &str, question: Uuid| PageCursor::parse(text, question).unwrap_err();
        assert!(refused(&text, question("default", "tag=b")).contains("other parameters"));
        assert!(refused(&text, question("other", "tag=a")).contains("other parameters"));
        for foreign in ["", "abc", "?", &text.repeat(2)] {
            assert!(refused(foreign, question("default", "tag=a")).contains("not a cursor of this server"));
        }
    }
}
