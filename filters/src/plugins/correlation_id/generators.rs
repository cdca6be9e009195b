//! How ids are made.

use crate::exchange::Exchange;
use crate::text::{Text, decimal};
use serde::Deserialize;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Generator {
    #[serde(rename = "uuid")]
    Uuid,
    /// A UUID of this process and the number of the id.
    #[default]
    #[serde(rename = "uuid#counter")]
    Counter,
    /// Where and when the request came in: `address-port-process-connection-number-time`.
    #[serde(rename = "tracker")]
    Tracker,
}

static PROCESS: LazyLock<Text> = LazyLock::new(uuid);
static COUNTED: AtomicU64 = AtomicU64::new(0);
static TRACKED: AtomicU64 = AtomicU64::new(0);

impl Generator {
    pub fn make(self, exchange: &Exchange<'_, '_>) -> Text {
        match self {
            Self::Uuid => uuid(),
            Self::Counter => {
                let mut id = PROCESS.clone();
                id.push(b'#');
                id.extend_from_slice(&next(&COUNTED));
                id
            }
            Self::Tracker => {
                let (request, now_ms) = (exchange.request, exchange.now_ms());
                let address = request.local_address().unwrap_or_default();
                let (port, process) = (request.local_port, std::process::id());
                let connection = request.connection.id().unwrap_or_default();
                let number = String::from_utf8_lossy(&next(&TRACKED)).into_owned();
                let (seconds, rest) = (now_ms.div_euclid(1000), now_ms.rem_euclid(1000));
                let id = format!("{address}-{port}-{process}-{connection}-{number}-{seconds}.{rest:03}");
                Text::from_slice(id.as_bytes())
            }
        }
    }
}

/// Counts from 1.
fn next(counter: &AtomicU64) -> Text {
    decimal(counter.fetch_add(1, Ordering::Relaxed).wrapping_add(1))
}

/// Version 4: random.
fn uuid() -> Text {
    const VERSION: u128 = 4 << 76;
    const VARIANT: u128 = 2 << 62;
    let random = fastrand::u128(..) & !(0xf << 76) & !(3 << 62) | VERSION | VARIANT;
    let mut digits = [0; 32];
    // Both arrays have fixed, fitting lengths.
    let _ = hex::encode_to_slice(random.to_be_bytes(), &mut digits);
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    Text::from_slice(&parts.join(&b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_random_ones() {
        let pattern =
            regex::Regex::new("^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$").unwrap();
        let (one, other) = (uuid(), uuid());
        assert_ne!(one, other);
        for uuid in [one, other] {
            assert!(pattern.is_match(std::str::from_utf8(&uuid).unwrap()), "{uuid:?}");
        }
    }
}
