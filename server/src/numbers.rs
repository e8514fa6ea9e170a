//! Whole numbers that people write in options and variables, refused in plain words.

use std::ops::RangeInclusive;

/// Parses a whole number of this range.
pub fn within<T: TryFrom<u64>>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| expected(text, &range))
    }
}

/// Parses a whole number from 1.
pub fn from_one(text: &str) -> Result<u64, String> {
    within(1..=u64::MAX)(text)
}

/// Parses a whole number from 0.
pub fn from_zero(text: &str) -> Result<u64, String> {
    within(0..=u64::MAX)(text)
}

/// What a number of this range looks like; names the end of the range where that is what the text missed.
fn expected(text: &str, range: &RangeInclusive<u64>) -> String {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (first, last) = (range.start(), range.end());
    match *last == u64::MAX && !(is_number && text.parse::<u64>().is_err()) {
        true => format!("write a whole number from {first}"),
        false => format!("write a whole number from {first} to {last}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_outside_its_range_is_refused_with_the_range_in_plain_words() {
        assert_eq!(within::<u16>(1..=1000)("1000"), Ok(1000));
        assert_eq!((from_zero("0"), from_one("1")), (Ok(0), Ok(1)));
        for text in ["0", "1001", "many", "", "-1", "1.5", "99999999999999999999"] {
            let refused = within::<u16>(1..=1000)(text);
            assert_eq!(refused.unwrap_err(), "write a whole number from 1 to 1000", "{text}");
        }
        assert_eq!(from_one("0").unwrap_err(), "write a whole number from 1");
        assert_eq!(from_zero("x").unwrap_err(), "write a whole number from 0");
        let most = "write a whole number from 0 to 18446744073709551615";
        assert_eq!(from_zero("18446744073709551616").unwrap_err(), most);
    }
}
