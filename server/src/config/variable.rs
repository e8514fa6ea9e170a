//! The environment variable of a setting, and the values it can hold.

use std::path::PathBuf;

use clap::ValueEnum;

use super::ConfigError;
use super::choices::{DurabilityName, LogFormat, ReadModeName};
use crate::numbers::within;

/// Finds the text of a variable that is set and not empty.
pub(super) type LookUp<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The variable of a setting.
pub(super) fn variable_of(name: &str) -> String {
    format!("ALLSOURCE_{}", name.to_uppercase())
}

/// A value that an environment variable can hold.
pub(super) trait FromVariable: Sized {
    /// Parses the text of a variable, or says what is wrong with it.
    fn from_text(text: &str) -> Result<Self, String>;

    /// The value of a variable, if the variable is set.
    fn read(look_up: LookUp<'_>, name: &str) -> Result<Option<Self>, ConfigError> {
        let Some(text) = look_up(name) else { return Ok(None) };
        let value = Self::from_text(&text);
        value.map(Some).map_err(|problem| ConfigError::value(format!("{name}={text}"), problem))
    }
}

macro_rules! parsed {
    ($($kind:ty),*) => {$(
        impl FromVariable for $kind {
            fn from_text(text: &str) -> Result<Self, String> {
                text.parse().map_err(|error| format!("{error}"))
            }
        }
    )*};
}

macro_rules! numbers {
    ($($kind:ty),*) => {$(
        impl FromVariable for $kind {
            fn from_text(text: &str) -> Result<Self, String> {
                within(0..=u64::try_from(<$kind>::MAX).unwrap_or(u64::MAX))(text)
            }
        }
    )*};
}

macro_rules! chosen {
    ($($kind:ty),*) => {$(
        impl FromVariable for $kind {
            fn from_text(text: &str) -> Result<Self, String> {
                Self::from_str(text, false).map_err(|_| format!("must be one of {}", names::<Self>()))
            }
        }
    )*};
}

parsed!(String, PathBuf);
numbers!(u32, u64, usize);
chosen!(DurabilityName, ReadModeName, LogFormat);

impl FromVariable for bool {
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "must be true or false".to_owned())
    }
}

fn names<T: ValueEnum>() -> String {
    let names = T::value_variants().iter().filter_map(ValueEnum::to_possible_value);
    names.map(|value| value.get_name().to_owned()).collect::<Vec<_>>().join(", ")
}
