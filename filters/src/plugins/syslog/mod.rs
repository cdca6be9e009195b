//! The plugin syslog: records in the system's log (RFC 3164) (kong.md §5.21).

use crate::clock::Utc;
use crate::ended::Ended;
use crate::error::ConfigError;
use crate::exchange::Note;
use crate::plugins::Plugin;
use crate::plugins::recording::{Recording, Severities};
use crate::sinks::datagrams::SystemLog;
use crate::sinks::queue::{Queue, Settings, Sink};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::sync::Arc;

/// Where programs of this machine write to.
const SOCKET: &str = "/dev/log";
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Facility {
    Kern,
    User,
    Mail,
    Daemon,
    Auth,
    Syslog,
    Lpr,
    News,
    Uucp,
    Cron,
    Authpriv,
    Ftp,
    Local0 = 16,
    Local1,
    Local2,
    Local3,
    Local4,
    Local5,
    Local6,
    Local7,
}

#[derive(Debug)]
struct Syslog {
    queue: Arc<Queue>,
    recording: Recording,
    severities: Severities,
    facility: Facility,
}

#[derive(Deserialize)]
struct Config {
    facility: Facility,
    #[serde(flatten)]
    severities: Severities,
    custom_fields_by_lua: Option<Map<String, Value>>,
}

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    let config: Config = serde_json::from_value(config)?;
    // One socket for all: what differs stands in each message.
    let sink = || -> Box<dyn Sink> { Box::new(SystemLog::new(SOCKET)) };
    Ok(Box::new(Syslog {
        queue: Queue::of("syslog", "", SOCKET, &Settings::default(), sink),
        recording: Recording::parse("syslog", config.custom_fields_by_lua.as_ref())?,
        severities: config.severities,
        facility: config.facility,
    }))
}

impl Plugin for Syslog {
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
        let Some(severity) = self.severities.of(ended.told_status()) else { return };
        let Utc { month, day, hour, minute, second, .. } = Utc::of(ended.ended_ms().div_euclid(1000));
        let month = usize::try_from(month - 1).ok().and_then(|place| MONTHS.get(place)).unwrap_or(&"Jan");
        let before = format!(
            "<{}>{month} {day:2} {hour:02}:{minute:02}:{second:02} kong[{}]: ",
            self.facility as u32 * 8 + severity.number(),
            std::process::id()
        );
        self.recording.queue(ended, &self.queue, before.as_bytes());
    }
}
