//! Settings from environment variables.

use std::path::PathBuf;

use super::variable::LookUp;
use super::{ConfigError, DEFAULT_LISTEN, Settings};

/// Reads `ALLSOURCE_*`. The older names `ALLSOURCE_HOST`, `ALLSOURCE_PORT` and `ALLSOURCE_DATA_DIR` apply where the
/// newer ones are not set.
pub(super) fn read(variable: &dyn Fn(&str) -> Option<String>) -> Result<Settings, ConfigError> {
    let look_up = |name: &str| variable(name).filter(|value| !value.is_empty());
    let older = Settings {
        listen: host_and_port(&look_up),
        data: look_up("ALLSOURCE_DATA_DIR").map(PathBuf::from),
        ..Settings::default()
    };
    Ok(Settings::from_variables(&look_up)?.or(older))
}

fn host_and_port(look_up: LookUp<'_>) -> Option<String> {
    let (host, port) = (look_up("ALLSOURCE_HOST"), look_up("ALLSOURCE_PORT"));
    if host.is_none() && port.is_none() {
        return None;
    }
    #[expect(clippy::expect_used, reason = "the default address is a constant with a port")]
    let (default_host, default_port) = DEFAULT_LISTEN.split_once(':').expect("the default has a port");
    let host = host.unwrap_or_else(|| default_host.to_owned());
    let port = port.unwrap_or_else(|| default_port.to_owned());
    let is_bare_v6 = host.contains(':') && !host.starts_with('[');
    Some(if is_bare_v6 { format!("[{host}]:{port}") } else { format!("{host}:{port}") })
}
