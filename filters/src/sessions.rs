//! What a stream's route has had: a connection, or the datagrams between a client's address and an endpoint, once it has
//! ended. Of the plugins only those hear of it that count.

use crate::error::ConfigError;
use crate::tables::World;
use serde::Deserialize;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// As nginx logs a session that has ended, whoever ended it.
const ENDED: u16 = 200;
/// No endpoint could be chosen, or reached.
const NOT_REACHED: u16 = 502;
/// Envoy's flags UH, UO, URX, NC, DO and UDO, a bit each in its own order. UF is told of a try after which another may
/// have succeeded, URX once none has.
const NOT_REACHED_FLAGS: u64 = 1 << 1 | 1 << 7 | 1 << 15 | 1 << 24 | 1 << 27 | 1 << 29;

/// Whose sessions an access log tells of; the plugins of the route stand in the tables.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct Place {
    route: Box<str>,
    service: Box<str>,
}

/// One that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Session<'a> {
    pub route: &'a str,
    pub service: &'a str,
    pub status: u16,
    pub duration: Duration,
}

impl Place {
    pub fn parse(json: &str) -> Result<Self, ConfigError> {
        Ok(serde_json::from_str(json)?)
    }

    /// `flags` are Envoy's.
    pub fn end(&self, world: &World, flags: u64, duration: Duration) {
        let Some(instance) = world.counts_sessions_of(&self.route) else { return };
        let status = if flags & NOT_REACHED_FLAGS == 0 { ENDED } else { NOT_REACHED };
        instance.plugin.on_session(&Session { route: &self.route, service: &self.service, status, duration });
    }
}

/// Both in nanoseconds; `complete` is negative where Envoy notes no end, as it does for datagrams.
pub fn lasted(start_unix: i64, complete: i64, now: SystemTime) -> Duration {
    if let Ok(nanoseconds) = u64::try_from(complete) {
        return Duration::from_nanos(nanoseconds);
    }
    let start = UNIX_EPOCH + Duration::from_nanos(u64::try_from(start_unix).unwrap_or_default());
    now.duration_since(start).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_without_an_end_of_their_own_end_now() {
        let now = UNIX_EPOCH + Duration::from_nanos(5_000);
        for (complete, expected) in [(7, 7), (0, 0), (-1, 3_000)] {
            assert_eq!(lasted(2_000, complete, now), Duration::from_nanos(expected));
        }
        assert_eq!(lasted(9_000, -1, now), Duration::ZERO);
    }
    use crate::metrics::SESSIONS;
    use crate::tables::testing::world_with;
    use serde_json::json;
    use std::collections::HashSet;

    fn counted(route: &str, config: &serde_json::Value, flags: &[u64]) -> Vec<(u16, u64)> {
        let instances = json!({"instances": [{"id": "p", "plugin": "prometheus", "config": config}]});
        let world = world_with(&json!({"sessions": {route: "p"}}), &instances);
        let place = Place::parse(&json!({"route": route, "service": "shop.db.5432"}).to_string()).unwrap();
        for one in flags {
            place.end(&world, *one, Duration::from_millis(30));
        }
        let groups = SESSIONS.all(&HashSet::from([route]));
        let found = groups.iter().filter(|group| &*group.route == route).flat_map(|group| group.consumers.values());
        found.flat_map(|counts| counts.codes.iter().map(|((code, _), count)| (*code, *count))).collect()
    }

    #[test]
    fn who_could_not_be_reached_is_a_status_of_its_own() {
        let config = json!({"status_code_metrics": true});
        // Nothing, SI, DC, UC and UF; then UF with URX, UH and NC.
        let flags = [0, 1 << 16, 1 << 14, 1 << 6, 1 << 5, 1 << 5 | 1 << 15, 1 << 1, 1 << 24];
        assert_eq!(counted("shop.reached.0", &config, &flags), [(200, 5), (502, 3)]);
    }

    #[test]
    fn without_a_plugin_that_wants_it_nothing_is_counted() {
        assert_eq!(counted("shop.unwanted.0", &json!({"bandwidth_metrics": true}), &[0]), []);
        let place = Place::parse(r#"{"route": "shop.other.0", "service": "s"}"#).unwrap();
        place.end(&world_with(&json!({}), &json!({})), 0, Duration::ZERO);
        assert!(!SESSIONS.all(&HashSet::new()).iter().any(|group| &*group.route == "shop.other.0"));
    }
}
