//! The plugin loggly: records as Loggly takes them, over UDP in syslog's form (RFC 5424) (kong.md §5.21).

use crate::clock::Utc;
use crate::ended::Ended;
use crate::error::ConfigError;
use crate::plugins::Plugin;
use crate::plugins::recorder::{Place, recorder};
use crate::plugins::recording::{Recording, Severities, once};
use crate::sinks::datagrams::Udp;
use crate::sinks::host_name;
use crate::sinks::queue::{Queue, Sink};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;

/// Of messages of users.
const FACILITY: u32 = 1;
/// Loggly's number, by which it finds its key.
const ENTERPRISE: &str = "41058";

struct Marks(Box<str>);

impl fmt::Debug for Marks {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("***")
    }
}

#[derive(Debug)]
struct Loggly {
    queue: Arc<Queue>,
    severities: Severities,
    /// The key and the tags.
    marks: Marks,
    host_name: Box<str>,
}

#[derive(Deserialize)]
struct Config {
    host: String,
    port: u16,
    key: String,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(flatten)]
    severities: Severities,
    custom_fields_by_lua: Option<Map<String, Value>>,
}

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    let key = config.to_string();
    let config: Config = serde_json::from_value(config)?;
    let is_plain =
        |text: &String| text.chars().all(|character| character.is_ascii_graphic() && !r#""]\"#.contains(character));
    if !is_plain(&config.key) || config.key.is_empty() || !config.tags.iter().all(is_plain) {
        return Err(ConfigError::Invalid(
            "key, tags: letters, digits and marks but quotes, brackets and spaces".into(),
        ));
    }
    let tags: Vec<_> = config.tags.iter().map(|tag| format!("tag=\"{tag}\"")).collect();
    let place = format!("{}:{}", config.host, config.port);
    let sink = || -> Box<dyn Sink> { Box::new(Udp::new(&config.host, config.port, None)) };
    let loggly = Loggly {
        queue: Queue::of("loggly", &key, &place, &once(), sink),
        severities: config.severities,
        marks: Marks(format!("[{}@{ENTERPRISE} {}]", config.key, tags.join(" ")).into()),
        host_name: host_name().into(),
    };
    recorder("loggly", config.custom_fields_by_lua.as_ref(), loggly)
}

impl Place for Loggly {
    fn take(&self, ended: &Ended<'_, '_>, recording: &Recording) {
        let Some(severity) = self.severities.of(ended.told_status()) else { return };
        let Utc { year, month, day, hour, minute, second } = Utc::of(ended.ended_ms().div_euclid(1000));
        let before = format!(
            "<{}>1 {year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z {} kong - - {} ",
            FACILITY * 8 + severity.number(),
            self.host_name,
            self.marks.0
        );
        recording.queue(ended, &self.queue, before.as_bytes());
    }
}
