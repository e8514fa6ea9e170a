//! Errors, grouped by what the caller can do about them.

use std::io;
use std::path::PathBuf;

use allsource_format::FormatError;
use uuid::Uuid;

use crate::batch::ExpectedVersion;
use crate::event::{Entity, InvalidEvent};
use crate::position::{Position, Version};

/// Why an append was refused, or why its outcome is unknown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The entity is not at the expected version. Nothing was written: read it and decide again.
    #[error(
        "version conflict on {entity}: expected {expected}, but it is at {}{}",
        actual.map_or(0, Version::value),
        in_batch.map_or_else(String::new, |v| format!(" and would be at {v} after the earlier events of the batch"))
    )]
    Conflict {
        /// The entity.
        entity: Entity,
        /// What the caller expected.
        expected: ExpectedVersion,
        /// Its durable version; `None`: it has no events.
        actual: Option<Version>,
        /// The version after the earlier events of the same batch, if there are any; the expectation was compared with it.
        in_batch: Option<Version>,
    },
    /// An event of the batch breaks a rule for new events and is not stored already. Nothing was written.
    #[error("{problem}")]
    Invalid {
        /// The index of the event in the batch, from 0.
        index: usize,
        /// The rule.
        problem: InvalidEvent,
    },
    /// Another event has this id. Nothing was written.
    #[error("event {id} exists already with other content, at position {position}")]
    Duplicate {
        /// The id.
        id: Uuid,
        /// The position of the existing event.
        position: Position,
        /// Its entity.
        entity: Entity,
        /// Its version.
        version: Version,
    },
    /// The ids belong to an earlier batch with another number of events, see [`crate::Batch::alone`]. Nothing was written.
    #[error(
        "event {id} exists already, at position {position}, in an earlier batch with another number of events"
    )]
    OtherBatch {
        /// The id of an event of the earlier batch.
        id: Uuid,
        /// Its position.
        position: Position,
        /// Its entity.
        entity: Entity,
        /// Its version.
        version: Version,
    },
    /// An event with the same id was stored while the append waited, and has yet to be compared with it. Nothing was
    /// written: append again.
    #[error("an event with the id {id} was stored while the append waited; append again")]
    Overtaken {
        /// The id.
        id: Uuid,
    },
    /// Two different events of the batch have the same id. Nothing was written.
    #[error("two different events of the batch have the id {id}")]
    RepeatedId {
        /// The id.
        id: Uuid,
    },
    /// The batch is larger than the store accepts. Nothing was written: send less.
    #[error("the {what} is {actual}; the limit is {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        actual: usize,
        /// The limit.
        limit: usize,
    },
    /// The batch holds no events.
    #[error("a batch must hold at least one event")]
    Empty,
    /// Too many bytes wait to be written. Nothing was written: try again later.
    #[error("too many appends are waiting; try again")]
    Overloaded,
    /// The disk has no room for the append. Nothing was written; appends work again once there is room.
    #[error("the disk is full; appends are refused until there is room")]
    StorageFull,
    /// The store cannot write for now, for this reason. Nothing was written; the store keeps trying by itself, and the
    /// caller may try again later.
    #[error("appends are refused for now: {0}")]
    Refusing(String),
    /// An earlier write or sync failed: the store takes no more events until it is opened again.
    #[error("the store no longer accepts appends: {0}")]
    Fenced(String),
    /// The outcome is unknown: the append may have been written. Append again with the same event ids to find out.
    #[error("the outcome is unknown; the append may have been written: {0}")]
    Unknown(String),
    /// The store cannot decide the append, because the data that it needs is damaged. Nothing was written.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The store cannot decide the append, because the data that it needs cannot be read now. Nothing was written: try
    /// again later.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// Another node owns the entity's partition. A store on a single node never returns this.
    #[error("another node owns partition {partition}")]
    NotOwner {
        /// The partition.
        partition: u32,
    },
}

/// Damage in stored data. Damaged data is never served and never skipped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file} is damaged at offset {offset}: {problem}")]
pub struct Damage {
    /// The file, relative to the store's folder.
    pub file: String,
    /// Offset of the damage in bytes.
    pub offset: u64,
    /// What is wrong, and what is lost if that is known.
    pub problem: String,
}

impl Damage {
    pub(crate) fn new(file: impl Into<String>, offset: u64, problem: impl ToString) -> Self {
        Self { file: file.into(), offset, problem: problem.to_string() }
    }
}

/// Stored data that could not be read now: the system ran out of descriptors, mappings or memory, or the device failed.
/// The data need not be damaged; the next request tries again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file} cannot be read now: {operation}: {error}")]
pub struct Unavailable {
    /// The operation that failed.
    pub operation: &'static str,
    /// The file, relative to the store's folder.
    pub file: String,
    /// The system's message.
    pub error: String,
}

/// Why a read failed.
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

    /// A system error on a file that the manifest names. Only a missing file, and one that ends too early, is damaged.
    pub(crate) fn of_system(operation: &'static str, file: &str, offset: u64, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::damaged(file, offset, "the file is missing"),
            io::ErrorKind::UnexpectedEof => Self::damaged(file, offset, "the file ends too early"),
            _ => Unavailable { operation, file: file.to_owned(), error: error.to_string() }.into(),
        }
    }

    /// The damage, if it is damage.
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

/// Why a fold failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FoldError {
    /// The events of the entity could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The read left out an event of the entity: the store contradicts itself. Run `verify`.
    #[error("the events of {entity} are incomplete: version {version} is missing")]
    MissingEvent {
        /// The entity.
        entity: Entity,
        /// Version of the first missing event.
        version: u64,
    },
    /// The caller had no room for the state, or has gone.
    #[error("the caller stopped the fold")]
    Stopped,
    /// An event cannot be merged into the state of its entity.
    #[error("the event at position {position} cannot be folded: {problem}")]
    Unfoldable {
        /// Position of the event.
        position: Position,
        /// Why not.
        problem: String,
    },
}

/// Why the tails were not sealed. Nothing is lost, and the store keeps trying.
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
    /// Acknowledged data is damaged. Nothing was changed: restore a backup, or run `verify`.
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
        /// The version needed.
        problem: FormatError,
    },
    /// Written by a build that this release no longer reads, or with a part that this release does not know.
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
        /// The operation and the file.
        operation: String,
        /// The system's error.
        error: io::Error,
    },
}

impl OpenError {
    pub(crate) fn io(operation: impl Into<String>, error: io::Error) -> Self {
        Self::Io { operation: operation.into(), error }
    }
}
