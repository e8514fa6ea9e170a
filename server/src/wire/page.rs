//! Pages: an opaque cursor says where the next one begins, and up to which position the first one saw the log, so
//! that pages joined are what one read at that position would have given.

use allsource_engine::{Cursor as SeenCursor, Incarnation};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use uuid::Uuid;

/// Under which questions are named.
const NAMESPACE: Uuid = Uuid::from_u128(0x51c1_7a3e_0d7c_4e55_9a36_6be2_7c11_f08d);
const CURSOR_BYTES: usize = 56;

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageCursor {
    /// Highest position of the log that the question is about.
    pub top: u64,
    /// The first position that is not looked at yet, in the order of the question.
    pub next: u64,
    /// Events still to be passed over.
    pub skip: u64,
}

impl PageCursor {
    /// Its text form, for one question only; `seen` is the cursor of the store at its top.
    pub fn to_text(self, seen: SeenCursor, question: Uuid) -> String {
        assert_eq!(seen.position, self.top, "a page says who wrote its last position");
        let mut bytes = Vec::with_capacity(CURSOR_BYTES);
        for number in [self.top, self.next, self.skip] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&seen.incarnation.unwrap_or(Incarnation::UNKNOWN).to_bytes());
        bytes.extend_from_slice(question.as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads the text form of a cursor for a question; also gives the cursor of the store at its top, which the store
    /// must check.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str, question: Uuid) -> Result<(Self, SeenCursor), &'static str> {
        let foreign = "is not one that this server gave";
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

/// Names a question of a tenant; equal text is the same question.
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
            assert!(refused(foreign, question("default", "tag=a")).contains("not one that this server gave"));
        }
    }
}
