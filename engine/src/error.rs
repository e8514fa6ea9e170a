//! What can go wrong, by what the caller can do about it.

use std::io;
use std::path::PathBuf;

use allsource_format::FormatError;
use uuid::Uuid;

use crate::batch::ExpectedVersion;
use crate::event::{Entity, InvalidEvent};
use crate::position::{Position, Version};

/// Why an append was not accepted, or what is not known about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The entity is not at the expected version. Nothing was written: read it again, decide again.
    #[error(
        "version conflict on {entity}: expected {expected}, it is at {}{}",
        actual.map_or(0, Version::value),
        in_batch.map_or_else(String::new, |v| format!(", and would be at {v} after the events before it in the batch"))
    )]
    Conflict {
        /// The entity.
        entity: Entity,
        /// What the caller expected.
        expected: ExpectedVersion,
        /// Its durable version; `None`: it has no events.
        actual: Option<Version>,
        /// The version that earlier events of the same batch lead to, if there are any: it is the one that was compared.
        in_batch: Option<Version>,
    },
    /// An event of the batch breaks a rule for new events, and is not there already. Nothing was written.
    #[error("{problem}")]
    Invalid {
        /// The place of the event in the batch, from 0.
        index: usize,
        /// Which rule.
        problem: InvalidEvent,
    },
    /// An event of this id exists with other content. Nothing was written: the id is taken.
    #[error("event {id} exists already with other content, at position {position}")]
    Duplicate {
        /// The id.
        id: Uuid,
        /// Where the existing event is.
        position: Position,
        /// The entity it is about.
        entity: Entity,
        /// Its version.
        version: Version,
    },
    /// The ids of a batch belong to an earlier one with another number of events: [`crate::Batch::alone`]. Nothing was
    /// written.
    #[error(
        "event {id} of an earlier batch with another number of events exists already, at position {position}"
    )]
    OtherBatch {
        /// The id of an event of the earlier batch.
        id: Uuid,
        /// Where that event is.
        position: Position,
        /// The entity it is about.
        entity: Entity,
        /// Its version.
        version: Version,
    },
    /// An event of the same id was stored while the append waited, and has to be compared. Nothing was written: append
    /// again.
    #[error("an event of the id {id} was stored while the append waited; append again")]
    Overtaken {
        /// The id.
        id: Uuid,
    },
    /// The batch gives one id to two different events. Nothing was written: each needs its own.
    #[error("the batch gives the id {id} to two different events")]
    RepeatedId {
        /// The id.
        id: Uuid,
    },
    /// More than the store takes in one piece. Nothing was written: send less.
    #[error("{what} is {actual}, the limit is {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        actual: usize,
        /// The limit.
        limit: usize,
    },
    /// No events were given.
    #[error("a batch must hold at least one event")]
    Empty,
    /// Too much is waiting to be written. Nothing was written: try again later.
    #[error("too many appends are waiting; try again")]
    Overloaded,
    /// The disk has no room for it. Nothing was written; it works again once there is room.
    #[error("the disk is full; appends are refused until there is room")]
    StorageFull,
    /// Something else that passes keeps it from being written, for this reason. Nothing was written; the store tries
    /// again by itself: so may the caller.
    #[error("appends are refused for now: {0}")]
    Refusing(String),
    /// A write or sync failed before: this store takes no more events until it is opened again.
    #[error("the store no longer accepts appends: {0}")]
    Fenced(String),
    /// The outcome is unknown: it may have been written. Append with the same event ids to find out.
    #[error("the outcome is unknown, the append may have been written: {0}")]
    Unknown(String),
    /// Whether the append may be accepted cannot be told, because that lies in damaged data. Nothing was written.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// Whether the append may be accepted cannot be told, because that could not be read just now. Nothing was
    /// written: try again later.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// Another node owns the entity's partition. A store on a single node never says so.
    #[error("another node owns partition {partition}")]
    NotOwner {
        /// The partition.
        partition: u32,
    },
}

/// Damage found in stored data: never served, never skipped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file} is damaged at offset {offset}: {problem}")]
pub struct Damage {
    /// The file, relative to the store's folder.
    pub file: String,
    /// Offset of the damage in bytes.
    pub offset: u64,
    /// What is wrong, and what is lost by it as far as that is known.
    pub problem: String,
}

impl Damage {
    pub(crate) fn new(file: impl Into<String>, offset: u64, problem: impl ToString) -> Self {
        Self { file: file.into(), offset, problem: problem.to_string() }
    }
}

/// Stored data that the system could not read just now: it ran out of descriptors, mappings or memory, or the device
/// failed. Nothing says that the data is damaged; the next request tries again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file} cannot be read now: {operation}: {error}")]
pub struct Unavailable {
    /// The operation that failed.
    pub operation: &'static str,
    /// The file, relative to the store's folder.
    pub file: String,
    /// The system's own words.
    pub error: String,
}

/// Why a read could not be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The requested data is damaged.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The requested data cannot be read now; try again later.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl ReadError {
    pub(crate) fn damaged(file: impl Into<String>, offset: u64, problem: impl ToString) -> Self {
        Self::Damaged(Damage::new(file, offset, problem))
    }

    /// What an error of the system says about a file that the manifest names: only an absent file, and one that ends
    /// too early, are damaged.
    pub(crate) fn of_system(operation: &'static str, file: &str, offset: u64, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::damaged(file, offset, "the file is missing"),
            io::ErrorKind::UnexpectedEof => Self::damaged(file, offset, "the file ends before"),
            _ => Unavailable { operation, file: file.to_owned(), error: error.to_string() }.into(),
        }
    }

    /// The damage, if that is what it is.
    pub(crate) fn damage(&self) -> Option<&Damage> {
        match self {
            Self::Damaged(damage) => Some(damage),
            Self::Unavailable(_) => None,
        }
    }
}

impl From<ReadError> for AppendError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Damaged(damage) => Self::Damaged(damage),
            ReadError::Unavailable(unavailable) => Self::Unavailable(unavailable),
        }
    }
}

/// Why the state of an entity could not be folded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FoldError {
    /// Its events could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A fold did not meet every event of the entity: the store is wrong about what it holds. Run `verify`.
    #[error("the events found of {entity} do not fit its version: version {version} is missing")]
    MissingEvent {
        /// The entity.
        entity: Entity,
        /// Version of the first event that was not found.
        version: u64,
    },
    /// An event cannot be merged into the state of its entity.
    #[error("the event at position {position} cannot be folded: {problem}")]
    Unfoldable {
        /// Position of the event.
        position: Position,
        /// Why not.
        problem: String,
    },
}

/// Why what is in memory was not sealed. Nothing is lost, and the store goes on trying.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The attempt failed.
    #[error("sealing failed: {0}")]
    Failed(String),
    /// The store takes no more writes until it is opened again.
    #[error("the store is fenced: {0}")]
    Fenced(String),
    /// The store is being closed.
    #[error("the store is closed")]
    Closed,
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another engine in this one, has the store open.
    #[error("{} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// Acknowledged data is damaged. Nothing was changed; restore a backup or look with `verify`.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// Stored data cannot be read now; try again later.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// Written by a newer release.
    #[error("{file}: {problem}")]
    Newer {
        /// The file, relative to the store's folder.
        file: String,
        /// Which version is needed.
        problem: FormatError,
    },
    /// Written by a build that this release no longer reads, or with a part that this build cannot read.
    #[error("{file}: {problem}")]
    Unsupported {
        /// The file, relative to the store's folder.
        file: String,
        /// What cannot be read.
        problem: FormatError,
    },
    /// The folder holds something that is not a store.
    #[error("{} is not an AllSource store: {problem}", path.display())]
    NotAStore {
        /// The folder.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
    /// An option contradicts the store or its own limits.
    #[error("option {option}: {problem}")]
    Option {
        /// The option's name.
        option: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// The operating system refused.
    #[error("{operation}: {error}")]
    Io {
        /// What was being done to which file.
        operation: String,
        /// What the system said.
        error: io::Error,
    },
}

impl OpenError {
    pub(crate) fn io(operation: impl Into<String>, error: io::Error) -> Self {
        Self::Io { operation: operation.into(), error }
    }
}
