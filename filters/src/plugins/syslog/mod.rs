//! The plugin syslog: records in the system's log (RFC 3164) (kong.md §5.21).

use crate::clock::Utc;
use crate::ended::Ended;
use crate::error::ConfigError;
use crate::plugins::Plugin;
use crate::plugins::recorder::{Place, recorder};
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
    let syslog = Syslog {
        queue: Queue::of("syslog", "", SOCKET, &Settings::default(), sink),
        severities: config.severities,
        facility: config.facility,
    };
    recorder("syslog", config.custom_fields_by_lua.as_ref(), syslog)
}

impl Place for Syslog {
    fn take(&self, ended: &Ended<'_, '_>, recording: &Recording) {
        let Some(severity) = self.severities.of(ended.told_status()) else { return };
        let Utc { month, day, hour, minute, second, .. } = Utc::of(ended.ended_ms().div_euclid(1000));
        let month = usize::try_from(month - 1).ok().and_then(|place| MONTHS.get(place)).unwrap_or(&"Jan");
        let before = format!(
            "<{}>{month} {day:2} {hour:02}:{minute:02}:{second:02} kong[{}]: ",
            self.facility as u32 * 8 + severity.number(),
            std::process::id()
        );
        recording.queue(ended, &self.queue, before.as_bytes());
    }
}
