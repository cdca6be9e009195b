//! Times in numbers: milliseconds and seconds since 1970.

use crate::tables::Settings;
use std::time::{SystemTime, UNIX_EPOCH};

/// The time of requests: the wall clock's, unless settings hold it still.
pub fn now_ms(settings: &Settings) -> i64 {
    settings.fixed_now_ms.unwrap_or_else(wall_ms)
}

pub fn wall_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

/// Whole seconds, or milliseconds, as what Lua and JSON reckon in; exact for every time that a clock shows.
#[allow(clippy::cast_precision_loss, reason = "milliseconds since 1970 have 13 digits, a float has 15")]
pub fn number(whole: i64) -> f64 {
    whole as f64
}

pub fn seconds_of_ms(ms: i64) -> f64 {
    number(ms) / 1000.0
}

/// A time as calendars and clocks show it.
pub struct Utc {
    pub year: i64,
    pub month: i64,
    pub day: i64,
    pub hour: i64,
    pub minute: i64,
    pub second: i64,
}

impl Utc {
    /// Of seconds since 1970.
    pub fn of(seconds: i64) -> Self {
        let (days, in_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        // Counting years from March of the year 0 puts the leap day last; 146 097 days are four centuries.
        let since = days + 719_468;
        let (era, of_era) = (since.div_euclid(146_097), since.rem_euclid(146_097));
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let place = (5 * of_year + 2) / 153;
        let (day, month) = (of_year - (153 * place + 2) / 5 + 1, if place < 10 { place + 3 } else { place - 9 });
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self { year, month, day, hour: in_day / 3600, minute: in_day / 60 % 60, second: in_day % 60 }
    }
}
