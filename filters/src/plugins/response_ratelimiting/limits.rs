//! One named limit: its periods, its counters, the headers that tell of it.

use crate::error::ConfigError;
use crate::plugins::checks;
use crate::plugins::rate_limiting::counters::{Counters, Limits};
use crate::plugins::rate_limiting::windows::{PERIODS, Period};
use crate::redis::Commands;
use crate::text::decimal;
use serde::Deserialize;

#[derive(Debug)]
pub struct Limit {
    pub name: String,
    /// As a header's: in lower case.
    pub remaining_name: String,
    pub windows: Vec<Window>,
    limits: Limits,
}

#[derive(Debug)]
pub struct Window {
    pub period: Period,
    pub limit: f64,
    pub limit_name: String,
    pub remaining_name: String,
}

#[derive(Deserialize)]
pub struct RawLimit {
    second: Option<f64>,
    minute: Option<f64>,
    hour: Option<f64>,
    day: Option<f64>,
    month: Option<f64>,
    year: Option<f64>,
}

/// Adds what an answer used. The first one in a window says how long the counter lives, as Kong does it.
const ADD: &[u8] = b"local n=redis.call('INCRBY',KEYS[1],ARGV[1]) \
    if n==tonumber(ARGV[1]) then redis.call('EXPIRE',KEYS[1],ARGV[2]) end return n";

impl RawLimit {
    pub fn named(self, name: String) -> Result<Limit, ConfigError> {
        let limits = [self.second, self.minute, self.hour, self.day, self.month, self.year];
        checks::limits(&limits)?;
        checks::header_name("limits", &name)?;
        let lower = name.to_ascii_lowercase();
        let window = |period: Period| {
            limits[period.index()].map(|limit| Window {
                period,
                limit,
                limit_name: format!("x-ratelimit-limit-{lower}-{}", period.name()),
                remaining_name: format!("x-ratelimit-remaining-{lower}-{}", period.name()),
            })
        };
        let windows: Vec<Window> = PERIODS.into_iter().filter_map(window).collect();
        if windows.is_empty() {
            return Err(ConfigError::Invalid(format!("limits.{name} has no limit; set at least one period").into()));
        }
        Ok(Limit { remaining_name: format!("x-ratelimit-remaining-{lower}"), name, windows, limits })
    }
}

impl Limit {
    pub fn values(&self) -> impl Iterator<Item = f64> {
        self.windows.iter().map(|window| window.limit)
    }

    pub fn left_here(&self, counters: &Counters, counted_by: &[u8], now_s: i64) -> Vec<f64> {
        let remaining = counters.remaining(&self.local_key(counted_by), &self.limits, now_s);
        remaining.into_iter().flatten().collect()
    }

    pub fn count_here(&self, counters: &Counters, counted_by: &[u8], now_s: i64, amount: f64) {
        counters.add(&self.local_key(counted_by), &self.limits, now_s, amount);
    }

    /// No scope begins like this, so that rate-limiting counts elsewhere.
    fn local_key(&self, counted_by: &[u8]) -> Vec<u8> {
        [b"response\0", self.name.as_bytes(), b"\0", counted_by].concat()
    }

    /// In Redis, by window, as Kong names them.
    pub fn keys(&self, counted_by: &[u8], now_s: i64) -> impl Iterator<Item = (Period, Vec<u8>)> {
        self.windows.iter().map(move |window| {
            let start_ms = window.period.start_s(now_s) * 1000;
            let end = format!(":{start_ms}:{}:{}", self.name, window.period.name());
            (window.period, [b"response-ratelimit:", counted_by, end.as_bytes()].concat())
        })
    }

    pub fn commands(&self, counted_by: &[u8], now_s: i64, amount: f64) -> Commands {
        #[allow(clippy::cast_possible_truncation)] // what is out of range is as much as fits
        let amount = (amount.ceil() as i64).to_string();
        self.keys(counted_by, now_s).fold(Commands::default(), |all, (period, key)| {
            let lives_s = decimal(period.length_s().unsigned_abs());
            all.with(&[b"EVAL", ADD, b"1", &key, amount.as_bytes(), &lives_s])
        })
    }
}
