//! The plugin tcp-log: records as lines on a TCP connection (kong.md §5.21).

use crate::error::ConfigError;
use crate::net::{Endpoint, Tls};
use crate::plugins::Plugin;
use crate::plugins::recorder::recorder;
use crate::sinks::milliseconds;
use crate::sinks::queue::{Queue, Settings, Sink};
use crate::sinks::stream::Lines;
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
struct Config {
    host: String,
    port: u16,
    timeout: f64,
    keepalive: f64,
    tls: bool,
    tls_sni: Option<String>,
    ssl_verify: bool,
    custom_fields_by_lua: Option<Map<String, Value>>,
}

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    let key = config.to_string();
    let config: Config = serde_json::from_value(config)?;
    let endpoint = Endpoint {
        host: config.host,
        port: config.port,
        tls: config.tls.then_some(Tls { verifies: config.ssl_verify, server_name: config.tls_sni }),
    };
    let place = endpoint.to_string();
    let (timeout, keepalive) = (milliseconds(config.timeout), milliseconds(config.keepalive));
    let sink = || -> Box<dyn Sink> { Box::new(Lines { endpoint, timeout, keepalive }) };
    let queue = Queue::of("tcp-log", &key, &place, &Settings::default(), sink);
    recorder("tcp-log", config.custom_fields_by_lua.as_ref(), queue)
}
