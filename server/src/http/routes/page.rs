//! Pages: an opaque cursor says where the next one begins, and up to which position the first one saw the log, so
//! that pages joined are what one read at that position would have given.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::http::params::{Params, invalid};
use crate::problem::Problem;

/// Parameters that may differ between the pages of one question.
const FREE: [&str; 3] = ["cursor", "limit", "offset"];
/// Under which questions are named.
const NAMESPACE: Uuid = Uuid::from_u128(0x51c1_7a3e_0d7c_4e55_9a36_6be2_7c11_f08d);
const CURSOR_BYTES: usize = 40;

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
    /// Its text form, for one question only.
    pub(super) fn to_text(self, question: Uuid) -> String {
        let mut bytes = Vec::with_capacity(CURSOR_BYTES);
        for number in [self.top, self.next, self.skip] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(question.as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads the cursor among the parameters, if there is one.
    pub(super) fn among(params: &Params, question: Uuid) -> Result<Option<Self>, Problem> {
        let Some(text) = params.text("cursor") else { return Ok(None) };
        if params.text("offset").is_some() {
            return Err(invalid("offset", "counts from the beginning; leave it out where there is a cursor"));
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
        let (numbers, tail) = bytes.as_chunks::<8>();
        let [top, next, skip, first, second] = numbers else {
            return Err(invalid("cursor", "is not one that this server gave"));
        };
        if !tail.is_empty() || [*first, *second].concat() != question.as_bytes() {
            return Err(invalid("cursor", "belongs to a query with other parameters; only limit may change"));
        }
        let [top, next, skip] = [top, next, skip].map(|bytes| u64::from_le_bytes(*bytes));
        Ok(Some(Self { top, next, skip }))
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
        let text = cursor.to_text(question(&params("tag=a&limit=5"), "default"));
        let again = params(&format!("limit=9&cursor={text}&tag=a"));
        assert_eq!(Cursor::among(&again, question(&again, "default")), Ok(Some(cursor)));
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
