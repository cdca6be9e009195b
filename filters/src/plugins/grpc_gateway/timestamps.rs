//! `google.protobuf.Timestamp`, which Kong takes and gives as a text of ISO 8601.

const DAY: i64 = 86_400;
/// Years 1 to 9999, as the type itself allows.
const FIRST: i64 = -62_135_596_800;
const LAST: i64 = 253_402_300_799;

/// To the second, without a zone; None outside of the years that the type has.
pub fn written(seconds: i64) -> Option<String> {
    if !(FIRST..=LAST).contains(&seconds) {
        return None;
    }
    let (year, month, day) = civil(seconds.div_euclid(DAY));
    let of_day = seconds.rem_euclid(DAY);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"))
}

/// Seconds and nanoseconds: a date, mostly a time behind `T` or a space, perhaps with a fraction, and perhaps a zone.
pub fn parsed(text: &[u8]) -> Option<(i64, u32)> {
    let text = std::str::from_utf8(text).ok()?.trim_ascii();
    let (date, time) = text.split_once(['T', 't', ' ']).unwrap_or((text, ""));
    let mut parts = date.split('-');
    let (year, month, day) = (digits(parts.next()?, 4)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    if parts.next().is_some() || !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    let (of_day, nanos) = if time.is_empty() { (0, 0) } else { time_of_day(time)? };
    let seconds = days_from_civil(year, month, day) * DAY + of_day;
    (FIRST..=LAST).contains(&seconds).then_some((seconds, nanos))
}

/// Seconds of the day in UTC, perhaps those of another day, and nanoseconds.
fn time_of_day(text: &str) -> Option<(i64, u32)> {
    let zone = text.find(['Z', 'z', '+', '-']).unwrap_or(text.len());
    let (clock, zone) = text.split_at(zone);
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut parts = whole.split(':');
    let (hour, minute) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let second = parts.next().map_or(Some(0), |second| digits(second, 2))?;
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some((hour * 3600 + minute * 60 + second - offset(zone)?, nanos(fraction)?))
}

fn nanos(fraction: &str) -> Option<u32> {
    let is_right = (1..=9).contains(&fraction.len()) && fraction.bytes().all(|digit| digit.is_ascii_digit());
    is_right.then(|| format!("{fraction:0<9}").parse().ok())?
}

/// Of `Z`, `+hh:mm`, `+hhmm` or `+hh`, in seconds.
fn offset(zone: &str) -> Option<i64> {
    let Some(sign) = zone.chars().next().filter(|sign| !matches!(sign, 'Z' | 'z')) else {
        return (zone.len() <= 1).then_some(0);
    };
    let text = zone[1..].replacen(':', "", 1);
    let (hours, minutes) = text.split_at_checked(2)?;
    let minutes = if minutes.is_empty() { 0 } else { digits(minutes, 2)? };
    let seconds = digits(hours, 2)? * 3600 + minutes * 60;
    Some(if sign == '-' { -seconds } else { seconds })
}

fn digits(text: &str, count: usize) -> Option<i64> {
    (text.len() == count && text.bytes().all(|digit| digit.is_ascii_digit())).then(|| text.parse().ok())?
}

fn days_in(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970 of a date, in the proleptic Gregorian calendar; years begin in March, so that a leap day is the last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some((0, 0))),
            ("2024-02-29T12:30:15", Some((1_709_209_815, 0))),
            ("2024-02-29 12:30:15.25+01:00", Some((1_709_206_215, 250_000_000))),
            ("1969-12-31", Some((-86_400, 0))),
            ("2023-02-29T00:00:00Z", None),
            ("2024-13-01T00:00:00Z", None),
            ("0000-01-01T00:00:00Z", None),
            ("2024-01-01T24:00:00Z", None),
            ("2024-01-01T00:00:00+1", None),
            ("2024-01-01T00:00:00.", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(parsed(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(written(1_709_209_815).as_deref(), Some("2024-02-29T12:30:15"));
        assert_eq!(written(-1).as_deref(), Some("1969-12-31T23:59:59"));
        assert_eq!(written(i64::MAX), None);
    }

    proptest! {
        #[test]
        fn every_second_can_be_read_back(seconds in FIRST..=LAST) {
            prop_assert_eq!(parsed(written(seconds).unwrap().as_bytes()), Some((seconds, 0)));
        }

        #[test]
        fn no_text_is_too_strange(text in ".*") {
            parsed(text.as_bytes());
        }
    }
}
