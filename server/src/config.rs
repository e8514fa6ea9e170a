//! The server's configuration: flags override the environment, which overrides a TOML file.

mod choices;
mod variable;
mod settings;
mod environment;
mod file;
#[cfg(test)]
mod tests;

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use allsource_engine::{Durability, Options, ReadMode};

use crate::budget::{BYTES_DEFAULT, BYTES_MIN};

pub use choices::{DurabilityName, LogFormat, ReadModeName};
pub use settings::Settings;

/// The default address to listen on.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:8080";

/// The default folder of the store.
pub const DEFAULT_DATA: &str = "data";

const DEFAULT_SYNC_INTERVAL_MS: u64 = 10;

/// The configuration the server runs with: every setting has a value.
#[derive(Debug, Clone)]
pub struct Config {
    /// The addresses to listen on, at least one.
    pub listen: Vec<SocketAddr>,
    /// The folder of the store.
    pub data: PathBuf,
    /// How the store is opened.
    pub options: Options,
    /// The memory budget of requests and answers, in bytes.
    pub memory_bytes: u64,
    /// Whether a state includes its history by default.
    pub state_history: bool,
    /// The format of log lines.
    pub log_format: LogFormat,
    /// Which log lines to write: a level, or directives such as `info,allsource_server::http=debug`.
    pub log_level: String,
}

/// Why the configuration is not usable.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file could not be read.
    #[error("cannot read the configuration file {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: std::io::Error,
    },
    /// A file is not valid.
    #[error("configuration file {}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A setting has an invalid value.
    #[error("{setting}: {problem}")]
    Value {
        /// The setting, as it was given.
        setting: String,
        /// What is wrong.
        problem: String,
    },
    /// Other machines can reach the address, and no setting says that this is intended.
    #[error(
        "{0} can be reached from other machines, and this server does not authenticate clients. \
         Listen on 127.0.0.1, or say what protects the server: --behind-proxy (an authenticating \
         proxy or a firewall) or --insecure (nothing)"
    )]
    Exposed(SocketAddr),
}

impl ConfigError {
    fn value(setting: impl Into<String>, problem: impl ToString) -> Self {
        Self::Value { setting: setting.into(), problem: problem.to_string() }
    }
}

impl Config {
    /// Merges `flags`, the environment that `variable` reads, and the configuration file if either names one.
    ///
    /// # Errors
    /// When a source cannot be read, has an unknown or invalid setting, or exposes the server without saying so.
    pub fn resolve(flags: Settings, variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut settings = flags.or(environment::read(variable)?);
        if let Some(path) = settings.config.take() {
            settings = settings.or(file::read(&path)?);
        }
        Self::from_settings(settings)
    }

    fn from_settings(settings: Settings) -> Result<Self, ConfigError> {
        let listen = settings.listen.as_deref().unwrap_or(DEFAULT_LISTEN).split(',').map(str::trim);
        let listen = listen.map(address).collect::<Result<Vec<_>, _>>()?;
        let is_exposure_meant = settings.insecure == Some(true) || settings.behind_proxy == Some(true);
        let exposed = listen.iter().find(|address| !address.ip().is_loopback());
        if let Some(exposed) = exposed.filter(|_| !is_exposure_meant) {
            return Err(ConfigError::Exposed(*exposed));
        }
        let (options, memory_bytes) = (options(&settings)?, memory_bytes(&settings)?);
        Ok(Self {
            listen,
            data: settings.data.unwrap_or_else(|| PathBuf::from(DEFAULT_DATA)),
            options,
            memory_bytes,
            state_history: settings.state_history.unwrap_or(false),
            log_format: settings.log_format.unwrap_or_default(),
            log_level: settings.log_level.unwrap_or_else(|| "info".to_owned()),
        })
    }
}

fn memory_bytes(settings: &Settings) -> Result<u64, ConfigError> {
    match settings.memory_bytes.unwrap_or(BYTES_DEFAULT) {
        bytes if bytes >= BYTES_MIN => Ok(bytes),
        _ => Err(ConfigError::value("memory_bytes", format!("must be at least {BYTES_MIN}"))),
    }
}

fn options(settings: &Settings) -> Result<Options, ConfigError> {
    let durability = settings.durability.unwrap_or_default();
    let interval_ms = settings.sync_interval_ms.unwrap_or(DEFAULT_SYNC_INTERVAL_MS);
    if settings.sync_interval_ms.is_some() && settings.durability.is_none() {
        let problem = "applies only with durability interval, and no durability is set";
        return Err(ConfigError::value("sync_interval_ms", problem));
    }
    if interval_ms == 0 {
        return Err(ConfigError::value("sync_interval_ms", "must be at least 1"));
    }
    if settings.seal_bytes == Some(0) {
        return Err(ConfigError::value("seal_bytes", "must be at least 1"));
    }
    let defaults = Options::default();
    Ok(Options {
        durability: match durability {
            DurabilityName::Sync => Durability::Sync,
            DurabilityName::Interval => Durability::Interval(Duration::from_millis(interval_ms)),
            DurabilityName::None => Durability::None,
        },
        partitions: settings.partitions.unwrap_or(defaults.partitions),
        journal_file_bytes: settings.journal_file_bytes.unwrap_or(defaults.journal_file_bytes),
        queue_bytes: settings.queue_bytes.unwrap_or(defaults.queue_bytes),
        seal_bytes: settings.seal_bytes.unwrap_or(defaults.seal_bytes),
        read_mode: match settings.read_mode.unwrap_or_default() {
            ReadModeName::Mmap => ReadMode::Map,
            ReadModeName::Pread => ReadMode::Read,
        },
        snapshot_events: settings.snapshot_events.unwrap_or(defaults.snapshot_events),
        scrub_bytes_per_second: settings.scrub_bytes_per_second.unwrap_or(defaults.scrub_bytes_per_second),
        ..defaults
    })
}

fn address(text: &str) -> Result<SocketAddr, ConfigError> {
    let problem = |error: std::io::Error| {
        ConfigError::value(
            format!("listen address {text:?}"),
            format!("{error}; write it like {DEFAULT_LISTEN}"),
        )
    };
    let mut addresses = text.to_socket_addrs().map_err(problem)?;
    addresses.next().ok_or_else(|| ConfigError::value(format!("listen address {text:?}"), "has no address"))
}
