//! How ids are made.

use crate::exchange::Exchange;
use crate::text::{Text, decimal, uuid};
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
