//! Counters that gateways share in Redis, under Kong's own keys: a Kong beside them counts in the same ones (kong.md §5.2.4).

use super::counters::{Limits, Usage};
use super::windows::{PERIODS, Period};
use crate::error::ConfigError;
use crate::redis::{Answer, Client, Commands, Found, Key, RawStore, client};
use crate::text::decimal;
use crate::waiting::{Outcome, Wait};
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug)]
pub struct SharedCounters {
    client: Arc<Client>,
    /// None: each request is counted in Redis before it goes on.
    sync_rate: Option<Duration>,
}

/// What becomes of a request that is to be counted.
pub enum Begun {
    Counted(Usage),
    Asked(Wait, Asked),
}

/// What Redis was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    ToCount,
    HowMany,
}

/// Counts, and gives the number before. The first one in a window says how long the counter lives, as Kong does it.
const COUNT: &[u8] = b"local n=redis.call('INCR',KEYS[1]) \
    if n==1 then redis.call('EXPIRE',KEYS[1],ARGV[1]) end return n-1";

/// Of Kong's `sync_rate`, in seconds (kong.md §5.2.1).
const SOONEST: f64 = 0.02;
/// No thread waits for longer; windows of a year end in time.
const LATEST: f64 = 86_400.0;

impl SharedCounters {
    pub fn parse(redis: Option<RawStore>, sync_rate: f64) -> Result<Self, ConfigError> {
        let redis = redis.ok_or(ConfigError::Invalid("redis is missing: policy redis needs it".into()))?;
        let store = redis.checked()?;
        #[allow(clippy::float_cmp)] // Kong's own word for it
        let is_realtime = sync_rate == -1.0;
        if !is_realtime && (sync_rate.is_nan() || sync_rate < SOONEST) {
            return Err(ConfigError::Invalid("sync_rate must be greater than 0.02, or -1 to disable".into()));
        }
        let sync_rate = (!is_realtime).then(|| Duration::from_secs_f64(sync_rate.min(LATEST)));
        Ok(Self { client: client(store), sync_rate })
    }

    pub fn begin(&self, limits: &Limits, keys: &[Key], now_s: i64) -> Begun {
        let Some(rate) = self.sync_rate else { return Begun::Asked(self.count(limits, keys), Asked::ToCount) };
        match self.client.find(keys, now_s) {
            Found::Known(used) => Begun::Counted(self.count_here(limits, keys, &used, now_s, rate)),
            Found::Unknown => {
                let ask = |commands: Commands, key: &Key| commands.with(&[b"GET", &key.name]);
                Begun::Asked(self.client.ask(keys.iter().fold(Commands::default(), ask)), Asked::HowMany)
            }
            Found::Full => Begun::Asked(self.count(limits, keys), Asked::ToCount),
        }
    }

    /// None: Redis did not answer as it should.
    pub fn end(
        &self,
        limits: &Limits,
        keys: &[Key],
        now_s: i64,
        (is_counted, outcome): (bool, Outcome),
    ) -> Option<Usage> {
        let replies = outcome.into::<Answer>().ok()?.ok()?;
        let used: Vec<i64> = replies.iter().map(|reply| reply.count().ok()).collect::<Option<_>>()?;
        if used.len() != keys.len() {
            return None;
        }
        let Some(rate) = self.sync_rate.filter(|_| !is_counted) else { return Some(usage(limits, &used, now_s)) };
        self.client.learn(keys, &used);
        match self.client.find(keys, now_s) {
            Found::Known(used) => Some(self.count_here(limits, keys, &used, now_s, rate)),
            Found::Unknown | Found::Full => None,
        }
    }

    fn count(&self, limits: &Limits, keys: &[Key]) -> Wait {
        let ask = |commands: Commands, (period, key): (Period, &Key)| {
            let lives_s = decimal(period.length_s().unsigned_abs());
            commands.with(&[b"EVAL", COUNT, b"1", &key.name, &lives_s])
        };
        self.client.ask(limited(limits).zip(keys).fold(Commands::default(), ask))
    }

    fn count_here(&self, limits: &Limits, keys: &[Key], used: &[i64], now_s: i64, rate: Duration) -> Usage {
        let usage = usage(limits, used, now_s);
        if !usage.blocked {
            self.client.add(keys, rate);
        }
        usage
    }
}

fn limited(limits: &Limits) -> impl Iterator<Item = Period> {
    PERIODS.into_iter().filter(|period| limits[period.index()].is_some())
}

/// One for each limited period, in their order.
pub fn keys(limits: &Limits, scope: &str, identifier: &[u8], now_s: i64) -> Vec<Key> {
    let key = |period: Period| {
        let start_s = period.start_s(now_s);
        let end = format!(":{}:{}", start_s * 1000, period.name());
        let name = [b"ratelimit:", scope.as_bytes(), b":", identifier, end.as_bytes()].concat();
        Key { name: name.into(), expires_s: period.end_s(start_s) }
    };
    limited(limits).map(key).collect()
}

fn usage(limits: &Limits, used: &[i64], now_s: i64) -> Usage {
    let mut remaining = [None; PERIODS.len()];
    for (period, used) in limited(limits).zip(used) {
        #[allow(clippy::cast_precision_loss)] // nobody counts that far
        let left = limits[period.index()].unwrap_or_default() - *used as f64;
        remaining[period.index()] = Some(left);
    }
    Usage { now_s, remaining, blocked: remaining.iter().flatten().any(|left| *left <= 0.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_kongs() {
        let limits = [None, Some(3.0), None, None, Some(9.0), None];
        // 2024-02-29T13:14:15Z
        let keys = keys(&limits, "r:s", b"192.0.2.1", 1_709_212_455);
        let shown: Vec<_> = keys.iter().map(|key| (std::str::from_utf8(&key.name).unwrap(), key.expires_s)).collect();
        assert_eq!(
            shown,
            [
                ("ratelimit:r:s:192.0.2.1:1709212440000:minute", 1_709_212_500),
                ("ratelimit:r:s:192.0.2.1:1706745600000:month", 1_709_251_200),
            ]
        );
    }

    #[test]
    fn what_is_left_is_what_was_left_before() {
        let limits = [None, Some(3.0), Some(5.0), None, None, None];
        for (used, left, blocked) in
            [([0, 0], [3.0, 5.0], false), ([2, 4], [1.0, 1.0], false), ([9, 4], [-6.0, 1.0], true)]
        {
            let usage = usage(&limits, &used, 0);
            assert_eq!(usage.remaining[1..3], left.map(Some));
            assert_eq!(usage.blocked, blocked);
        }
    }
}
