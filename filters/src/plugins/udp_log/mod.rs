//! The plugin udp-log: a datagram for each record (kong.md §5.21).

use crate::ended::Ended;
use crate::error::ConfigError;
use crate::exchange::Note;
use crate::plugins::Plugin;
use crate::plugins::recording::{Recording, once};
use crate::sinks::datagrams::Udp;
use crate::sinks::queue::{Queue, Sink};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::sync::Arc;

#[derive(Debug)]
struct UdpLog {
    queue: Arc<Queue>,
    recording: Recording,
}

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
    Ok(Box::new(UdpLog {
        queue: Queue::of("udp-log", &key, &place, &once(), sink),
        recording: Recording::parse("udp-log", config.custom_fields_by_lua.as_ref())?,
    }))
}

impl Plugin for UdpLog {
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
