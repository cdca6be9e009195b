//! Process-wide request counters: exact over all workers, kept over configuration changes, bounded in bytes.
//!
//! Check and count of all windows of one identifier happen under one lock, and the clock is read under that lock, so
//! that requests of one identifier see time in the order in which they are counted.
//!
//! An identifier is known by a hash only, since clients choose its length. The hash is keyed, by a key that lives as long
//! as the process, so that no client can make two identifiers meet.

use super::windows::{PERIODS, Period};
use crate::hashing::Table;
use siphasher::sip128::{Hash128, SipHasher24};
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

const SHARDS: usize = 72;
/// A million identifiers in all; the soonest to expire go first when they are exceeded. A hash table with 16 384 slots
/// takes just so many entries.
const SHARD_CAPACITY: usize = 14_336;
const SWEEP_EVERY: usize = 1_024;

pub type Limits = [Option<f64>; PERIODS.len()];

/// What one request found: for each limited period what is left, before this request is counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    pub now_s: i64,
    pub remaining: [Option<f64>; PERIODS.len()],
    pub blocked: bool,
}

/// A keyed hash of an identifier. In halves, since a number of 16 bytes would want to be aligned to as many.
type Key = [u64; 2];

#[derive(Default)]
struct Entry {
    /// What is used up in each period of the set, in their order.
    used: Box<[f64]>,
    periods: PeriodSet,
    /// In which windows that was: in those of this time.
    counted_s: i64,
    /// End of the last window in which something is counted.
    expires_s: i64,
}

#[derive(Clone, Copy, Default, PartialEq)]
struct PeriodSet(u8);

impl PeriodSet {
    fn contains(self, period: Period) -> bool {
        self.0 >> period.index() & 1 == 1
    }

    fn iter(self) -> impl Iterator<Item = Period> {
        PERIODS.into_iter().filter(move |period| self.contains(*period))
    }

    fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn place_of(self, period: Period) -> usize {
        self.iter().take_while(|earlier| *earlier != period).count()
    }
}

impl FromIterator<Period> for PeriodSet {
    fn from_iter<I: IntoIterator<Item = Period>>(periods: I) -> Self {
        Self(periods.into_iter().fold(0, |set, period| set | 1 << period.index()))
    }
}

#[derive(Default)]
struct Shard {
    entries: Table<Key, Entry>,
    inserted: usize,
}

pub struct Counters {
    hasher: SipHasher24,
    shards: [Mutex<Shard>; SHARDS],
}

impl Counters {
    pub fn new() -> Self {
        let random = RandomState::new();
        Self {
            hasher: SipHasher24::new_with_keys(random.hash_one(0), random.hash_one(1)),
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }

    /// Counts one request in all limited periods, or in none if one of them is used up.
    pub fn count(&self, key: &[u8], limits: &Limits, now_ms: impl FnOnce() -> i64) -> Usage {
        let hash = self.hasher.hash(key);
        let mut shard = self.shard(&hash);
        let now_s = now_ms().div_euclid(1000);
        shard.entry([hash.h1, hash.h2], now_s).count(limits, now_s)
    }

    fn shard(&self, hash: &Hash128) -> MutexGuard<'_, Shard> {
        let place = usize::try_from(hash.h1 % SHARDS as u64).unwrap_or_default();
        self.shards[place].lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub fn forget(&self) {
        for shard in &self.shards {
            *shard.lock().unwrap_or_else(PoisonError::into_inner) = Shard::default();
        }
    }
}

impl Counters {
    /// What is left in each limited period; nothing is counted.
    pub fn remaining(&self, key: &[u8], limits: &Limits, now_s: i64) -> [Option<f64>; PERIODS.len()] {
        let hash = self.hasher.hash(key);
        let mut shard = self.shard(&hash);
        match shard.entries.get_mut(&[hash.h1, hash.h2]) {
            Some(entry) => entry.remaining(limits, now_s),
            None => *limits,
        }
    }

    /// Counts so much in all limited periods, whatever is left.
    pub fn add(&self, key: &[u8], limits: &Limits, now_s: i64, amount: f64) {
        let hash = self.hasher.hash(key);
        self.shard(&hash).entry([hash.h1, hash.h2], now_s).add(limits, now_s, amount);
    }
}

impl Shard {
    fn entry(&mut self, key: Key, now_s: i64) -> &mut Entry {
        if !self.entries.contains_key(&key) {
            self.make_room(now_s);
        }
        self.entries.entry(key).or_default()
    }

    fn make_room(&mut self, now_s: i64) {
        self.inserted += 1;
        if self.inserted.is_multiple_of(SWEEP_EVERY) || self.entries.len() >= SHARD_CAPACITY {
            self.keep(|entry| entry.expires_s > now_s);
        }
        if self.entries.len() >= SHARD_CAPACITY {
            let mut expiries: Vec<i64> = self.entries.values().map(|entry| entry.expires_s).collect();
            let (_, bound, _) = expiries.select_nth_unstable(SHARD_CAPACITY / 8);
            let bound = *bound;
            let mut spare = SHARD_CAPACITY / 8;
            self.keep(|entry| {
                let goes = spare > 0 && entry.expires_s <= bound;
                spare -= usize::from(goes);
                !goes
            });
        }
    }

    /// Makes the table anew: one from which entries were only taken away doubles its slots before it is full again, and
    /// never gives any back.
    fn keep(&mut self, mut stays: impl FnMut(&Entry) -> bool) {
        let old = mem::take(&mut self.entries);
        self.entries.reserve(old.len());
        self.entries.extend(old.into_iter().filter(|(_, entry)| stays(entry)));
    }
}

impl Entry {
    fn count(&mut self, limits: &Limits, now_s: i64) -> Usage {
        let remaining = self.remaining(limits, now_s);
        let blocked = remaining.iter().flatten().any(|left| *left <= 0.0);
        if !blocked {
            self.add(limits, now_s, 1.0);
        }
        Usage { now_s, remaining, blocked }
    }

    fn remaining(&mut self, limits: &Limits, now_s: i64) -> [Option<f64>; PERIODS.len()] {
        self.cover(limited(limits).collect());
        self.move_to(now_s);
        let mut remaining = [None; PERIODS.len()];
        for period in limited(limits) {
            let left = limits[period.index()].unwrap_or_default() - self.used[self.periods.place_of(period)];
            remaining[period.index()] = Some(left);
        }
        remaining
    }

    fn add(&mut self, limits: &Limits, now_s: i64, amount: f64) {
        self.cover(limited(limits).collect());
        self.move_to(now_s);
        for period in limited(limits) {
            self.used[self.periods.place_of(period)] += amount;
            self.expires_s = self.expires_s.max(period.end_s(period.start_s(now_s)));
        }
    }

    /// A changed configuration may limit further periods; what is counted in others stays.
    fn cover(&mut self, periods: PeriodSet) {
        let all = self.periods.with(periods);
        if all != self.periods {
            let used = |period| self.periods.contains(period).then(|| self.used[self.periods.place_of(period)]);
            self.used = all.iter().map(|period| used(period).unwrap_or_default()).collect();
            self.periods = all;
        }
    }

    fn move_to(&mut self, now_s: i64) {
        if self.counted_s == now_s {
            return;
        }
        for (period, used) in self.periods.iter().zip(&mut self.used) {
            // Not `<`: after a step back of the clock what was counted in the later time must not stay.
            if period.start_s(self.counted_s) != period.start_s(now_s) {
                *used = 0.0;
            }
        }
        self.counted_s = now_s;
    }
}

fn limited(limits: &Limits) -> impl Iterator<Item = Period> {
    PERIODS.into_iter().filter(|period| limits[period.index()].is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;
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
    fn amounts_are_added_whatever_is_left() {
        let counters = Counters::new();
        let limits = limits(&[(Period::Minute, 3.0), (Period::Hour, 9.0)]);
        assert_eq!(counters.remaining(b"k", &limits, 0), limits);
        counters.add(b"k", &limits, 0, 5.0);
        assert_eq!(counters.remaining(b"k", &limits, 59)[1..3], [Some(-2.0), Some(4.0)]);
        counters.add(b"k", &limits, 60, -1.0);
        assert_eq!(counters.remaining(b"k", &limits, 60)[1..3], [Some(4.0), Some(5.0)]);
        assert_eq!(counters.remaining(b"other", &limits, 60), limits);
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
    fn a_period_limited_later_leaves_the_others_alone() {
        let counters = Counters::new();
        let one = limits(&[(Period::Hour, 9.0)]);
        let three = limits(&[(Period::Minute, 9.0), (Period::Hour, 9.0), (Period::Year, 9.0)]);
        counters.count(b"k", &one, || 0);
        let remaining = counters.count(b"k", &three, || 0).remaining;
        assert_eq!(remaining, [None, Some(9.0), Some(8.0), None, None, Some(9.0)]);
        counters.count(b"k", &one, || 0);
        let remaining = counters.count(b"k", &three, || 0).remaining;
        assert_eq!(remaining, [None, Some(8.0), Some(6.0), None, None, Some(8.0)]);
    }

    #[test]
    fn dead_identifiers_go_and_the_table_is_bounded() {
        let mut shard = Shard::default();
        for (key, now_s) in (0..40_000).map(|key: u32| (key, i64::from(key / 10_000) * 10)) {
            shard.entry([key.into(), 0], now_s).count(&limits(&[(Period::Second, 9.0)]), now_s);
        }
        assert!(shard.entries.len() <= 10_000 + SWEEP_EVERY, "{}", shard.entries.len());
        for key in 0..40_000 {
            // Some die early, which leaves gaps.
            let period = if key % 3 == 0 { Period::Second } else { Period::Year };
            let now_s = i64::try_from(key / 100).unwrap();
            shard.entry([key, 1], now_s).count(&limits(&[(period, 9.0)]), now_s);
            assert!(shard.entries.len() <= SHARD_CAPACITY);
            assert!(shard.entries.capacity() <= SHARD_CAPACITY, "{}", shard.entries.capacity());
        }
    }

    #[test]
    fn a_million_identifiers_take_at_most_150_mb() {
        // Next to a slot lies a byte of the table's own; the allocator has 16 bytes for itself.
        let slots = (SHARD_CAPACITY + 1).next_power_of_two() * (size_of::<(Key, Entry)>() + 1);
        let used = SHARD_CAPACITY * (PERIODS.len() * size_of::<f64>() + 16);
        const { assert!(SHARDS * SHARD_CAPACITY >= 1_000_000) };
        assert!(SHARDS * (slots + used) <= 150_000_000, "{}", SHARDS * (slots + used));
    }

    fn resident_memory_of_two_million_long_identifiers(limits: &Limits) {
        let resident_kb = || {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
            line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
        };
        let before = resident_kb();
        let counters = Counters::new();
        let started = std::time::Instant::now();
        let mut key = vec![b'x'; 7_000];
        for number in 0..2_000_000u32 {
            key[..4].copy_from_slice(&number.to_be_bytes());
            counters.count(&key, limits, || 0);
        }
        println!("{} kB, {:?} for each", resident_kb() - before, started.elapsed() / 2_000_000);
    }

    /// `cargo test --release resident_one -- --ignored --nocapture`: alone in its process.
    #[test]
    #[ignore = "measures"]
    fn resident_one_period() {
        resident_memory_of_two_million_long_identifiers(&limits(&[(Period::Day, 9.0)]));
    }

    #[test]
    #[ignore = "measures"]
    fn resident_all_periods() {
        resident_memory_of_two_million_long_identifiers(&PERIODS.map(|_| Some(9.0)));
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
        fn remaining_is_what_a_ledger_of_all_requests_says(
            requests in proptest::collection::vec((0i64..90_000, proptest::array::uniform6(proptest::option::of(0u8..5))), 1..60),
        ) {
            let counters = Counters::new();
            let mut passed = Vec::<(i64, Limits)>::new();
            let mut now_s = 0;
            for (later_s, limits) in requests {
                now_s += later_s;
                let limits = limits.map(|limit| limit.map(f64::from));
                let expected = PERIODS.map(|period| {
                    let counts = |(at, counted): &&(i64, Limits)| {
                        counted[period.index()].is_some() && period.start_s(*at) == period.start_s(now_s)
                    };
                    let used = passed.iter().filter(counts).fold(0.0, |sum, _| sum + 1.0);
                    limits[period.index()].map(|limit| limit - used)
                });
                let usage = counters.count(b"k", &limits, || now_s * 1000);
                prop_assert_eq!(usage.remaining, expected);
                prop_assert_eq!(usage.blocked, expected.iter().flatten().any(|left| *left <= 0.0));
                if !usage.blocked {
                    passed.push((now_s, limits));
                }
            }
        }

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
