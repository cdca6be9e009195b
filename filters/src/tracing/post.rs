//! Where spans go: one request over HTTP for each batch of the queue.

use crate::error::ConfigError;
use crate::http_call::{Target, call};
use crate::net::{self, Endpoint, Tls};
use crate::plugins::checks;
use crate::plugins::recording::RawQueue;
use crate::sinks::queue::{Queue, Sink};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::{Debug, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};
use ureq::http::Uri;

/// Of an answer, which is of no use.
const LONGEST_ANSWER: usize = 1024 * 1024;
/// As long as an idle connection of Kong's lasts.
const KEEPALIVE: Duration = Duration::from_secs(60);
const LONGEST_MS: f64 = 3_600_000.0;

/// Of each plugin, in milliseconds.
#[derive(Debug, Deserialize)]
pub struct Timeouts {
    connect_timeout: f64,
    send_timeout: f64,
    read_timeout: f64,
}

impl Timeouts {
    /// Of a whole request.
    fn sum(&self) -> Duration {
        let each = [self.connect_timeout, self.send_timeout, self.read_timeout];
        let ms: f64 = each.iter().map(|ms| ms.clamp(1.0, LONGEST_MS)).sum();
        Duration::from_secs_f64(ms / 1000.0)
    }
}

/// What makes a body of a batch.
pub trait Body: Debug + Send + Sync {
    fn of(&self, batch: &[Vec<u8>]) -> Vec<u8>;
    fn takes(&self, status: u16) -> bool;
}

/// What a plugin says of its backend.
pub struct Backend<'a> {
    pub plugin: &'static str,
    /// By which its queue is found again when the configuration is read anew.
    pub key: String,
    pub field: &'static str,
    pub url: &'a str,
    pub content_type: &'static str,
    pub headers: Option<&'a BTreeMap<String, String>>,
    pub timeouts: &'a Timeouts,
    pub queue: &'a RawQueue,
}

impl Backend<'_> {
    pub fn queue(&self, body: impl Body + 'static) -> Result<Arc<Queue>, ConfigError> {
        let (endpoint, head) = self.place()?;
        let (told, settings) = (endpoint.to_string(), self.queue.settings());
        let target = Target { endpoint, keepalive: KEEPALIVE };
        let post = Post { target, head, timeout: self.timeouts.sum(), body: Box::new(body) };
        Ok(Queue::of(self.plugin, &self.key, &told, &settings, || Box::new(post)))
    }

    /// And request line and headers, but for the length.
    fn place(&self) -> Result<(Endpoint, String), ConfigError> {
        let invalid = |reason: &str| ConfigError::Invalid(format!("{}: {reason}", self.field).into());
        let uri: Uri = self.url.parse().map_err(|_| invalid("it is no URL"))?;
        let is_secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(invalid("only http and https can be spoken")),
        };
        let authority = uri.authority().ok_or_else(|| invalid("missing host in url"))?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| invalid("missing host in url"))?;
        if authority.as_str().contains('@') {
            return Err(invalid("a user in it would be shown: leave it out"));
        }
        if authority.as_str().len() > host.len() && authority.port_u16().is_none() {
            return Err(invalid("its port is no number from 0 to 65535"));
        }
        if is_secure {
            net::server_name(host).map_err(|_| invalid("its host is no name that a certificate could have"))?;
        }
        let endpoint = Endpoint {
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(if is_secure { 443 } else { 80 }),
            tls: is_secure.then_some(Tls { verifies: true, server_name: None }),
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok((endpoint, self.head(if path.starts_with('/') { path } else { "/" }, authority.as_str())?))
    }

    fn head(&self, path: &str, authority: &str) -> Result<String, ConfigError> {
        let mut head = format!("POST {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: crossfade\r\n");
        let mut content_type = self.content_type;
        for (name, value) in self.headers.into_iter().flatten() {
            checks::free_header_name("headers", name)?;
            checks::header_value("headers", value)?;
            if name.eq_ignore_ascii_case("content-type") {
                content_type = value;
            } else if !name.eq_ignore_ascii_case("user-agent") {
                let _ = write!(head, "{name}: {value}\r\n");
            }
        }
        let _ = write!(head, "Content-Type: {content_type}\r\n");
        Ok(head)
    }
}

#[derive(Debug)]
struct Post {
    target: Target,
    head: String,
    timeout: Duration,
    body: Box<dyn Body>,
}

impl Sink for Post {
    fn send(&self, batch: &[Vec<u8>], end: Option<Instant>) -> Result<(), String> {
        let body = self.body.of(batch);
        let mut request = format!("{}Content-Length: {}\r\n\r\n", self.head, body.len()).into_bytes();
        request.extend_from_slice(&body);
        let own = Instant::now() + self.timeout;
        match call(&self.target, &request, LONGEST_ANSWER, end.map_or(own, |end| end.min(own))) {
            Ok(answer) if self.body.takes(answer.status) => Ok(()),
            Ok(answer) => Err(format!("it answered {}", answer.status)),
            Err(error) => Err(error.to_string()),
        }
    }
}
