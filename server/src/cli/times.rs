//! Times on the command line.

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, SecondsFormat, TimeDelta, Utc};

use super::machine;

const EXPECTED: &str =
    "write a time like 2026-03-01T12:00:00Z, a day like 2026-03-01, or an age: 30s, 15m, 2h, 7d, 4w";

/// The earliest moment of a time: for a day, its beginning.
pub(super) fn from(text: &str) -> Result<String, String> {
    moment(text, machine::today(), Edge::First)
}

/// The latest moment of a time: for a day, its end.
pub(super) fn until(text: &str) -> Result<String, String> {
    moment(text, machine::today(), Edge::Last)
}

/// A moment, written in full.
pub(super) fn exact(text: &str) -> Result<DateTime<Utc>, String> {
    let moment = DateTime::parse_from_rfc3339(text.trim());
    moment.map(|moment| moment.to_utc()).map_err(|_| "write a time like 2026-03-01T12:00:00Z".to_owned())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edge {
    First,
    Last,
}

fn moment(text: &str, now: DateTime<Utc>, edge: Edge) -> Result<String, String> {
    let text = text.trim();
    if let Some(ago) = duration(text) {
        let moment = now.checked_sub_signed(ago).ok_or("that is before the year 1")?;
        return Ok(written(moment));
    }
    if let Ok(day) = text.parse::<NaiveDate>() {
        let day = match edge {
            Edge::First => day.and_time(chrono::NaiveTime::MIN).and_utc(),
            Edge::Last => {
                let next = day.checked_add_days(Days::new(1)).ok_or(EXPECTED)?;
                next.and_time(chrono::NaiveTime::MIN).and_utc() - TimeDelta::microseconds(1)
            }
        };
        return Ok(written(day));
    }
    for form in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"] {
        if let Ok(time) = NaiveDateTime::parse_from_str(text, form) {
            return Ok(written(time.and_utc()));
        }
    }
    match DateTime::parse_from_rfc3339(text) {
        // The server parses this form, and explains a refusal better.
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(EXPECTED.to_owned()),
    }
}

fn written(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// A number and a unit.
fn duration(text: &str) -> Option<TimeDelta> {
    let (at, unit) = text.char_indices().next_back()?;
    let number: i64 = text.get(..at)?.parse().ok().filter(|number| *number >= 0)?;
    match unit {
        's' => TimeDelta::try_seconds(number),
        'm' => TimeDelta::try_minutes(number),
        'h' => TimeDelta::try_hours(number),
        'd' => TimeDelta::try_days(number),
        'w' => TimeDelta::try_weeks(number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_understood_as_people_write_them() {
        let now = "2026-03-01T12:00:00Z".parse().unwrap();
        let check = |text: &str, first: &str, last: &str| {
            assert_eq!(moment(text, now, Edge::First).as_deref(), Ok(first), "{text}");
            assert_eq!(moment(text, now, Edge::Last).as_deref(), Ok(last), "{text}");
        };
        let same = |text, expected| check(text, expected, expected);
        check("2026-01-31", "2026-01-31T00:00:00.000000Z", "2026-01-31T23:59:59.999999Z");
        same("2h", "2026-03-01T10:00:00.000000Z");
        same("90m", "2026-03-01T10:30:00.000000Z");
        same("1d", "2026-02-28T12:00:00.000000Z");
        same("4w", "2026-02-01T12:00:00.000000Z");
        same("2026-01-31 08:30", "2026-01-31T08:30:00.000000Z");
        same("2026-01-31T08:30:15.5", "2026-01-31T08:30:15.500000Z");
        same("2026-01-31T08:30:00+01:00", "2026-01-31T08:30:00+01:00");
        for text in ["", "yesterday", "h", "-2h", "2y", "2026-13-01", "99999999999999w", "é"] {
            assert!(moment(text, now, Edge::First).is_err(), "{text}");
        }
    }
}
