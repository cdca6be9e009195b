//! The plugin udp-log: a datagram for each record (kong.md §5.21).

use crate::error::ConfigError;
use crate::plugins::Plugin;
use crate::plugins::recorder::recorder;
use crate::plugins::recording::once;
use crate::sinks::datagrams::Udp;
use crate::sinks::queue::{Queue, Sink};
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
struct Config {
    host: String,
    port: u16,
    custom_fields_by_lua: Option<Map<String, Value>>,
}

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    let key = config.to_string();
    let config: Config = serde_json::from_value(config)?;
    let place = format!("{}:{}", config.host, config.port);
    let sink = || -> Box<dyn Sink> { Box::new(Udp::new(&config.host, config.port, None)) };
    let queue = Queue::of("udp-log", &key, &place, &once(), sink);
    recorder("udp-log", config.custom_fields_by_lua.as_ref(), queue)
}
