//! Pages: an opaque cursor says where the next one begins, and up to which position the first one saw the log, so
//! that pages joined are what one read at that position would have given.

use allsource_engine::{Cursor as SeenCursor, Incarnation};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::http::params::{Params, invalid};
use crate::problem::Problem;

/// Parameters that may differ between the pages of one question.
const FREE: [&str; 3] = ["cursor", "limit", "offset"];
/// Under which questions are named.
const NAMESPACE: Uuid = Uuid::from_u128(0x51c1_7a3e_0d7c_4e55_9a36_6be2_7c11_f08d);
const CURSOR_BYTES: usize = 56;

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Highest position of the log that the question is about.
    pub(super) top: u64,
    /// The first position that is not looked at yet, in the order of the question.
    pub(super) next: u64,
    /// Events still to be passed over.
    pub(super) skip: u64,
}

impl Cursor {
    /// Its text form, for one question only; `seen` is the cursor of the store at its top.
    pub(super) fn to_text(self, seen: SeenCursor, question: Uuid) -> String {
        assert_eq!(seen.position, self.top, "a page says who wrote its last position");
        let mut bytes = Vec::with_capacity(CURSOR_BYTES);
        for number in [self.top, self.next, self.skip] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&seen.incarnation.unwrap_or(Incarnation::UNKNOWN).to_bytes());
        bytes.extend_from_slice(question.as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads the cursor among the parameters, if there is one; also the cursor of the store at its top, which the store
    /// must check.
    pub(super) fn among(params: &Params, question: Uuid) -> Result<Option<(Self, SeenCursor)>, Problem> {
        let Some(text) = params.text("cursor") else { return Ok(None) };
        if params.text("offset").is_some() {
            return Err(invalid("offset", "counts from the beginning; leave it out where there is a cursor"));
        }
        let foreign = || invalid("cursor", "is not one that this server gave");
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| foreign())?;
        let bytes: [u8; CURSOR_BYTES] = bytes.try_into().map_err(|_| foreign())?;
        let (numbers, ids) = bytes.split_at(24);
        let ([incarnation, asked], [top, next, skip]) = (ids.as_chunks::<16>().0, numbers.as_chunks::<8>().0)
        else {
            return Err(foreign());
        };
        if asked != question.as_bytes() {
            return Err(invalid("cursor", "belongs to a query with other parameters; only limit may change"));
        }
        let [top, next, skip] = [top, next, skip].map(|bytes| u64::from_le_bytes(*bytes));
        let incarnation = Some(Incarnation::from_bytes(*incarnation));
        Ok(Some((Self { top, next, skip }, SeenCursor { position: top, incarnation })))
    }
}

/// Names the question that the parameters ask of a tenant.
pub(super) fn question(params: &Params, tenant: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("{tenant} {}", params.fingerprint(&FREE)).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(query: &str) -> Params {
        Params::of(&format!("/?{query}").parse().unwrap(), &["cursor", "tag", "limit", "offset"]).unwrap()
    }

    #[test]
    fn a_cursor_comes_back_and_only_for_its_own_question() {
        let cursor = Cursor { top: 9, next: 4, skip: 1 };
        let incarnation = Some(Incarnation::from_bytes([3; 16]));
        let seen = SeenCursor { position: 9, incarnation };
        let text = cursor.to_text(seen, question(&params("tag=a&limit=5"), "default"));
        let again = params(&format!("limit=9&cursor={text}&tag=a"));
        assert_eq!(Cursor::among(&again, question(&again, "default")), Ok(Some((cursor, seen))));
        let refused = |query: String| {
            let params = params(&query);
            Cursor::among(&params, question(&params, "default")).unwrap_err().detail().to_owned()
        };
        assert!(refused(format!("tag=b&cursor={text}")).contains("other parameters"));
        assert!(refused(format!("tag=a&offset=1&cursor={text}")).contains("leave it out"));
        assert!(refused("cursor=abc".to_owned()).contains("not one that this server gave"));
        assert!(Cursor::among(&again, question(&again, "other")).is_err());
    }
}
