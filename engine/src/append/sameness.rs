//! Compares the values of an event with those of the stored event with the same id, if their bytes differ. This runs on
//! the caller's thread, so that the sequencer parses no payload.

use allsource_format::record::Record;
use xxhash_rust::xxh3::Xxh3Default;

use crate::json::canonical;

/// The result of comparing an event with the stored one of the same id.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verdict {
    /// Position of the stored one.
    pub(crate) position: u64,
    /// Whether both have the same values.
    pub(crate) is_same: bool,
}

/// Compares the values of a stored event and a new one with its id, which names `timestamp`. `None`: bytes or terms
/// already decide.
pub(super) fn compare(stored: &Record<'_>, new: &Record<'_>, timestamp: Option<i64>) -> Option<Verdict> {
    if stored.same_content(new, timestamp) || !stored.same_terms(new, timestamp) {
        return None;
    }
    Some(Verdict { position: stored.position(), is_same: canonical_of(stored) == canonical_of(new) })
}

/// Digest of the canonical payload and metadata.
pub(super) fn digest(record: &Record<'_>) -> u128 {
    let (payload, metadata) = canonical_of(record);
    let mut hasher = Xxh3Default::new();
    hasher.update(&(payload.len() as u64).to_le_bytes());
    hasher.update(&payload);
    hasher.update(&metadata);
    hasher.digest128()
}

/// Payload and metadata in canonical form.
fn canonical_of(record: &Record<'_>) -> (Vec<u8>, Vec<u8>) {
    let payload = match std::str::from_utf8(record.payload()) {
        Ok(text) if record.is_json() => canonical(text),
        _ => record.payload().to_vec(),
    };
    (payload, canonical(record.metadata()))
}
