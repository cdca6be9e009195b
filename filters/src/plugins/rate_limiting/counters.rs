//! Process-wide request counters: exact over all workers, kept over configuration changes, bounded in memory.
//!
//! Check and count of all windows of one identifier happen under one lock, and the clock is read under that lock, so
//! that requests of one identifier see time in the order in which they are counted.

use super::windows::{PERIODS, Period};
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Mutex, PoisonError};

const SHARDS: usize = 64;
/// About a million identifiers in all; the soonest to expire go first when they are exceeded.
const SHARD_CAPACITY: usize = 16_384;
const SWEEP_EVERY: usize = 1_024;

pub type Limits = [Option<f64>; PERIODS.len()];

/// What one request found: for each limited period what is left, before this request is counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    pub now_s: i64,
    pub remaining: [Option<f64>; PERIODS.len()],
    pub blocked: bool,
}

#[derive(Clone, Copy, Default)]
struct Window {
    start_s: i64,
    used: f64,
}

#[derive(Default)]
struct Entry {
    windows: [Window; PERIODS.len()],
    /// End of the last window in which something is counted.
    expires_s: i64,
}

#[derive(Default)]
struct Shard {
    entries: HashMap<Box<[u8]>, Entry>,
    inserted: usize,
}

pub struct Counters {
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
}

impl Counters {
    pub fn new() -> Self {
        Self { hasher: RandomState::new(), shards: std::array::from_fn(|_| Mutex::default()) }
    }

    /// Counts one request in all limited periods, or in none if one of them is used up.
    pub fn count(&self, key: &[u8], limits: &Limits, now_ms: impl FnOnce() -> i64) -> Usage {
        let place = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or_default();
        let mut shard = self.shards[place].lock().unwrap_or_else(PoisonError::into_inner);
        let now_s = now_ms().div_euclid(1000);
        if let Some(entry) = shard.entries.get_mut(key) {
            return entry.count(limits, now_s);
        }
        shard.make_room(now_s);
        shard.entries.entry(key.into()).or_default().count(limits, now_s)
    }
}

impl Shard {
    fn make_room(&mut self, now_s: i64) {
        self.inserted += 1;
        if self.inserted.is_multiple_of(SWEEP_EVERY) || self.entries.len() >= SHARD_CAPACITY {
            self.entries.retain(|_, entry| entry.expires_s > now_s);
        }
        if self.entries.len() >= SHARD_CAPACITY {
            let mut expiries: Vec<i64> = self.entries.values().map(|entry| entry.expires_s).collect();
            let (_, bound, _) = expiries.select_nth_unstable(SHARD_CAPACITY / 8);
            let bound = *bound;
            let mut spare = SHARD_CAPACITY / 8;
            self.entries.retain(|_, entry| {
                let goes = spare > 0 && entry.expires_s <= bound;
                spare -= usize::from(goes);
                !goes
            });
        }
    }
}

impl Entry {
    fn count(&mut self, limits: &Limits, now_s: i64) -> Usage {
        let mut remaining = [None; PERIODS.len()];
        let mut blocked = false;
        for period in limited(limits) {
            let index = period.index();
            let start_s = period.start_s(now_s);
            let window = &mut self.windows[index];
            // Not `>`: after a step back of the clock the window of the later time must not stay.
            if window.start_s != start_s {
                *window = Window { start_s, used: 0.0 };
            }
            let left = limits[index].unwrap_or_default() - window.used;
            remaining[index] = Some(left);
            blocked |= left <= 0.0;
        }
        if !blocked {
            for period in limited(limits) {
                let window = &mut self.windows[period.index()];
                window.used += 1.0;
                self.expires_s = self.expires_s.max(period.end_s(window.start_s));
            }
        }
        Usage { now_s, remaining, blocked }
    }
}

fn limited(limits: &Limits) -> impl Iterator<Item = Period> {
    PERIODS.into_iter().filter(|period| limits[period.index()].is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn limits(pairs: &[(Period, f64)]) -> Limits {
        let mut limits = [None; 6];
        pairs.iter().for_each(|(period, limit)| limits[period.index()] = Some(*limit));
        limits
    }

    #[test]
    fn counts_down_and_blocks() {
        let counters = Counters::new();
        let limits = limits(&[(Period::Minute, 3.0)]);
        let seen: Vec<_> = (0..4).map(|_| counters.count(b"k", &limits, || 60_000)).collect();
        let left: Vec<_> = seen.iter().map(|usage| usage.remaining[1]).collect();
        assert_eq!(left, [Some(3.0), Some(2.0), Some(1.0), Some(0.0)]);
        assert!(seen[3].blocked && !seen[2].blocked);
        assert!(!counters.count(b"k", &limits, || 120_000).blocked);
    }

    #[test]
    fn a_blocked_request_counts_in_no_window() {
        let counters = Counters::new();
        let limits = limits(&[(Period::Second, 1.0), (Period::Hour, 5.0)]);
        for _ in 0..4 {
            counters.count(b"k", &limits, || 0);
        }
        assert_eq!(counters.count(b"k", &limits, || 1_000).remaining[Period::Hour.index()], Some(4.0));
    }

    #[test]
    fn a_step_back_of_the_clock_does_not_freeze() {
        let counters = Counters::new();
        let limits = limits(&[(Period::Hour, 1.0)]);
        assert!(!counters.count(b"k", &limits, || 7_200_000).blocked);
        assert!(counters.count(b"k", &limits, || 7_200_000).blocked);
        assert!(!counters.count(b"k", &limits, || 3_600_000).blocked);
    }

    #[test]
    fn keys_do_not_share() {
        let counters = Counters::new();
        let limits = limits(&[(Period::Day, 1.0)]);
        assert!((0..1000).all(|key: u32| !counters.count(&key.to_be_bytes(), &limits, || 0).blocked));
    }

    #[test]
    fn dead_identifiers_go_and_the_table_is_bounded() {
        let mut shard = Shard::default();
        for (key, now_s) in (0u32..40_000).map(|key| (key, i64::from(key / 10_000) * 10)) {
            shard.make_room(now_s);
            let entry = shard.entries.entry(Box::from(key.to_be_bytes())).or_default();
            entry.count(&limits(&[(Period::Second, 9.0)]), now_s);
        }
        assert!(shard.entries.len() <= 10_000 + SWEEP_EVERY, "{}", shard.entries.len());
        for key in 0u32..40_000 {
            shard.make_room(0);
            let entry = shard.entries.entry(Box::from(key.to_be_bytes())).or_default();
            entry.count(&limits(&[(Period::Year, 9.0)]), 100);
        }
        assert!(shard.entries.len() <= SHARD_CAPACITY);
    }

    #[test]
    fn exact_under_contention() {
        let counters = Counters::new();
        let limits = limits(&[(Period::Minute, 500.0), (Period::Day, 700.0)]);
        let passed = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let hits = (0..400).filter(|_| !counters.count(b"k", &limits, || 0).blocked).count();
                    passed.fetch_add(u32::try_from(hits).unwrap(), Ordering::Relaxed);
                });
            }
        });
        assert_eq!(passed.into_inner(), 500);
    }

    proptest! {
        #[test]
        fn never_more_than_the_limit_in_any_window(
            limit in 1u8..6,
            mut times in proptest::collection::vec(0i64..200_000, 1..80),
        ) {
            times.sort_unstable();
            let counters = Counters::new();
            let limits = limits(&[(Period::Minute, f64::from(limit))]);
            let mut passed = HashMap::<i64, u8>::new();
            for now in times {
                if !counters.count(b"k", &limits, || now).blocked {
                    *passed.entry(now / 60_000).or_default() += 1;
                }
            }
            prop_assert!(passed.values().all(|count| *count <= limit));
        }
    }
}
