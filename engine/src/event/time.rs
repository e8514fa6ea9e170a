//! A moment, in microseconds.

use std::fmt;
use std::str::FromStr;

use allsource_format::limits::{TIMESTAMP_MAX, TIMESTAMP_MIN};
use chrono::{DateTime, SecondsFormat, Utc};

/// A moment between the years 1 and 9999, in whole microseconds since 1970-01-01T00:00:00Z.
///
/// ```
/// use allsource_engine::event::Timestamp;
/// let t: Timestamp = "2011-10-10T02:00:00+02:00".parse()?;
/// assert_eq!(t.to_string(), "2011-10-10T00:00:00Z");
/// # Ok::<(), chrono::ParseError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest moment.
    pub const MIN: Self = Self(TIMESTAMP_MIN);
    /// The latest moment.
    pub const MAX: Self = Self(TIMESTAMP_MAX);

    /// The moment so many microseconds after 1970-01-01T00:00:00Z, or the nearest that can be written.
    pub fn from_micros(micros: i64) -> Self {
        Self(micros.clamp(TIMESTAMP_MIN, TIMESTAMP_MAX))
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub fn micros(self) -> i64 {
        self.0
    }

    /// The same moment for chrono.
    pub fn to_datetime(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or_default()
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self::from_micros(time.timestamp_micros())
    }
}

impl FromStr for Timestamp {
    type Err = chrono::ParseError;

    /// Reads RFC 3339; digits below a microsecond are cut off.
    fn from_str(text: &str) -> Result<Self, chrono::ParseError> {
        DateTime::parse_from_rfc3339(text).map(|t| t.to_utc().into())
    }
}

impl fmt::Display for Timestamp {
    /// Writes RFC 3339 in UTC with 0, 3 or 6 fractional digits, as needed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_datetime().to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}
