//! Settings from environment variables.

use std::path::PathBuf;

use clap::ValueEnum;

use super::settings::{DurabilityName, LogFormat, ReadModeName};
use super::{ConfigError, DEFAULT_LISTEN, Settings};

/// Finds the text of a variable that is set and not empty.
pub(super) type LookUp<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Reads `ALLSOURCE_*`. The older names `ALLSOURCE_HOST`, `ALLSOURCE_PORT` and `ALLSOURCE_DATA_DIR` count where
/// the newer ones are not set.
pub(super) fn read(variable: &dyn Fn(&str) -> Option<String>) -> Result<Settings, ConfigError> {
    let look_up = |name: &str| variable(name).filter(|value| !value.is_empty());
    let older = Settings {
        listen: host_and_port(&look_up),
        data: look_up("ALLSOURCE_DATA_DIR").map(PathBuf::from),
        ..Settings::default()
    };
    Ok(Settings::from_variables(&look_up)?.or(older))
}

/// The variable of a setting.
pub(super) fn variable_of(name: &str) -> String {
    format!("ALLSOURCE_{}", name.to_uppercase())
}

/// The value of a setting that a variable can hold.
pub(super) trait FromVariable: Sized {
    /// Understands the text of a variable, or says what is wrong with it.
    fn understand(text: &str) -> Result<Self, String>;

    /// The value of a variable, if it is set.
    fn read(look_up: LookUp<'_>, name: &str) -> Result<Option<Self>, ConfigError> {
        let Some(text) = look_up(name) else { return Ok(None) };
        let value = Self::understand(&text);
        value.map(Some).map_err(|problem| ConfigError::value(format!("{name}={text}"), problem))
    }
}

macro_rules! parsed {
    ($($kind:ty),*) => {$(
        impl FromVariable for $kind {
            fn understand(text: &str) -> Result<Self, String> {
                text.parse().map_err(|error| format!("{error}"))
            }
        }
    )*};
}

macro_rules! chosen {
    ($($kind:ty),*) => {$(
        impl FromVariable for $kind {
            fn understand(text: &str) -> Result<Self, String> {
                Self::from_str(text, false).map_err(|_| format!("must be one of {}", names::<Self>()))
            }
        }
    )*};
}

parsed!(String, PathBuf, bool, u32, u64, usize);
chosen!(DurabilityName, ReadModeName, LogFormat);

fn names<T: ValueEnum>() -> String {
    let names = T::value_variants().iter().filter_map(ValueEnum::to_possible_value);
    names.map(|value| value.get_name().to_owned()).collect::<Vec<_>>().join(", ")
}

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
