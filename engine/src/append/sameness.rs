//! Whether an event is the stored one of its id: decided here, in the caller's thread, wherever bytes do not say it.

use allsource_format::record::Record;
use xxhash_rust::xxh3::Xxh3Default;

use crate::json::canonical;

/// How an event compares with the stored one of its id.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verdict {
    /// Position of the stored one.
    pub(crate) position: u64,
    /// Whether both have the same values.
    pub(crate) is_same: bool,
}

/// Compares the values of a stored event and a new one of its id. `None`: bytes or terms decide already.
pub(super) fn compare(stored: &Record<'_>, new: &Record<'_>) -> Option<Verdict> {
    if stored.same_content(new) || !stored.same_terms(new) {
        return None;
    }
    Some(Verdict { position: stored.position(), is_same: canonical_of(stored) == canonical_of(new) })
}

/// Stands for the values of payload and metadata, however they are spelled.
pub(super) fn digest(record: &Record<'_>) -> u128 {
    let (payload, metadata) = canonical_of(record);
    let mut hasher = Xxh3Default::new();
    hasher.update(&(payload.len() as u64).to_le_bytes());
    hasher.update(&payload);
    hasher.update(&metadata);
    hasher.digest128()
}

/// Payload and metadata in the one spelling of their values.
fn canonical_of(record: &Record<'_>) -> (Vec<u8>, Vec<u8>) {
    let payload = match std::str::from_utf8(record.payload()) {
        Ok(text) if record.is_json() => canonical(text),
        _ => record.payload().to_vec(),
    };
    (payload, canonical(record.metadata()))
}
