//! Settings from environment variables.

use std::path::PathBuf;

use clap::ValueEnum;

use super::{ConfigError, DEFAULT_LISTEN, Settings};

/// Reads `ALLSOURCE_*`. The older names `ALLSOURCE_HOST`, `ALLSOURCE_PORT` and `ALLSOURCE_DATA_DIR` count where
/// the newer ones are not set.
pub(super) fn read(variable: &dyn Fn(&str) -> Option<String>) -> Result<Settings, ConfigError> {
    let look_up = |name: &str| variable(name).filter(|value| !value.is_empty());
    let path = |name: &str| look_up(name).map(PathBuf::from);
    Ok(Settings {
        listen: look_up("ALLSOURCE_LISTEN").or_else(|| host_and_port(&look_up)),
        data: path("ALLSOURCE_DATA").or_else(|| path("ALLSOURCE_DATA_DIR")),
        config: path("ALLSOURCE_CONFIG"),
        durability: choice(&look_up, "ALLSOURCE_DURABILITY")?,
        sync_interval_ms: parsed(&look_up, "ALLSOURCE_SYNC_INTERVAL_MS")?,
        journal_file_bytes: parsed(&look_up, "ALLSOURCE_JOURNAL_FILE_BYTES")?,
        partitions: parsed(&look_up, "ALLSOURCE_PARTITIONS")?,
        queue_bytes: parsed(&look_up, "ALLSOURCE_QUEUE_BYTES")?,
        seal_bytes: parsed(&look_up, "ALLSOURCE_SEAL_BYTES")?,
        read_mode: choice(&look_up, "ALLSOURCE_READ_MODE")?,
        snapshot_events: parsed(&look_up, "ALLSOURCE_SNAPSHOT_EVENTS")?,
        scrub_bytes_per_second: parsed(&look_up, "ALLSOURCE_SCRUB_BYTES_PER_SECOND")?,
        state_history: parsed(&look_up, "ALLSOURCE_STATE_HISTORY")?,
        log_format: choice(&look_up, "ALLSOURCE_LOG_FORMAT")?,
        log_level: look_up("ALLSOURCE_LOG_LEVEL"),
        insecure: parsed(&look_up, "ALLSOURCE_INSECURE")?,
        behind_proxy: parsed(&look_up, "ALLSOURCE_BEHIND_PROXY")?,
    })
}

type LookUp<'a> = &'a dyn Fn(&str) -> Option<String>;

fn host_and_port(look_up: LookUp<'_>) -> Option<String> {
    let (host, port) = (look_up("ALLSOURCE_HOST"), look_up("ALLSOURCE_PORT"));
    if host.is_none() && port.is_none() {
        return None;
    }
    let (default_host, default_port) = DEFAULT_LISTEN.split_once(':').unwrap_or_default();
    let host = host.unwrap_or_else(|| default_host.to_owned());
    let port = port.unwrap_or_else(|| default_port.to_owned());
    let is_bare_v6 = host.contains(':') && !host.starts_with('[');
    Some(if is_bare_v6 { format!("[{host}]:{port}") } else { format!("{host}:{port}") })
}

fn parsed<T>(look_up: LookUp<'_>, name: &str) -> Result<Option<T>, ConfigError>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    let Some(text) = look_up(name) else { return Ok(None) };
    text.parse().map(Some).map_err(|error| ConfigError::value(format!("{name}={text}"), error))
}

fn choice<T: ValueEnum>(look_up: LookUp<'_>, name: &str) -> Result<Option<T>, ConfigError> {
    let Some(text) = look_up(name) else { return Ok(None) };
    let names = || {
        let names = T::value_variants().iter().filter_map(ValueEnum::to_possible_value);
        names.map(|value| value.get_name().to_owned()).collect::<Vec<_>>().join(", ")
    };
    let problem = |_| ConfigError::value(format!("{name}={text}"), format!("must be one of {}", names()));
    T::from_str(&text, false).map(Some).map_err(problem)
}
