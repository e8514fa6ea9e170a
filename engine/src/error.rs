//! What can go wrong, by what the caller can do about it.

use std::path::PathBuf;

use allsource_format::FormatError;
use uuid::Uuid;

use crate::batch::ExpectedVersion;
use crate::event::Entity;
use crate::position::{Position, Version};

/// Why an append was not accepted, or what is not known about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The entity is not at the expected version. Nothing was written: read it again, decide again.
    #[error("version conflict on {entity}: expected {expected}, it is at {}", actual.map_or(0, Version::value))]
    Conflict {
        /// The entity.
        entity: Entity,
        /// What the caller expected.
        expected: ExpectedVersion,
        /// Its version; `None`: it has no events.
        actual: Option<Version>,
    },
    /// An event of this id exists with other content. Nothing was written: the id is taken.
    #[error("event {id} exists already with other content, at position {position}")]
    Duplicate {
        /// The id.
        id: Uuid,
        /// Where the existing event is.
        position: Position,
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
    /// The disk has no room for the next journal file. Nothing was written; it works again once there is room.
    #[error("the disk is full; appends are refused until there is room")]
    StorageFull,
    /// A write or sync failed before: this store takes no more events until it is opened again.
    #[error("the store no longer accepts appends: {0}")]
    Fenced(String),
    /// The outcome is unknown: it may have been written. Append with the same event ids to find out.
    #[error("the outcome is unknown, the append may have been written: {0}")]
    Unknown(String),
    /// Whether the append may be accepted cannot be told, because that lies in damaged data. Nothing was written.
    #[error(transparent)]
    Damaged(#[from] Damage),
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

/// Why a read could not be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// What was asked for lies in damaged data.
    #[error(transparent)]
    Damaged(#[from] Damage),
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
    /// Written by a newer release.
    #[error("{file}: {problem}")]
    Newer {
        /// The file, relative to the store's folder.
        file: String,
        /// Which version is needed.
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
        error: std::io::Error,
    },
}

impl OpenError {
    pub(crate) fn io(operation: impl Into<String>, error: std::io::Error) -> Self {
        Self::Io { operation: operation.into(), error }
    }
}
