//! Settings that are one of a few words.

use clap::ValueEnum;
use serde::Deserialize;

/// What an acknowledgement is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DurabilityName {
    /// Acknowledged means on the disk.
    #[default]
    Sync,
    /// Acknowledged means written; a sync follows within the interval.
    Interval,
    /// Never synced: for throw-away data.
    None,
}

/// How sealed files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReadModeName {
    /// Mapped into memory.
    #[default]
    Mmap,
    /// With a system call for each read.
    Pread,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}
