//! The proxy's log, for what no request can be told; silent where there is none.

use std::sync::OnceLock;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Debug,
    Info,
    Warning,
    Error,
}

static SINK: OnceLock<fn(Level, &str)> = OnceLock::new();

/// The first one stays. It may be called from any thread.
pub fn set_sink(sink: fn(Level, &str)) {
    let _ = SINK.set(sink);
}

pub fn tell(level: Level, text: &str) {
    if let Some(sink) = SINK.get() {
        sink(level, text);
    }
}
