//! The plugin file-log: a line of a file for each request (kong.md §5.21).

use crate::ended::Ended;
use crate::error::ConfigError;
use crate::plugins::Plugin;
use crate::plugins::recorder::{Place, recorder};
use crate::plugins::recording::Recording;
use crate::sinks::file::LogFile;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::sync::Arc;

#[derive(Debug)]
struct File {
    file: Arc<LogFile>,
    reopens: bool,
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
    let file = File { file: LogFile::at(&config.path), reopens: config.reopen };
    recorder("file-log", config.custom_fields_by_lua.as_ref(), file)
}

impl Place for File {
    fn take(&self, ended: &Ended<'_, '_>, recording: &Recording) {
        if let Some(line) = recording.line(ended) {
            self.file.append(&line, ended.ended_ms(), self.reopens);
        }
    }
}
