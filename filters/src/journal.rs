//! The proxy's log, for what no request can be told; silent where there is none.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

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

static IS_SILENT: AtomicBool = AtomicBool::new(false);

/// For the end of the process, when there is no log any more.
#[cfg(not(test))]
pub fn fall_silent() {
    IS_SILENT.store(true, Ordering::Relaxed);
}

pub fn tell(level: Level, text: &str) {
    if let Some(sink) = SINK.get().filter(|_| !IS_SILENT.load(Ordering::Relaxed)) {
        sink(level, text);
    }
}
