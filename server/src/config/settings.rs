//! Every setting of the server, named once: as a flag, as an environment variable, and as a key of the TOML file.

use std::path::PathBuf;

use clap::{Arg, Args};
use serde::Deserialize;

use super::ConfigError;
use super::choices::{DurabilityName, LogFormat, ReadModeName};
use super::variable::{FromVariable, LookUp, variable_of};

/// Makes of a list of settings all that is done with each of them, so that a new one is named here alone.
macro_rules! settings {
    ($($(#[$attribute:meta])* $name:ident: $kind:ty,)*) => {
        /// What one source says; `None` where it says nothing.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Args, Deserialize)]
        #[command(mut_args(with_variable))]
        #[serde(default, deny_unknown_fields)]
        pub struct Settings {
            $($(#[$attribute])* pub $name: Option<$kind>,)*
        }

        impl Settings {
            /// The name of every setting.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),*];

            /// These settings, and those of `weaker` where these say nothing.
            #[must_use]
            pub fn or(self, weaker: Self) -> Self {
                Self { $($name: self.$name.or(weaker.$name)),* }
            }

            /// Reads every setting from the variable of its name, if that is set.
            pub(super) fn from_variables(look_up: LookUp<'_>) -> Result<Self, ConfigError> {
                Ok(Self { $($name: <$kind>::read(look_up, &variable_of(stringify!($name)))?),* })
            }
        }
    };
}

settings! {
    /// Address to listen on [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    listen: String,
    /// Folder of the store; created if it does not exist [default: data]
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// TOML file with any of these settings, written with _ for -
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    config: PathBuf,
    /// What an acknowledgement is worth [default: sync]
    #[arg(long, value_name = "WHEN")]
    durability: DurabilityName,
    /// Longest time between syncs with durability interval [default: 10]
    #[arg(long, value_name = "MS")]
    sync_interval_ms: u64,
    /// Length of a new store's journal files [default: 67108864]
    #[arg(long, value_name = "BYTES")]
    journal_file_bytes: u64,
    /// Partitions of a new store, a power of two [default: 32]
    #[arg(long, value_name = "N")]
    partitions: u32,
    /// Most bytes of appends that may wait to be written [default: 67108864]
    #[arg(long, value_name = "BYTES")]
    queue_bytes: usize,
    /// Seal the events in memory once they take about this many bytes [default: 134217728]
    #[arg(long, value_name = "BYTES")]
    seal_bytes: u64,
    /// How sealed files are read [default: mmap]
    #[arg(long, value_name = "HOW")]
    read_mode: ReadModeName,
    /// Take a snapshot of an entity after this many events; 0: only on request [default: 100]
    #[arg(long, value_name = "N")]
    snapshot_events: u64,
    /// Sealed bytes to check again each second; 0: none [default: 4194304]
    #[arg(long, value_name = "BYTES")]
    scrub_bytes_per_second: u64,
    /// Most bytes that requests and answers may hold in memory together [default: 268435456]
    #[arg(long, value_name = "BYTES")]
    memory_bytes: u64,
    /// Answer with the history of a state unless a request says history=false
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    state_history: bool,
    /// How log lines are written [default: text]
    #[arg(long, value_name = "FORMAT")]
    log_format: LogFormat,
    /// Which log lines are written: error, warn, info, debug or trace [default: info]
    #[arg(long, value_name = "LEVEL")]
    log_level: String,
    /// Serve other machines though nothing protects the server
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    insecure: bool,
    /// Serve other machines: something that authenticates stands before the server
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    behind_proxy: bool,
}

/// Says in the help of a flag which variable sets it, too.
fn with_variable(flag: Arg) -> Arg {
    let name = flag.get_id().as_str();
    if !Settings::NAMES.contains(&name) {
        return flag;
    }
    let text = flag.get_help().map(ToString::to_string).unwrap_or_default();
    let text = format!("{text} [env: {}]", variable_of(name));
    flag.help(text)
}
