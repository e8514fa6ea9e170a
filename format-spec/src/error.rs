//! What can be wrong with bytes.

/// Why bytes are not what they claim to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Fewer bytes than the structure needs.
    #[error("cut short: {need} bytes needed, {have} there")]
    Short {
        /// Bytes needed.
        need: usize,
        /// Bytes there.
        have: usize,
    },
    /// The structure does not begin with its magic number.
    #[error("no {0} begins here")]
    Magic(&'static str),
    /// The checksum does not match the bytes.
    #[error("checksum mismatch in {0}")]
    Checksum(&'static str),
    /// Written by a newer release: this one cannot read it.
    #[error("format version {read} is needed to read this {what}; this release reads up to {known}")]
    Newer {
        /// The structure.
        what: &'static str,
        /// The version a reader must know.
        read: u16,
        /// The newest version this crate knows.
        known: u16,
    },
    /// Written by a build that this release no longer reads.
    #[error(
        "this {what} has format version {read}, of a build before the first release; the oldest readable is {oldest}"
    )]
    Older {
        /// The structure.
        what: &'static str,
        /// The version it says.
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
    /// Things that must follow each other in an order do not.
    #[error("{0} is out of order")]
    Order(&'static str),
    /// Bits or bytes that must be zero are not.
    #[error("{0} must be zero")]
    Reserved(&'static str),
    /// The archive inside a record does not hold together.
    #[error("the record's archive is malformed")]
    Archive,
    /// A field breaks a rule of its own.
    #[error("{0} is malformed")]
    Field(&'static str),
    /// What was made of something else, as an index of its segments, is not what that gives.
    #[error("{0} does not match what it was made of")]
    Differs(&'static str),
}
