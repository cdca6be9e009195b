//! The plugin file-log: a line of a file for each request (kong.md §5.21).

use crate::ended::Ended;
use crate::error::ConfigError;
use crate::exchange::Note;
use crate::plugins::Plugin;
use crate::plugins::recording::Recording;
use crate::sinks::file::LogFile;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::sync::Arc;

#[derive(Debug)]
struct FileLog {
    file: Arc<LogFile>,
    reopens: bool,
    recording: Recording,
}

#[derive(Deserialize)]
struct Config {
    path: String,
    #[serde(default)]
    reopen: bool,
    custom_fields_by_lua: Option<Map<String, Value>>,
}

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    let config: Config = serde_json::from_value(config)?;
    if config.path.is_empty() || config.path.contains('\0') {
        return Err(ConfigError::Invalid("path: not a valid filename".into()));
    }
    Ok(Box::new(FileLog {
        file: LogFile::at(&config.path),
        reopens: config.reopen,
        recording: Recording::parse("file-log", config.custom_fields_by_lua.as_ref())?,
    }))
}

impl Plugin for FileLog {
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
        if let Some(line) = self.recording.line(ended) {
            self.file.append(&line, self.reopens);
        }
    }
}
