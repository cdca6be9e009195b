//! What all plugins that write records have: the record with the fields that their configuration adds, and the queue
//! from which it is sent.

use crate::ended::Ended;
use crate::error::ConfigError;
use crate::plugins::functions::fields::Fields;
use crate::sinks::queue::{Queue, Settings};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug)]
pub struct Recording {
    fields: Option<Fields>,
}

impl Recording {
    pub fn parse(plugin: &'static str, custom_fields: Option<&Map<String, Value>>) -> Result<Self, ConfigError> {
        Ok(Self { fields: Fields::parse(plugin, custom_fields)? })
    }

    pub fn remembers_request(&self) -> bool {
        self.fields.is_some()
    }

    /// One line of JSON, with its end.
    pub fn line<'e>(&self, ended: &'e Ended<'_, '_>) -> Option<Cow<'e, [u8]>> {
        let record = ended.record()?;
        let with_fields = self.fields.as_ref().and_then(|fields| fields.applied(ended, record));
        Some(with_fields.map_or(Cow::Borrowed(record), Cow::Owned))
    }

    /// The record goes to the queue, with what the sink wants before it.
    pub fn queue(&self, ended: &Ended<'_, '_>, queue: &Arc<Queue>, before: &[u8]) {
        if let Some(line) = self.line(ended) {
            let record = line.strip_suffix(b"\n").unwrap_or(&line);
            queue.put([before, record].concat());
        }
    }
}

/// Kong's record `queue`. What is out of reach of a clock is the farthest within.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub struct RawQueue {
    max_batch_size: usize,
    max_coalescing_delay: f64,
    max_entries: usize,
    max_bytes: Option<i64>,
    max_retry_time: f64,
    initial_retry_delay: f64,
    max_retry_delay: f64,
    concurrency_limit: i64,
}

impl Default for RawQueue {
    fn default() -> Self {
        Self {
            max_batch_size: 1,
            max_coalescing_delay: 1.0,
            max_entries: 10_000,
            max_bytes: None,
            max_retry_time: 60.0,
            initial_retry_delay: 0.01,
            max_retry_delay: 60.0,
            concurrency_limit: 1,
        }
    }
}

const LONGEST_S: f64 = 31_536_000.0;

impl RawQueue {
    pub fn settings(&self) -> Settings {
        let seconds = |given: f64| Duration::from_secs_f64(given.clamp(0.0, LONGEST_S));
        Settings {
            max_batch_size: self.max_batch_size.max(1),
            max_coalescing_delay: seconds(self.max_coalescing_delay),
            max_entries: self.max_entries.max(1),
            max_bytes: self.max_bytes.map(|bytes| usize::try_from(bytes).unwrap_or_default()),
            initial_retry_delay: seconds(self.initial_retry_delay),
            max_retry_delay: seconds(self.max_retry_delay),
            max_retry_time: (self.max_retry_time >= 0.0).then(|| seconds(self.max_retry_time)),
            is_unlimited: self.concurrency_limit < 0,
        }
    }
}

/// For places that Kong sends to without a queue, and without a second try.
pub fn once() -> Settings {
    Settings { max_retry_time: None, ..Settings::default() }
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Emerg,
    Alert,
    Crit,
    Err,
    Warning,
    Notice,
    Info,
    Debug,
}

impl Severity {
    pub fn number(self) -> u32 {
        self as u32
    }
}

/// Which severity a record has, by its status, and which are of no interest.
#[derive(Debug, Deserialize)]
pub struct Severities {
    #[serde(default = "info")]
    log_level: Severity,
    #[serde(default = "info")]
    successful_severity: Severity,
    #[serde(default = "info")]
    client_errors_severity: Severity,
    #[serde(default = "info")]
    server_errors_severity: Severity,
}

fn info() -> Severity {
    Severity::Info
}

impl Severities {
    /// None: it is not written.
    pub fn of(&self, status: u16) -> Option<Severity> {
        let severity = match status {
            500.. => self.server_errors_severity,
            400.. => self.client_errors_severity,
            _ => self.successful_severity,
        };
        (severity <= self.log_level).then_some(severity)
    }
}

/// Configurations that look at most of a request, of all plugins that write records or numbers.
#[cfg(test)]
pub mod testing {
    use serde_json::{Value, json};

    pub fn configurations() -> Vec<(&'static str, Value)> {
        let place =
            json!({"host": "127.0.0.1", "port": 1, "timeout": 1, "keepalive": 1, "tls": false, "ssl_verify": true});
        let with = |more: Value| {
            let mut config = place.clone();
            config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            config
        };
        let numbers: Vec<_> = [
            "request_count",
            "request_size",
            "upstream_latency",
            "status_count_per_user",
            "unique_users",
        ]
        .map(
            |name| json!({"name": name, "stat_type": "counter", "sample_rate": 0.5, "consumer_identifier": "username"}),
        )
        .into();
        let statsd = json!({
            "metrics": numbers, "udp_packet_size": 0, "use_tcp": false, "hostname_in_prefix": true,
            "consumer_identifier_default": "custom_id", "service_identifier_default": "service_host",
            "workspace_identifier_default": "workspace_name", "allow_status_codes": ["200-499"],
        });
        let http = json!({
            "http_endpoint": "http://127.0.0.1:1/", "method": "POST", "content_type": "application/json",
            "headers": {"x-a": "b"}, "queue": {"max_batch_size": 2, "max_retry_time": -1},
        });
        vec![
            ("datadog", with(json!({"metrics": numbers}))),
            (
                "file-log",
                json!({"path": "/dev/null", "custom_fields_by_lua": {"request.headers.x-a": "return kong.request.get_headers()"}}),
            ),
            ("http-log", with(http)),
            ("loggly", with(json!({"key": "k", "tags": ["t"]}))),
            ("statsd", with(statsd)),
            ("syslog", json!({"facility": "local0"})),
            ("tcp-log", with(json!({"tls_sni": null}))),
            ("udp-log", place),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn queues_are_kongs_by_default() {
        let settings = |given: Value| serde_json::from_value::<RawQueue>(given).unwrap().settings();
        let (own, of_none) = (settings(json!({})), Settings::default());
        assert_eq!(format!("{own:?}"), format!("{of_none:?}"));
        let extreme =
            settings(json!({"max_retry_time": -1, "max_coalescing_delay": 1e300, "max_bytes": -5, "max_entries": 0}));
        assert_eq!((extreme.max_retry_time, extreme.max_bytes, extreme.max_entries), (None, Some(0), 1));
        assert_eq!(extreme.max_coalescing_delay, Duration::from_secs(31_536_000));
    }

    #[test]
    fn severities_follow_the_status() {
        let config =
            json!({"log_level": "warning", "client_errors_severity": "err", "server_errors_severity": "emerg"});
        let severities: Severities = serde_json::from_value(config).unwrap();
        assert_eq!(
            [200, 404, 503].map(|status| severities.of(status)),
            [None, Some(Severity::Err), Some(Severity::Emerg)]
        );
        assert_eq!((Severity::Emerg.number(), Severity::Debug.number()), (0, 7));
    }
}
