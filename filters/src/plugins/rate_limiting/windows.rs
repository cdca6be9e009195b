//! Calendar windows in UTC: where the current second, minute, hour, day, month and year began.

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Period {
    Second,
    Minute,
    Hour,
    Day,
    Month,
    Year,
}

pub const PERIODS: [Period; 6] =
    [Period::Second, Period::Minute, Period::Hour, Period::Day, Period::Month, Period::Year];

const DAY_S: i64 = 86_400;

impl Period {
    pub const fn name(self) -> &'static str {
        ["second", "minute", "hour", "day", "month", "year"][self.index()]
    }

    pub const fn index(self) -> usize {
        self as usize
    }

    /// Kong's nominal length in seconds: a month has 30 days, a year 365 (kong.md §5.2.3).
    pub const fn length_s(self) -> i64 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
            Self::Day => DAY_S,
            Self::Month => 30 * DAY_S,
            Self::Year => 365 * DAY_S,
        }
    }

    /// Unix time in seconds at which the window holding `now_s` began.
    pub fn start_s(self, now_s: i64) -> i64 {
        match self {
            Self::Month | Self::Year => {
                let (year, month) = year_and_month(now_s.div_euclid(DAY_S));
                let month = if self == Self::Year { 1 } else { month };
                days_before(year, month) * DAY_S
            }
            fixed => now_s - now_s.rem_euclid(fixed.length_s()),
        }
    }

    /// Unix time in seconds at which the next window begins.
    pub fn end_s(self, start_s: i64) -> i64 {
        match self {
            Self::Month => self.start_s(start_s + 32 * DAY_S),
            Self::Year => self.start_s(start_s + 367 * DAY_S),
            fixed => start_s + fixed.length_s(),
        }
    }
}

/// Days from 1970-01-01 to the first day of a month of the proleptic Gregorian calendar.
fn days_before(year: i64, month: i64) -> i64 {
    // Counting years from March puts the leap day last, so that a month's offset is a linear formula.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + (153 * month + 2) / 5 - 719_468
}

fn year_and_month(day: i64) -> (i64, i64) {
    // The mean year is never off by more than one; step to the exact one.
    let mut year = 1970 + (day * 400).div_euclid(146_097);
    while days_before(year, 1) > day {
        year -= 1;
    }
    while days_before(year + 1, 1) <= day {
        year += 1;
    }
    let month = (1..=12).rev().find(|month| days_before(year, *month) <= day).unwrap_or(1);
    (year, month)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn starts_of_known_windows() {
        // 2024-02-29T13:14:15Z
        let now = 1_709_212_455;
        for (period, start, end) in [
            (Period::Second, 1_709_212_455, 1_709_212_456),
            (Period::Minute, 1_709_212_440, 1_709_212_500),
            (Period::Hour, 1_709_211_600, 1_709_215_200),
            (Period::Day, 1_709_164_800, 1_709_251_200),
            (Period::Month, 1_706_745_600, 1_709_251_200),
            (Period::Year, 1_704_067_200, 1_735_689_600),
        ] {
            assert_eq!(period.start_s(now), start, "{period:?}");
            assert_eq!(period.end_s(start), end, "{period:?}");
        }
    }

    #[test]
    fn edges_of_months() {
        for (now, start) in [(0, 0), (-1, -31 * DAY_S), (951_782_400, 949_363_200), (951_868_800, 951_868_800)] {
            assert_eq!(Period::Month.start_s(now), start, "{now}");
        }
    }

    proptest! {
        #[test]
        fn windows_hold_their_time_and_touch_the_next(now in -62_000_000_000i64..250_000_000_000, index in 0usize..6) {
            let period = PERIODS[index];
            let start = period.start_s(now);
            let end = period.end_s(start);
            prop_assert!(start <= now && now < end);
            prop_assert_eq!(period.start_s(start), start);
            prop_assert_eq!(period.start_s(end), end);
            prop_assert_eq!(period.start_s(end - 1), start);
        }
    }
}
