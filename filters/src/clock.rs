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
