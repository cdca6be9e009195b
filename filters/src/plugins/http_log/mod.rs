//! The plugin http-log: records as bodies of HTTP requests (kong.md §5.21).

use crate::error::ConfigError;
use crate::http_call::Target;
use crate::plugins::recorder::recorder;
use crate::plugins::recording::RawQueue;
use crate::plugins::{Plugin, checks};
use crate::sinks::http::{Body, Http, Place, list};
use crate::sinks::milliseconds;
use crate::sinks::queue::{Queue, Sink};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Config {
    http_endpoint: String,
    method: String,
    content_type: String,
    timeout: f64,
    keepalive: f64,
    headers: Option<BTreeMap<String, String>>,
    #[serde(default)]
    queue: RawQueue,
    ssl_verify: bool,
    custom_fields_by_lua: Option<Map<String, Value>>,
}

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    let key = config.to_string();
    let config: Config = serde_json::from_value(config)?;
    let (place, head) = asked(&config)?;
    let settings = config.queue.settings();
    let told = place.endpoint.to_string();
    let sink = || -> Box<dyn Sink> {
        Box::new(Http {
            target: Target { endpoint: place.endpoint, keepalive: milliseconds(config.keepalive) },
            timeout: milliseconds(config.timeout),
            head,
            body: Box::new(Records { is_list: settings.max_batch_size > 1 }),
        })
    };
    let queue = Queue::of("http-log", &key, &told, &settings, sink);
    recorder("http-log", config.custom_fields_by_lua.as_ref(), queue)
}

/// Where the endpoint is, and how it is asked.
fn asked(config: &Config) -> Result<(Place, String), ConfigError> {
    checks::header_value("content_type", &config.content_type)?;
    if !matches!(config.method.as_str(), "POST" | "PUT" | "PATCH") {
        return Err(ConfigError::Invalid("method: expected one of: POST, PUT, PATCH".into()));
    }
    let mut place = Place::parse("http_endpoint", &config.http_endpoint)?;
    // Kong drops it.
    place.query = None;
    if let Some(tls) = &mut place.endpoint.tls {
        tls.verifies = config.ssl_verify;
    }
    let head = place.head(&config.method, &config.content_type, config.headers.as_ref())?;
    Ok((place, head))
}

#[derive(Debug)]
struct Records {
    /// Also of one record.
    is_list: bool,
}

impl Body for Records {
    fn of(&self, batch: &[Vec<u8>]) -> Vec<u8> {
        if self.is_list { list(batch) } else { batch.concat() }
    }

    fn is_taken(&self, status: u16) -> bool {
        status < 300
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(changes: Value) -> Result<(Place, String), String> {
        let mut config = json!({
            "http_endpoint": "http://a.test/logs", "method": "POST", "content_type": "application/json", "timeout": 10000,
            "keepalive": 60000, "headers": null, "queue": {}, "ssl_verify": true, "custom_fields_by_lua": null,
        });
        config.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        asked(&serde_json::from_value(config).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_query_is_dropped_and_tls_verified_unless_told_otherwise() {
        let url = "https://a.test/x/y?z=1";
        for verifies in [true, false] {
            let (place, head) = found(json!({"http_endpoint": url, "ssl_verify": verifies})).unwrap();
            assert!(head.starts_with("POST /x/y HTTP/1.1\r\n"), "{head}");
            assert_eq!(place.endpoint.tls.map(|tls| tls.verifies), Some(verifies));
        }
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        for (changes, reason) in [
            (json!({"method": "GET"}), "method: expected one of: POST, PUT, PATCH"),
            (json!({"content_type": ""}), "content_type: length must be at least 1"),
            (json!({"http_endpoint": "/logs"}), "http_endpoint: only http and https can be spoken"),
        ] {
            assert_eq!(found(changes).map(|_| ()).unwrap_err(), reason);
        }
    }

    #[test]
    fn one_record_is_a_list_only_where_there_may_be_several() {
        let batch = [b"{}".to_vec()];
        let body = |is_list| Records { is_list }.of(&batch);
        assert_eq!((body(false), body(true)), (b"{}".to_vec(), b"[{}]".to_vec()));
    }
}
