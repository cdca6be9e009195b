//! Where log plugins write records to, and what becomes of those that do not get there. Nothing here slows a request.

pub mod datagrams;
pub mod file;
pub mod http;
pub mod losses;
pub mod queue;
pub mod stream;

use std::time::{Duration, Instant};

/// Of this machine, or pod.
pub fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "-".to_owned() } else { name.to_owned() }
}

/// What a place may take, whatever a configuration says.
const LONGEST_MS: f64 = 3_600_000.0;

/// Of milliseconds, as Kong's plugins have them; numbers out of reach are the nearest ones within.
pub fn milliseconds(given: f64) -> Duration {
    Duration::from_secs_f64(given.clamp(1.0, LONGEST_MS) / 1000.0)
}

/// When a try must be over: after the timeout, or at the end of everything.
fn deadline(timeout: Duration, end: Option<Instant>) -> Instant {
    let own = Instant::now() + timeout;
    end.map_or(own, |end| end.min(own))
}
