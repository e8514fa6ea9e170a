//! Every setting of the server, named once: as a flag, as an environment variable, and as a key of the TOML file.

use std::path::PathBuf;

use clap::{Arg, Args};
use serde::Deserialize;

use super::ConfigError;
use super::choices::{DurabilityName, LogFormat, ReadModeName};
use super::variable::{FromVariable, LookUp, variable_of};

/// Generates all code for a list of settings, so that a new setting is named only here.
macro_rules! settings {
    ($($(#[$attribute:meta])* $name:ident: $kind:ty,)*) => {
        /// The settings of one source; `None` where it has none.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Args, Deserialize)]
        #[command(mut_args(with_variable))]
        #[serde(default, deny_unknown_fields)]
        pub struct Settings {
            $($(#[$attribute])* pub $name: Option<$kind>,)*
        }

        impl Settings {
            /// The name of every setting.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),*];

            /// These settings, with those of `weaker` where these have none.
            #[must_use]
            pub fn or(self, weaker: Self) -> Self {
                Self { $($name: self.$name.or(weaker.$name)),* }
            }

            /// Reads every setting from its variable, if the variable is set.
            pub(super) fn from_variables(look_up: LookUp<'_>) -> Result<Self, ConfigError> {
                Ok(Self { $($name: <$kind>::read(look_up, &variable_of(stringify!($name)))?),* })
            }
        }
    };
}

settings! {
    /// Address to listen on, or several with commas between them [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    listen: String,
    /// Folder of the store; created if it does not exist [default: data]
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// TOML file with any of these settings, written with _ for -
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    config: PathBuf,
    /// When an append is acknowledged [default: sync]
    #[arg(long, value_name = "WHEN")]
    durability: DurabilityName,
    /// Longest time between syncs, with durability interval [default: 10]
    #[arg(long, value_name = "MS", value_parser = u64::from_text)]
    sync_interval_ms: u64,
    /// Length of the journal files of a new store [default: 67108864]
    #[arg(long, value_name = "BYTES", value_parser = u64::from_text)]
    journal_file_bytes: u64,
    /// Number of partitions of a new store, a power of two [default: 32]
    #[arg(long, value_name = "N", value_parser = u32::from_text)]
    partitions: u32,
    /// Queue at most this many bytes of appends; refuse more [default: 67108864]
    #[arg(long, value_name = "BYTES", value_parser = usize::from_text)]
    queue_bytes: usize,
    /// Seal the events in memory once they hold about this many bytes [default: 134217728]
    #[arg(long, value_name = "BYTES", value_parser = u64::from_text)]
    seal_bytes: u64,
    /// How to read sealed files [default: mmap]
    #[arg(long, value_name = "HOW")]
    read_mode: ReadModeName,
    /// Take a snapshot of an entity every this many events; 0: only on request [default: 100]
    #[arg(long, value_name = "N", value_parser = u64::from_text)]
    snapshot_events: u64,
    /// Check this many sealed bytes for damage each second; 0: none [default: 4194304]
    #[arg(long, value_name = "BYTES", value_parser = u64::from_text)]
    scrub_bytes_per_second: u64,
    /// Limit on the memory that all requests and answers hold together [default: 268435456]
    #[arg(long, value_name = "BYTES", value_parser = u64::from_text)]
    memory_bytes: u64,
    /// Include the history in a state unless the request says history=false
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    state_history: bool,
    /// Format of log lines [default: text]
    #[arg(long, value_name = "FORMAT")]
    log_format: LogFormat,
    /// Least severe log lines to write: error, warn, info, debug or trace [default: info]
    #[arg(long, value_name = "LEVEL")]
    log_level: String,
    /// Serve other machines although nothing protects the server
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    insecure: bool,
    /// Serve other machines: an authenticating proxy or a firewall protects the server
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    behind_proxy: bool,
}

/// Adds to the help of a flag the variable that also sets it.
fn with_variable(flag: Arg) -> Arg {
    let name = flag.get_id().as_str();
    if !Settings::NAMES.contains(&name) {
        return flag;
    }
    #[expect(clippy::expect_used, reason = "the macro turns the comment of every setting into its help")]
    let help = flag.get_help().expect("every setting has a help text");
    let text = format!("{help} [env: {}]", variable_of(name));
    flag.help(text)
}
