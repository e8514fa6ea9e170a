//! Settings from a TOML file.

use std::path::Path;

use super::{ConfigError, Settings};

/// Keys less similar than this are not suggested as a correction.
const LEAST_SIMILARITY: f64 = 0.6;

pub(super) fn read(path: &Path) -> Result<Settings, ConfigError> {
    #[expect(clippy::disallowed_methods, reason = "a configuration file is not part of a store")]
    let bytes =
        std::fs::read(path).map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
    let problem = |problem: String| ConfigError::File { path: path.to_owned(), problem };
    let text = String::from_utf8(bytes).map_err(|_| problem("is not UTF-8 text".to_owned()))?;
    parse(&text).map_err(problem)
}

/// Parses settings from TOML text; an unknown key is an error that suggests the most similar known one.
pub(super) fn parse(text: &str) -> Result<Settings, String> {
    let table: toml::Table = toml::from_str(text).map_err(|error| error.to_string())?;
    if let Some(key) = table.keys().find(|key| !keys().any(|known| known == *key)) {
        return Err(unknown(key));
    }
    toml::from_str(text).map_err(|error| error.to_string())
}

/// The keys that a file may have: a file cannot name another file.
fn keys() -> impl Iterator<Item = &'static str> {
    Settings::NAMES.iter().copied().filter(|name| *name != "config")
}

fn unknown(key: &str) -> String {
    let written = key.replace('-', "_").to_lowercase();
    let similarity = |name: &str| strsim::jaro_winkler(name, &written);
    let nearest = keys().max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
    match nearest.filter(|name| similarity(name) >= LEAST_SIMILARITY) {
        Some(name) => format!("unknown key {key:?}; did you mean {name:?}?"),
        None => format!("unknown key {key:?}; the keys are {}", keys().collect::<Vec<_>>().join(", ")),
    }
}
