//! A moment, in microseconds.

use std::fmt;
use std::str::FromStr;

use allsource_format::limits::{TIMESTAMP_MAX, TIMESTAMP_MIN};
use chrono::{DateTime, SecondsFormat, Timelike, Utc};

/// Nanoseconds of a second. Chrono counts on from here in a leap second.
const SECOND_NANOS: u32 = 1_000_000_000;

/// Text or a time does not stand for a [`Timestamp`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTime {
    /// It is not RFC 3339.
    #[error("must be RFC 3339, like 2026-01-31T12:00:00Z: {0}")]
    Syntax(chrono::ParseError),
    /// It lies outside the years 1 to 9999, its offset taken into account.
    #[error(
        "must be from 0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999999Z, its offset taken into account"
    )]
    OutOfRange,
    /// It is a leap second, which no count of microseconds can tell from the second after it.
    #[error("must not be a leap second (:60)")]
    LeapSecond,
}

/// A moment between the years 1 and 9999, in whole microseconds since 1970-01-01T00:00:00Z.
///
/// Its text always has six fractional digits, so texts sort as the moments do.
///
/// ```
/// use allsource_engine::event::Timestamp;
/// let t: Timestamp = "2011-10-10T02:00:00.1234567+02:00".parse()?;
/// assert_eq!(t.to_string(), "2011-10-10T00:00:00.123456Z");
/// # Ok::<(), allsource_engine::event::InvalidTime>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest moment.
    pub const MIN: Self = Self(TIMESTAMP_MIN);
    /// The latest moment.
    pub const MAX: Self = Self(TIMESTAMP_MAX);

    /// The moment this number of microseconds after 1970-01-01T00:00:00Z, or the nearest that can be written.
    pub fn from_micros(micros: i64) -> Self {
        Self(micros.clamp(TIMESTAMP_MIN, TIMESTAMP_MAX))
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The same moment for chrono.
    pub fn to_datetime(self) -> DateTime<Utc> {
        #[expect(clippy::expect_used, reason = "chrono knows more years than 1 to 9999")]
        DateTime::from_timestamp_micros(self.0).expect("a timestamp is a time of chrono's")
    }
}

impl TryFrom<DateTime<Utc>> for Timestamp {
    type Error = InvalidTime;

    /// The same moment; digits below a microsecond are cut off.
    fn try_from(time: DateTime<Utc>) -> Result<Self, InvalidTime> {
        if time.nanosecond() >= SECOND_NANOS {
            return Err(InvalidTime::LeapSecond);
        }
        let micros = time.timestamp_micros();
        match (TIMESTAMP_MIN..=TIMESTAMP_MAX).contains(&micros) {
            true => Ok(Self(micros)),
            false => Err(InvalidTime::OutOfRange),
        }
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTime;

    /// Reads RFC 3339; digits below a microsecond are cut off.
    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        DateTime::parse_from_rfc3339(text).map_err(InvalidTime::Syntax)?.to_utc().try_into()
    }
}

impl fmt::Display for Timestamp {
    /// Writes RFC 3339 in UTC with six fractional digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_datetime().to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Timestamp, InvalidTime> {
        text.parse()
    }

    /// Such times were moved to the nearest one that could be written, or to the next second.
    #[test]
    fn times_that_cannot_be_kept_are_refused_and_never_moved() {
        for text in ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "0000-06-01T00:00:00Z"] {
            assert_eq!(parse(text), Err(InvalidTime::OutOfRange), "{text}");
        }
        for text in ["2016-12-31T23:59:60Z", "2026-01-01T12:30:60.5+02:00"] {
            assert_eq!(parse(text), Err(InvalidTime::LeapSecond), "{text}");
        }
        for text in ["yesterday", "2026-02-30T00:00:00Z", "2026-01-01", "+12026-01-01T00:00:00Z"] {
            assert!(matches!(parse(text), Err(InvalidTime::Syntax(_))), "{text}");
        }
        let late = DateTime::<Utc>::MAX_UTC;
        assert_eq!(Timestamp::try_from(late), Err(InvalidTime::OutOfRange));
    }

    #[test]
    fn the_first_and_the_last_moment_are_times_whatever_their_offset() {
        assert_eq!(parse("0001-01-01T14:00:00+14:00"), Ok(Timestamp::MIN));
        assert_eq!(parse("9999-12-31T11:59:59.9999999-12:00"), Ok(Timestamp::MAX));
    }

    #[test]
    fn texts_of_times_sort_as_the_times_do() {
        let times = ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59.9Z", "2026-01-01T00:00:00.000001Z"];
        let times = times.map(|text| parse(text).unwrap());
        let texts = times.map(|time| time.to_string());
        assert!(
            times.is_sorted() && texts.is_sorted() && texts.iter().all(|text| text.len() == 27),
            "{texts:?}"
        );
        assert_eq!(texts[1], "1969-12-31T23:59:59.900000Z");
    }
}
