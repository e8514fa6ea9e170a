//! Every setting of the server, once: as a flag, and under the same name as a key of the TOML file.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
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

/// What one source says; `None` where it says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Address to listen on [env: ALLSOURCE_LISTEN] [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// Folder of the store; made if it does not exist [env: ALLSOURCE_DATA] [default: data]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// TOML file with any of these settings, written with _ for - [env: ALLSOURCE_CONFIG]
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// What an acknowledgement is worth [env: ALLSOURCE_DURABILITY] [default: sync]
    #[arg(long, value_name = "WHEN")]
    pub durability: Option<DurabilityName>,
    /// Longest time between syncs with durability interval [env: ALLSOURCE_SYNC_INTERVAL_MS] [default: 10]
    #[arg(long, value_name = "MS")]
    pub sync_interval_ms: Option<u64>,
    /// Length of a new store's journal files [env: ALLSOURCE_JOURNAL_FILE_BYTES] [default: 67108864]
    #[arg(long, value_name = "BYTES")]
    pub journal_file_bytes: Option<u64>,
    /// Partitions of a new store, a power of two [env: ALLSOURCE_PARTITIONS] [default: 32]
    #[arg(long, value_name = "N")]
    pub partitions: Option<u32>,
    /// Most bytes of appends that may wait to be written [env: ALLSOURCE_QUEUE_BYTES] [default: 67108864]
    #[arg(long, value_name = "BYTES")]
    pub queue_bytes: Option<usize>,
    /// Events are sealed once they take about so much memory [env: ALLSOURCE_SEAL_BYTES] [default: 134217728]
    #[arg(long, value_name = "BYTES")]
    pub seal_bytes: Option<u64>,
    /// How sealed files are read [env: ALLSOURCE_READ_MODE] [default: mmap]
    #[arg(long, value_name = "HOW")]
    pub read_mode: Option<ReadModeName>,
    /// Events of an entity until its next snapshot; 0: none by itself [env: ALLSOURCE_SNAPSHOT_EVENTS] [default: 100]
    #[arg(long, value_name = "N")]
    pub snapshot_events: Option<u64>,
    /// Sealed bytes checked again in a second; 0: none [env: ALLSOURCE_SCRUB_BYTES_PER_SECOND] [default: 4194304]
    #[arg(long, value_name = "BYTES")]
    pub scrub_bytes_per_second: Option<u64>,
    /// Answer with the history of a state unless a request says history=false [env: ALLSOURCE_STATE_HISTORY]
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub state_history: Option<bool>,
    /// How log lines are written [env: ALLSOURCE_LOG_FORMAT] [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Which log lines are written: error, warn, info, debug or trace [env: ALLSOURCE_LOG_LEVEL] [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// Serve other machines though nothing protects the server [env: ALLSOURCE_INSECURE]
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub insecure: Option<bool>,
    /// Serve other machines: something that authenticates stands before the server [env: ALLSOURCE_BEHIND_PROXY]
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub behind_proxy: Option<bool>,
}

impl Settings {
    /// Every key of the TOML file.
    pub const KEYS: [&'static str; 16] = [
        "listen",
        "data",
        "durability",
        "sync_interval_ms",
        "journal_file_bytes",
        "partitions",
        "queue_bytes",
        "seal_bytes",
        "read_mode",
        "snapshot_events",
        "scrub_bytes_per_second",
        "state_history",
        "log_format",
        "log_level",
        "insecure",
        "behind_proxy",
    ];

    /// These settings, and those of `weaker` where these say nothing.
    #[must_use]
    pub fn or(self, weaker: Self) -> Self {
        Self {
            listen: self.listen.or(weaker.listen),
            data: self.data.or(weaker.data),
            config: self.config.or(weaker.config),
            durability: self.durability.or(weaker.durability),
            sync_interval_ms: self.sync_interval_ms.or(weaker.sync_interval_ms),
            journal_file_bytes: self.journal_file_bytes.or(weaker.journal_file_bytes),
            partitions: self.partitions.or(weaker.partitions),
            queue_bytes: self.queue_bytes.or(weaker.queue_bytes),
            seal_bytes: self.seal_bytes.or(weaker.seal_bytes),
            read_mode: self.read_mode.or(weaker.read_mode),
            snapshot_events: self.snapshot_events.or(weaker.snapshot_events),
            scrub_bytes_per_second: self.scrub_bytes_per_second.or(weaker.scrub_bytes_per_second),
            state_history: self.state_history.or(weaker.state_history),
            log_format: self.log_format.or(weaker.log_format),
            log_level: self.log_level.or(weaker.log_level),
            insecure: self.insecure.or(weaker.insecure),
            behind_proxy: self.behind_proxy.or(weaker.behind_proxy),
        }
    }
}
