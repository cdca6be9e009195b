//! The plugin rate-limiting with policy local: who is counted, what the client is told (kong.md §5.2).

pub mod counters;
mod windows;

use crate::error::ConfigError;
use crate::exchange::{Exchange, Verdict};
use crate::plugins::{Plugin, checks};
use crate::text::{Text, decimal};
use counters::{Counters, Limits, Usage};
use serde::Deserialize;
use serde_json::Value;
use smallvec::SmallVec;
use std::borrow::Cow;
use windows::{PERIODS, Period};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LimitBy {
    Consumer,
    Credential,
    Ip,
    Service,
    Header,
    Path,
}

#[derive(Debug)]
pub struct RateLimiting {
    pub limits: Limits,
    /// The limits as the client is told them.
    limit_texts: Box<[Text; PERIODS.len()]>,
    pub limit_by: LimitBy,
    /// In lower case.
    pub header_name: String,
    pub path: String,
    pub hide_client_headers: bool,
    pub error_code: u16,
    pub error_message: String,
}

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    Ok(Box::new(RateLimiting::parse(config)?))
}

impl Plugin for RateLimiting {
    fn on_request(&self, exchange: &mut Exchange<'_, '_>) -> Verdict {
        let usage = {
            let consumer = exchange.who.consumer.as_ref();
            let by_header = self.limit_by == LimitBy::Header;
            let identity = Identity {
                consumer: consumer.map(|consumer| consumer.id.as_bytes()),
                credential: exchange.who.credential.as_deref().map(str::as_bytes),
                service: exchange.route.service.id.as_deref().map(str::as_bytes),
                header: by_header.then(|| exchange.header(&self.header_name)).flatten(),
                path: exchange.path,
                address: exchange.client_address.as_bytes(),
            };
            self.count(exchange.counters, exchange.scope, &identity, || exchange.now_ms())
        };
        let told = self.client_headers(&usage).into_iter().map(|(name, value)| (Cow::Borrowed(name), value));
        exchange.downstream.extend(told);
        if usage.blocked {
            return Verdict::Reply(exchange.error(self.error_code, self.error_message.as_str()));
        }
        Verdict::Continue
    }
}

impl RateLimiting {
    pub fn parse(config: Value) -> Result<Self, ConfigError> {
        let raw: RawRateLimiting = serde_json::from_value(config)?;
        if raw.policy == "redis" {
            return Err(ConfigError::Invalid("rate-limiting with policy redis is not supported; use local".into()));
        }
        let limits = [raw.second, raw.minute, raw.hour, raw.day, raw.month, raw.year];
        if limits.iter().all(Option::is_none) {
            return Err(ConfigError::Invalid("rate-limiting has no limit; set at least one period".into()));
        }
        if limits.iter().flatten().any(|limit| limit.is_nan() || *limit <= 0.0) {
            return Err(ConfigError::Invalid("a limit of rate-limiting is not greater than 0".into()));
        }
        Ok(Self {
            limits,
            limit_texts: Box::new(limits.map(|limit| limit.map(number).unwrap_or_default())),
            limit_by: raw.limit_by,
            header_name: raw.header_name.unwrap_or_default().to_ascii_lowercase(),
            path: raw.path.unwrap_or_default(),
            hide_client_headers: raw.hide_client_headers,
            error_code: checks::reply_status("error_code", raw.error_code)?,
            error_message: raw.error_message.unwrap_or_else(default_error_message),
        })
    }

    /// Counts the request. `instance` is the attachment's id: each attachment has counters of its own.
    pub fn count(
        &self,
        counters: &Counters,
        instance: &str,
        identity: &Identity<'_>,
        now_ms: impl FnOnce() -> i64,
    ) -> Usage {
        let mut key: SmallVec<[u8; 128]> = SmallVec::new();
        key.extend_from_slice(instance.as_bytes());
        key.push(0);
        key.extend_from_slice(self.identifier(identity));
        counters.count(&key, &self.limits, now_ms)
    }

    /// Whatever is missing is replaced by the client's address.
    fn identifier<'a>(&self, identity: &Identity<'a>) -> &'a [u8] {
        let chosen = match self.limit_by {
            LimitBy::Consumer => identity.consumer.or(identity.credential),
            LimitBy::Credential => identity.credential,
            LimitBy::Service => identity.service,
            LimitBy::Header => identity.header,
            LimitBy::Path => (identity.path == self.path.as_bytes()).then_some(identity.path),
            LimitBy::Ip => None,
        };
        chosen.unwrap_or(identity.address)
    }

    /// The headers for the client, in Kong's words; none if the configuration hides them.
    pub fn client_headers(&self, usage: &Usage) -> ClientHeaders {
        if self.hide_client_headers {
            return ClientHeaders::new();
        }
        let mut headers = ClientHeaders::with_capacity(2 * PERIODS.len() + 4);
        let mut tightest: Option<(f64, Period)> = None;
        for period in PERIODS {
            let Some(left) = usage.remaining[period.index()] else { continue };
            let shown = if usage.blocked { left } else { left - 1.0 }.max(0.0);
            headers.push((LIMIT_NAMES[period.index()], self.limit_text(period)));
            headers.push((REMAINING_NAMES[period.index()], number(shown)));
            // Periods come in ascending order: with equal remainders the longest wins.
            if tightest.is_none_or(|(least, _)| shown <= least) {
                tightest = Some((shown, period));
            }
        }
        if let Some((least, period)) = tightest {
            let elapsed_s = usage.now_s - period.start_s(usage.now_s);
            let reset = decimal((period.length_s() - elapsed_s).max(1).unsigned_abs());
            headers.push(("ratelimit-limit", self.limit_text(period)));
            headers.push(("ratelimit-remaining", number(least)));
            if usage.blocked {
                headers.push(("retry-after", reset.clone()));
            }
            headers.push(("ratelimit-reset", reset));
        }
        headers
    }

    fn limit_text(&self, period: Period) -> Text {
        Text::from_slice(&self.limit_texts[period.index()])
    }
}

pub type ClientHeaders = Vec<(&'static str, Text)>;

/// What a request can be counted by.
pub struct Identity<'a> {
    pub consumer: Option<&'a [u8]>,
    pub credential: Option<&'a [u8]>,
    pub service: Option<&'a [u8]>,
    pub header: Option<&'a [u8]>,
    pub path: &'a [u8],
    pub address: &'a [u8],
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
fn number(value: f64) -> Text {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // whole, positive and far below 2^64
    if value.fract() == 0.0 && (0.0..1e15).contains(&value) {
        decimal(value as u64)
    } else {
        Text::from_slice(value.to_string().as_bytes())
    }
}

#[derive(Deserialize)]
struct RawRateLimiting {
    second: Option<f64>,
    minute: Option<f64>,
    hour: Option<f64>,
    day: Option<f64>,
    month: Option<f64>,
    year: Option<f64>,
    #[serde(default = "default_limit_by")]
    limit_by: LimitBy,
    header_name: Option<String>,
    path: Option<String>,
    #[serde(default = "default_policy")]
    policy: String,
    #[serde(default)]
    hide_client_headers: bool,
    #[serde(default = "default_error_code")]
    error_code: f64,
    error_message: Option<String>,
}

fn default_limit_by() -> LimitBy {
    LimitBy::Consumer
}

fn default_policy() -> String {
    "local".to_owned()
}

fn default_error_code() -> f64 {
    429.0
}

fn default_error_message() -> String {
    "API rate limit exceeded".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(config: Value) -> RateLimiting {
        RateLimiting::parse(config).unwrap()
    }

    fn text(value: &str) -> Text {
        Text::from_slice(value.as_bytes())
    }

    fn identity<'a>() -> Identity<'a> {
        Identity {
            consumer: Some(b"consumer"),
            credential: Some(b"credential"),
            service: Some(b"service"),
            header: Some(b"value"),
            path: b"/p",
            address: b"192.0.2.1",
        }
    }

    #[test]
    fn identifiers() {
        for (limit_by, expected) in [
            ("consumer", "consumer"),
            ("credential", "credential"),
            ("ip", "192.0.2.1"),
            ("service", "service"),
            ("header", "value"),
            ("path", "/p"),
        ] {
            let plugin = parse(json!({"hour": 1, "limit_by": limit_by, "path": "/p", "header_name": "X"}));
            assert_eq!(plugin.identifier(&identity()), expected.as_bytes(), "{limit_by}");
            let nobody =
                Identity { consumer: None, credential: None, service: None, header: None, path: b"/q", ..identity() };
            assert_eq!(plugin.identifier(&nobody), b"192.0.2.1", "{limit_by}");
        }
        let credential_only = Identity { consumer: None, ..identity() };
        assert_eq!(parse(json!({"hour": 1})).identifier(&credential_only), b"credential");
    }

    #[test]
    fn headers_tell_the_tightest_window() {
        let plugin = parse(json!({"hour": 2, "day": 5}));
        let usage = |hour, day, blocked| Usage {
            now_s: 3_610,
            remaining: [None, None, Some(hour), Some(day), None, None],
            blocked,
        };
        let headers = plugin.client_headers(&usage(2.0, 5.0, false));
        for (name, value) in [
            ("x-ratelimit-limit-hour", "2"),
            ("x-ratelimit-remaining-hour", "1"),
            ("x-ratelimit-remaining-day", "4"),
            ("ratelimit-limit", "2"),
            ("ratelimit-remaining", "1"),
            ("ratelimit-reset", "3590"),
        ] {
            assert!(headers.contains(&(name, text(value))), "{name} {headers:?}");
        }
        assert!(!headers.iter().any(|(name, _)| *name == "retry-after"));
        let blocked = plugin.client_headers(&usage(0.0, 3.0, true));
        assert!(blocked.contains(&("x-ratelimit-remaining-day", text("3"))));
        assert!(blocked.contains(&("retry-after", text("3590"))));
        let tied = plugin.client_headers(&usage(2.0, 2.0, false));
        assert!(tied.contains(&("ratelimit-limit", text("5"))), "the longest window wins a tie");
    }

    #[test]
    fn month_reset_sticks_at_one_on_day_31() {
        let plugin = parse(json!({"month": 2}));
        let usage =
            Usage { now_s: 30 * 86_400 + 5, remaining: [None, None, None, None, Some(2.0), None], blocked: false };
        assert!(plugin.client_headers(&usage).contains(&("ratelimit-reset", text("1"))));
    }

    #[test]
    fn hidden_headers_and_fractions() {
        let usage = Usage { now_s: 0, remaining: [Some(1.5), None, None, None, None, None], blocked: false };
        let hidden = parse(json!({"second": 1.5, "hide_client_headers": true}));
        assert!(hidden.client_headers(&usage).is_empty());
        let shown = parse(json!({"second": 1.5})).client_headers(&usage);
        assert!(shown.contains(&("x-ratelimit-limit-second", text("1.5"))));
    }

    #[test]
    fn refuses_what_it_cannot_count() {
        for config in [
            json!({}),
            json!({"hour": 0}),
            json!({"hour": 1, "policy": "redis"}),
            json!({"hour": "x"}),
            json!({"hour": 1, "error_code": 99}),
        ] {
            assert!(RateLimiting::parse(config.clone()).is_err(), "{config}");
        }
    }
}
