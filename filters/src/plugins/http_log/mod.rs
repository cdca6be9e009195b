//! The plugin http-log: records as bodies of HTTP requests (kong.md §5.21).

use crate::ended::Ended;
use crate::error::ConfigError;
use crate::exchange::Note;
use crate::http_call::Target;
use crate::net::{Endpoint, Tls};
use crate::plugins::recording::{RawQueue, Recording};
use crate::plugins::{Plugin, checks};
use crate::sinks::http::Http;
use crate::sinks::milliseconds;
use crate::sinks::queue::Queue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use ureq::http::Uri;

#[derive(Debug)]
struct HttpLog {
    queue: Arc<Queue>,
    recording: Recording,
}

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
    let place = Place::parse(&config)?;
    let settings = config.queue.settings();
    let told = place.target.endpoint.to_string();
    let sink = || -> Box<dyn crate::sinks::queue::Sink> {
        Box::new(Http {
            timeout: milliseconds(config.timeout),
            head: place.head,
            is_list: settings.max_batch_size > 1,
            target: place.target,
        })
    };
    Ok(Box::new(HttpLog {
        queue: Queue::of("http-log", &key, &told, &settings, sink),
        recording: Recording::parse("http-log", config.custom_fields_by_lua.as_ref())?,
    }))
}

/// Where the endpoint is, and how it is asked.
struct Place {
    target: Target,
    head: String,
}

impl Place {
    fn parse(config: &Config) -> Result<Self, ConfigError> {
        let invalid = |reason: &str| ConfigError::Invalid(format!("http_endpoint: {reason}").into());
        let uri: Uri = config.http_endpoint.parse().map_err(|_| invalid("it is no URL"))?;
        let is_secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(invalid("only http and https can be spoken")),
        };
        let authority = uri.authority().ok_or_else(|| invalid("missing host in url"))?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| invalid("missing host in url"))?;
        let (user, place) = match authority.as_str().rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, authority.as_str()),
        };
        if place.len() > host.len() && authority.port_u16().is_none() {
            return Err(invalid("its port is no number from 0 to 65535"));
        }
        let endpoint = Endpoint {
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(if is_secure { 443 } else { 80 }),
            tls: is_secure.then_some(Tls { verifies: config.ssl_verify, server_name: None }),
        };
        let named = authority.port_u16().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        // Kong drops the query.
        let path = if uri.path().is_empty() { "/" } else { uri.path() };
        let head = head(config, path, &named, user)?;
        Ok(Self { target: Target { endpoint, keepalive: milliseconds(config.keepalive) }, head })
    }
}

fn head(config: &Config, path: &str, host: &str, user: Option<&str>) -> Result<String, ConfigError> {
    checks::header_value("content_type", &config.content_type)?;
    if !matches!(config.method.as_str(), "POST" | "PUT" | "PATCH") {
        return Err(ConfigError::Invalid("method: expected one of: POST, PUT, PATCH".into()));
    }
    let mut head = format!("{} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: crossfade\r\n", config.method);
    head.push_str(&format!("Content-Type: {}\r\n", config.content_type));
    if let Some(user) = user {
        head.push_str(&format!("Authorization: Basic {}\r\n", STANDARD.encode(user)));
    }
    for (name, value) in config.headers.iter().flatten() {
        checks::free_header_name("headers", name)?;
        checks::header_value("headers", value)?;
        let own = ["content-type", "user-agent", if user.is_some() { "authorization" } else { "" }];
        if !own.iter().any(|own| name.eq_ignore_ascii_case(own)) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    Ok(head)
}

impl Plugin for HttpLog {
    fn has_log_phase(&self) -> bool {
        true
    }

    fn writes_record(&self) -> bool {
        true
    }

    fn remembers_request(&self) -> bool {
        self.recording.remembers_request()
    }

    fn on_log(&self, ended: &Ended<'_, '_>, _: &Note) {
        self.recording.queue(ended, &self.queue, b"");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn place(changes: Value) -> Result<Place, String> {
        let mut config = json!({
            "http_endpoint": "http://a.test/logs", "method": "POST", "content_type": "application/json", "timeout": 10000,
            "keepalive": 60000, "headers": null, "queue": {}, "ssl_verify": true, "custom_fields_by_lua": null,
        });
        config.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        Place::parse(&serde_json::from_value(config).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn endpoints() {
        for (url, endpoint, line) in [
            ("http://a.test", "a.test:80", "POST / HTTP/1.1\r\nHost: a.test\r\n"),
            ("https://a.test/x/y?z=1", "a.test:443", "POST /x/y HTTP/1.1\r\nHost: a.test\r\n"),
            ("http://u:p@[::1]:81/", "[::1]:81", "POST / HTTP/1.1\r\nHost: [::1]:81\r\n"),
        ] {
            let place = place(json!({"http_endpoint": url})).unwrap();
            assert_eq!(place.target.endpoint.to_string(), endpoint);
            assert!(place.head.starts_with(line), "{}", place.head);
            assert_eq!(place.target.endpoint.tls.is_some(), url.starts_with("https"));
        }
        for (url, reason) in [
            ("ftp://a.test/", "only http"),
            ("http://", "no URL"),
            ("http://a.test:99999/", "no"),
            ("http://a b/", "no URL"),
            ("/logs", "only http"),
        ] {
            let error = place(json!({"http_endpoint": url})).map(|_| ()).unwrap_err();
            assert!(error.starts_with("http_endpoint: ") && error.contains(reason), "{url}: {error}");
        }
    }

    #[test]
    fn headers_are_added_but_for_those_of_the_plugin() {
        let head = |changes: Value| place(changes).map(|place| place.head);
        let found = head(json!({"headers": {"X-Tok": "t1", "Content-Type": "x", "Authorization": "y"},
            "http_endpoint": "http://user:pw@a.test/logs"}));
        assert_eq!(
            found.unwrap(),
            "POST /logs HTTP/1.1\r\nHost: a.test\r\nUser-Agent: crossfade\r\nContent-Type: application/json\r\n\
             Authorization: Basic dXNlcjpwdw==\r\nX-Tok: t1\r\n"
        );
        assert!(head(json!({"headers": {"Authorization": "y"}})).unwrap().ends_with("Authorization: y\r\n"));
        for headers in [json!({"a b": "1"}), json!({"a": "1\r\nb: 2"}), json!({"Transfer-Encoding": "chunked"})] {
            assert!(head(json!({"headers": headers})).is_err());
        }
    }
}
