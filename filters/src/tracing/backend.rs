//! Where spans go: one request over HTTP for each batch of the queue.

use crate::error::ConfigError;
use crate::http_call::Target;
use crate::plugins::recording::RawQueue;
use crate::sinks::http::{Body, Http, Place};
use crate::sinks::milliseconds;
use crate::sinks::queue::Queue;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// As long as an idle connection of Kong's lasts.
const KEEPALIVE: Duration = Duration::from_secs(60);

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
        [self.connect_timeout, self.send_timeout, self.read_timeout].map(milliseconds).iter().sum()
    }
}

/// What a plugin says of its backend.
pub struct Backend<'a> {
    pub plugin: &'static str,
    /// By which its queue is found again when the configuration is read anew.
    pub key: String,
    pub field: &'static str,
    pub url: &'a str,
    /// Unless `headers` say otherwise.
    pub content_type: &'static str,
    pub headers: Option<&'a BTreeMap<String, String>>,
    pub timeouts: &'a Timeouts,
    pub queue: &'a RawQueue,
}

impl Backend<'_> {
    pub fn queue(&self, body: impl Body + 'static) -> Result<Arc<Queue>, ConfigError> {
        let place = Place::parse(self.field, self.url)?;
        if place.user.is_some() {
            let reason = format!("{}: a user in it would be shown: leave it out", self.field);
            return Err(ConfigError::Invalid(reason.into()));
        }
        let given = self.headers.into_iter().flatten().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let head = place.head("POST", given.map_or(self.content_type, |(_, value)| value), self.headers)?;
        let (told, settings) = (place.endpoint.to_string(), self.queue.settings());
        let target = Target { endpoint: place.endpoint, keepalive: KEEPALIVE };
        let sink = Http { target, head, timeout: self.timeouts.sum(), body: Box::new(body) };
        Ok(Queue::of(self.plugin, &self.key, &told, &settings, || Box::new(sink)))
    }
}
