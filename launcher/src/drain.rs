//! How long the last requests are waited for.

use std::time::Duration;

use crate::admin::Traffic;

/// As long as requests still come, somebody has not heard yet that this proxy goes.
const QUIET: Duration = Duration::from_secs(1);

/// Asked again and again until nobody comes any more; `least` and `longest` bound the time.
#[derive(Debug)]
pub struct LastRequests {
    earliest_end: Duration,
    deadline: Duration,
    seen: Option<u64>,
    quiet_since: Duration,
}

impl LastRequests {
    pub fn new(least: Duration, longest: Duration, now: Duration) -> LastRequests {
        LastRequests { earliest_end: now + least.min(longest), deadline: now + longest, seen: None, quiet_since: now }
    }

    pub fn is_due(&self, now: Duration) -> bool {
        now >= self.deadline
    }

    /// No request is in flight and none came for a while. An Envoy that tells nothing (`None`) cannot tell when to end
    /// either.
    pub fn are_over(&mut self, traffic: Option<Traffic>, now: Duration) -> bool {
        let Some(traffic) = traffic else { return true };
        if traffic.active > 0 || self.seen.is_some_and(|seen| seen != traffic.seen) {
            self.quiet_since = now;
        }
        self.seen = Some(traffic.seen);
        now >= self.earliest_end && now - self.quiet_since >= QUIET
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(value: u64) -> Duration {
        Duration::from_millis(value)
    }

    fn seen(active: u64, seen: u64) -> Option<Traffic> {
        Some(Traffic { active, seen })
    }

    #[test]
    fn quiet_for_a_while_is_over() {
        let mut last = LastRequests::new(ms(0), ms(20_000), ms(100));
        for (at, traffic, is_over) in [
            (100, seen(0, 5), false),
            (900, seen(0, 6), false),
            (1_800, seen(1, 6), false),
            (2_700, seen(0, 6), false),
            (2_799, seen(0, 6), false),
            (2_800, seen(0, 6), true),
        ] {
            assert_eq!(last.are_over(traffic, ms(at)), is_over, "{at}");
        }
    }

    #[test]
    fn the_least_time_is_waited_though_nobody_comes() {
        let mut last = LastRequests::new(ms(5_000), ms(20_000), ms(0));
        assert!(!last.are_over(seen(0, 0), ms(4_999)));
        assert!(last.are_over(seen(0, 0), ms(5_000)));
    }

    #[test]
    fn the_longest_time_bounds_all() {
        let last = LastRequests::new(ms(30_000), ms(20_000), ms(7));
        assert!(!last.is_due(ms(20_006)));
        assert!(last.is_due(ms(20_007)));
        assert_eq!(last.earliest_end, ms(20_007));
    }

    #[test]
    fn an_envoy_that_tells_nothing_is_not_waited_for() {
        assert!(LastRequests::new(ms(5_000), ms(20_000), ms(0)).are_over(None, ms(1)));
    }
}
