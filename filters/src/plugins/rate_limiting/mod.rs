//! The plugin rate-limiting: who is counted, and what becomes of it (kong.md §5.2).

pub mod counters;
#[cfg(test)]
mod redis_tests;
pub mod shared;
pub mod told;
pub mod windows;

use crate::error::ConfigError;
use crate::exchange::{Exchange, Verdict};
use crate::plugins::{Plugin, checks};
use crate::redis::{Key, RawStore};
use crate::text::Text;
use crate::waiting::Outcome;
use counters::{Limits, Usage};
use serde::Deserialize;
use serde_json::Value;
use shared::{Asked, Begun, SharedCounters};
use smallvec::SmallVec;
use told::number;
use windows::PERIODS;

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
    /// None: counted in this process.
    store: Option<SharedCounters>,
    fault_tolerant: bool,
}

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    Ok(Box::new(RateLimiting::parse(config)?))
}

impl Plugin for RateLimiting {
    fn on_request(&self, exchange: &mut Exchange<'_, '_>) -> Verdict {
        let Some(store) = &self.store else {
            let usage = self.count_here(exchange);
            return self.judged(exchange, &usage);
        };
        let now_s = exchange.now_ms().div_euclid(1000);
        match store.begin(&self.limits, &self.keys(exchange, now_s), now_s) {
            Begun::Counted(usage) => self.judged(exchange, &usage),
            Begun::Asked(wait, asked) => {
                *exchange.note = [&now_s.to_be_bytes()[..], &[asked as u8]].concat();
                Verdict::Wait(wait)
            }
        }
    }

    fn on_outcome(&self, exchange: &mut Exchange<'_, '_>, outcome: Outcome) -> Verdict {
        let Some(store) = &self.store else { return self.uncounted(exchange) };
        // The windows are those in which was counted, whatever time it is now.
        let Some((time, asked)) = exchange.note.split_first_chunk() else { return self.uncounted(exchange) };
        let now_s = i64::from_be_bytes(*time);
        let is_counted = asked == [Asked::ToCount as u8];
        let keys = self.keys(exchange, now_s);
        match store.end(&self.limits, &keys, now_s, (is_counted, outcome)) {
            Some(usage) => self.judged(exchange, &usage),
            None => self.uncounted(exchange),
        }
    }
}

impl RateLimiting {
    pub fn parse(config: Value) -> Result<Self, ConfigError> {
        let raw: RawRateLimiting = serde_json::from_value(config)?;
        let limits = [raw.second, raw.minute, raw.hour, raw.day, raw.month, raw.year];
        if limits.iter().all(Option::is_none) {
            return Err(ConfigError::Invalid("rate-limiting has no limit; set at least one period".into()));
        }
        checks::limits(&limits)?;
        let store = match raw.policy {
            Policy::Local => None,
            Policy::Redis => Some(SharedCounters::parse(raw.redis, raw.sync_rate)?),
        };
        Ok(Self {
            limits,
            limit_texts: Box::new(limits.map(|limit| limit.map(number).unwrap_or_default())),
            limit_by: raw.limit_by,
            header_name: raw.header_name.unwrap_or_default().to_ascii_lowercase(),
            path: raw.path.unwrap_or_default(),
            hide_client_headers: raw.hide_client_headers,
            error_code: checks::reply_status("error_code", raw.error_code)?,
            error_message: raw.error_message.unwrap_or_else(default_error_message),
            store,
            fault_tolerant: raw.fault_tolerant,
        })
    }

    fn count_here(&self, exchange: &Exchange<'_, '_>) -> Usage {
        let mut key: SmallVec<[u8; 128]> = SmallVec::new();
        key.extend_from_slice(exchange.scope.as_bytes());
        key.push(0);
        key.extend_from_slice(self.identifier(&self.identity(exchange)));
        exchange.counters.count(&key, &self.limits, || exchange.now_ms())
    }

    fn keys(&self, exchange: &Exchange<'_, '_>, now_s: i64) -> Vec<Key> {
        shared::keys(&self.limits, exchange.scope, self.identifier(&self.identity(exchange)), now_s)
    }

    fn judged(&self, exchange: &mut Exchange<'_, '_>, usage: &Usage) -> Verdict {
        let mut told = self.client_headers(usage);
        if exchange.downstream.is_empty() {
            *exchange.downstream = told;
        } else {
            exchange.downstream.append(&mut told);
        }
        if usage.blocked {
            return Verdict::Reply(exchange.error(self.error_code, self.error_message.as_str()));
        }
        Verdict::Continue
    }

    /// The store has not answered.
    fn uncounted(&self, exchange: &Exchange<'_, '_>) -> Verdict {
        if self.fault_tolerant {
            return Verdict::Continue;
        }
        Verdict::Reply(exchange.error(500, "An unexpected error occurred"))
    }

    fn identity<'a>(&self, exchange: &'a Exchange<'_, '_>) -> Identity<'a> {
        let consumer = exchange.who.consumer.as_ref();
        let by_header = self.limit_by == LimitBy::Header;
        Identity {
            consumer: consumer.map(|consumer| consumer.id.as_bytes()),
            credential: exchange.who.credential_id.as_deref().map(str::as_bytes),
            service: exchange.route.service.id.as_deref().map(str::as_bytes),
            header: by_header.then(|| exchange.header(&self.header_name)).flatten(),
            path: exchange.path,
            address: exchange.client_address.as_bytes(),
        }
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
}

/// What a request can be counted by.
pub struct Identity<'a> {
    pub consumer: Option<&'a [u8]>,
    pub credential: Option<&'a [u8]>,
    pub service: Option<&'a [u8]>,
    pub header: Option<&'a [u8]>,
    pub path: &'a [u8],
    pub address: &'a [u8],
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
    #[serde(default)]
    policy: Policy,
    redis: Option<RawStore>,
    #[serde(default = "default_sync_rate")]
    sync_rate: f64,
    #[serde(default = "default_fault_tolerant")]
    fault_tolerant: bool,
    #[serde(default)]
    hide_client_headers: bool,
    #[serde(default = "default_error_code")]
    error_code: f64,
    error_message: Option<String>,
}

fn default_limit_by() -> LimitBy {
    LimitBy::Consumer
}

/// Where is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    #[default]
    Local,
    Redis,
}

fn default_sync_rate() -> f64 {
    -1.0
}

fn default_fault_tolerant() -> bool {
    true
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
            assert!(headers.contains(&(name.into(), text(value))), "{name} {headers:?}");
        }
        assert!(!headers.iter().any(|(name, _)| name == "retry-after"));
        let blocked = plugin.client_headers(&usage(0.0, 3.0, true));
        assert!(blocked.contains(&("x-ratelimit-remaining-day".into(), text("3"))));
        assert!(blocked.contains(&("retry-after".into(), text("3590"))));
        let tied = plugin.client_headers(&usage(2.0, 2.0, false));
        assert!(tied.contains(&("ratelimit-limit".into(), text("5"))), "the longest window wins a tie");
    }

    #[test]
    fn month_reset_sticks_at_one_on_day_31() {
        let plugin = parse(json!({"month": 2}));
        let usage =
            Usage { now_s: 30 * 86_400 + 5, remaining: [None, None, None, None, Some(2.0), None], blocked: false };
        assert!(plugin.client_headers(&usage).contains(&("ratelimit-reset".into(), text("1"))));
    }

    #[test]
    fn hidden_headers_and_fractions() {
        let usage = Usage { now_s: 0, remaining: [Some(1.5), None, None, None, None, None], blocked: false };
        let hidden = parse(json!({"second": 1.5, "hide_client_headers": true}));
        assert!(hidden.client_headers(&usage).is_empty());
        let shown = parse(json!({"second": 1.5})).client_headers(&usage);
        assert!(shown.contains(&("x-ratelimit-limit-second".into(), text("1.5"))));
    }

    #[test]
    fn refuses_what_it_cannot_count() {
        for config in [
            json!({}),
            json!({"hour": 0}),
            json!({"hour": 1, "policy": "redis"}),
            json!({"hour": 1, "policy": "redis", "redis": {"host": "r"}, "sync_rate": 0}),
            json!({"hour": 1, "policy": "cluster"}),
            json!({"hour": "x"}),
            json!({"hour": 1, "error_code": 99}),
        ] {
            assert!(RateLimiting::parse(config.clone()).is_err(), "{config}");
        }
    }
}
