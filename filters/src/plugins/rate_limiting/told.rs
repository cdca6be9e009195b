//! What the client is told of its limits (kong.md §5.2.5).

use super::RateLimiting;
use super::counters::Usage;
use super::windows::{PERIODS, Period};
use crate::reply::Headers;
use crate::text::{Text, decimal};

impl RateLimiting {
    /// The headers for the client, in Kong's words; none if the configuration hides them.
    pub fn client_headers(&self, usage: &Usage) -> Headers {
        if self.hide_client_headers {
            return Headers::new();
        }
        let mut headers = Headers::with_capacity(2 * PERIODS.len() + 4);
        let mut tightest: Option<(f64, Period)> = None;
        for period in PERIODS {
            let Some(left) = usage.remaining[period.index()] else { continue };
            let shown = if usage.blocked { left } else { left - 1.0 }.max(0.0);
            headers.push((LIMIT_NAMES[period.index()].into(), self.limit_text(period)));
            headers.push((REMAINING_NAMES[period.index()].into(), number(shown)));
            // Periods come in ascending order: with equal remainders the longest wins.
            if tightest.is_none_or(|(least, _)| shown <= least) {
                tightest = Some((shown, period));
            }
        }
        if let Some((least, period)) = tightest {
            let elapsed_s = usage.now_s - period.start_s(usage.now_s);
            let reset = decimal((period.length_s() - elapsed_s).max(1).unsigned_abs());
            headers.push(("ratelimit-limit".into(), self.limit_text(period)));
            headers.push(("ratelimit-remaining".into(), number(least)));
            if usage.blocked {
                headers.push(("retry-after".into(), reset.clone()));
            }
            headers.push(("ratelimit-reset".into(), reset));
        }
        headers
    }

    fn limit_text(&self, period: Period) -> Text {
        Text::from_slice(&self.limit_texts[period.index()])
    }
}

const LIMIT_NAMES: [&str; 6] = [
    "x-ratelimit-limit-second",
    "x-ratelimit-limit-minute",
    "x-ratelimit-limit-hour",
    "x-ratelimit-limit-day",
    "x-ratelimit-limit-month",
    "x-ratelimit-limit-year",
];

const REMAINING_NAMES: [&str; 6] = [
    "x-ratelimit-remaining-second",
    "x-ratelimit-remaining-minute",
    "x-ratelimit-remaining-hour",
    "x-ratelimit-remaining-day",
    "x-ratelimit-remaining-month",
    "x-ratelimit-remaining-year",
];

/// Whole numbers without a fraction, as Lua prints them.
pub fn number(value: f64) -> Text {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // whole, positive and far below 2^64
    if value.fract() == 0.0 && (0.0..1e15).contains(&value) {
        decimal(value as u64)
    } else {
        Text::from_slice(value.to_string().as_bytes())
    }
}
