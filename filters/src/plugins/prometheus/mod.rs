//! The plugin prometheus: counts requests for the page of metrics (kong.md §5.20).

use crate::ended::Ended;
use crate::error::ConfigError;
use crate::exchange::Note;
use crate::metrics::{SESSIONS, STORE, Seen, Wanted};
use crate::plugins::Plugin;
use crate::sessions::Session;
use crate::tables::Compat;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// As nginx logs a client that has gone before there was an answer.
const CLIENT_GONE: u16 = 499;

#[derive(Debug, Default, Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "Kong's configuration is that")]
#[serde(default)]
pub struct Prometheus {
    per_consumer: bool,
    status_code_metrics: bool,
    latency_metrics: bool,
    bandwidth_metrics: bool,
    upstream_health_metrics: bool,
}

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    Ok(Box::new(serde_json::from_value::<Prometheus>(config)?))
}

impl Prometheus {
    /// Kong 2.1's plugin had no options, and counted everything.
    fn wanted(&self, compat: Compat) -> Wanted {
        let old = compat == Compat::Kong21;
        Wanted {
            status: self.status_code_metrics || old,
            latency: self.latency_metrics || old,
            bandwidth: self.bandwidth_metrics || old,
            old,
        }
    }
}

impl Plugin for Prometheus {
    fn has_log_phase(&self) -> bool {
        true
    }

    fn shows_upstreams(&self, compat: Compat) -> bool {
        self.upstream_health_metrics || compat == Compat::Kong21
    }

    /// A request that no route takes is not counted.
    fn on_log(&self, ended: &Ended<'_, '_>, _: &Note) {
        let Some(names) = ended.route.and_then(|route| route.names.as_ref()) else { return };
        let consumer = ended.who.consumer.as_ref().filter(|_| self.per_consumer);
        let seen = Seen {
            service: &names.service,
            route: &names.route,
            consumer: consumer.and_then(|consumer| consumer.username.as_deref()).unwrap_or_default(),
            code: if ended.status == 0 { CLIENT_GONE } else { ended.status },
            by_service: ended.by_service,
            request_bytes: ended.request_bytes,
            response_bytes: ended.response_bytes,
            request_ms: whole_ms(ended.times.total),
            kong_ms: whole_ms(ended.times.gateway),
            upstream_ms: ended.times.upstream.map(whole_ms),
        };
        STORE.record(&seen, self.wanted(ended.world.settings.compat));
    }

    /// Kong counts no bytes of streams, whatever the plugin asks for, and its 2.1 no streams at all.
    fn on_session(&self, session: &Session<'_>) {
        let seen = Seen {
            service: session.service,
            route: session.route,
            consumer: "",
            code: session.status,
            by_service: true,
            request_bytes: 0,
            response_bytes: 0,
            request_ms: whole_ms(session.duration),
            kong_ms: 0,
            upstream_ms: None,
        };
        let wanted = Wanted { status: self.status_code_metrics, latency: self.latency_metrics, ..Wanted::default() };
        if wanted != Wanted::default() {
            SESSIONS.record(&seen, wanted);
        }
    }
}

fn whole_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
