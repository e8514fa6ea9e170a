//! Settings with a fixed set of values.

use clap::ValueEnum;
use serde::Deserialize;

/// When an append is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DurabilityName {
    /// Once it is synced to disk.
    #[default]
    Sync,
    /// Once it is written; a sync follows within the interval.
    Interval,
    /// Once it is written; synced when a journal file is full and at a clean stop: for throw-away data.
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

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}
