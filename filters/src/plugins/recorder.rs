//! Plugins that write records and do nothing else; they differ in where a record goes and what stands before it.

use crate::ended::Ended;
use crate::error::ConfigError;
use crate::exchange::Note;
use crate::plugins::recording::Recording;
use crate::plugins::{Asks, Plugin};
use crate::sinks::queue::Queue;
use serde_json::{Map, Value};
use std::fmt::Debug;
use std::sync::Arc;

/// Where the record of a request goes.
pub trait Place: Debug + Send + Sync {
    fn take(&self, ended: &Ended<'_, '_>, recording: &Recording);
}

/// Records as they are.
impl Place for Arc<Queue> {
    fn take(&self, ended: &Ended<'_, '_>, recording: &Recording) {
        recording.queue(ended, self, b"");
    }
}

#[derive(Debug)]
struct Recorder<P> {
    recording: Recording,
    place: P,
}

pub fn recorder(
    plugin: &'static str,
    custom_fields: Option<&Map<String, Value>>,
    place: impl Place + 'static,
) -> Result<Box<dyn Plugin>, ConfigError> {
    Ok(Box::new(Recorder { recording: Recording::parse(plugin, custom_fields)?, place }))
}

impl<P: Place> Plugin for Recorder<P> {
    fn has_log_phase(&self) -> bool {
        true
    }

    fn asks(&self) -> Asks {
        Asks::Everything
    }

    fn remembers_request(&self) -> bool {
        self.recording.remembers_request()
    }

    fn on_log(&self, ended: &Ended<'_, '_>, _: &Note) {
        self.place.take(ended, &self.recording);
    }
}
