//! Why bytes are invalid.

/// Why bytes were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Fewer bytes than the structure needs.
    #[error("cut short: {need} bytes needed, {have} present")]
    Short {
        /// Bytes needed.
        need: usize,
        /// Bytes present.
        have: usize,
    },
    /// The structure does not begin with its magic number.
    #[error("no {0} begins here")]
    Magic(&'static str),
    /// The checksum does not match the bytes.
    #[error("checksum mismatch in {0}")]
    Checksum(&'static str),
    /// Written by a newer release that this one cannot read.
    #[error("format version {read} is needed to read this {what}; this release reads up to {known}")]
    Newer {
        /// The structure.
        what: &'static str,
        /// The version a reader must know.
        read: u16,
        /// The newest version this crate knows.
        known: u16,
    },
    /// Written by an old build that this release no longer reads.
    #[error(
        "this {what} has format version {read}, of a build before the first release; the oldest readable version is {oldest}"
    )]
    Older {
        /// The structure.
        what: &'static str,
        /// The version it states.
        read: u16,
        /// The oldest version this crate reads.
        oldest: u16,
    },
    /// A part of a kind that this build does not know.
    #[error("{what} is of kind {kind}, which this build cannot read")]
    Kind {
        /// The structure.
        what: &'static str,
        /// Its kind.
        kind: u16,
    },
    /// A length, count or number is outside its limits.
    #[error("{0} is out of range")]
    Range(&'static str),
    /// Entries are not in their required order.
    #[error("{0} is out of order")]
    Order(&'static str),
    /// A required part is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// Bits or bytes that must be zero are not.
    #[error("{0} must be zero")]
    Reserved(&'static str),
    /// The archive inside a record is inconsistent.
    #[error("the record's archive is malformed")]
    Archive,
    /// A field breaks its rules.
    #[error("{0} is malformed")]
    Field(&'static str),
    /// Derived data, such as an index, differs from what its source gives.
    #[error("{0} does not match the data it was built from")]
    Differs(&'static str),
}
