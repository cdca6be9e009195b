//! What was counted, by service and route, and there by consumer. Its bytes are bounded, whoever comes: when there is no
//! room for another series, those go that nobody has added to for ten minutes; what then still has none is counted as
//! dropped.

use crate::metrics::histogram::{Histogram, KONG_BOUNDS, OLD_BOUNDS, UPSTREAM_BOUNDS};
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::mem::size_of;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

const SHARDS: usize = 16;
pub const MOST_BYTES: usize = 32 * 1024 * 1024;
const MOST_BYTES_OF_SESSIONS: usize = 4 * 1024 * 1024;
/// So long nobody has added to a series that may go.
const IDLE_S: u64 = 600;
/// Between two looks through a full shard.
const PAUSE_S: u64 = 10;
/// What a map's entry takes besides what it holds.
const ENTRY: usize = 64;

/// The metrics of this process; they outlive every configuration.
pub static STORE: LazyLock<Store> = LazyLock::new(|| Store::new(MOST_BYTES));

/// The same of sessions of streams, of which there are few series: a status or two for each route.
pub static SESSIONS: LazyLock<Store> = LazyLock::new(|| Store::new(MOST_BYTES_OF_SESSIONS));

/// One request that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    pub service: &'a str,
    pub route: &'a str,
    /// Empty where nobody is told apart.
    pub consumer: &'a str,
    pub code: u16,
    pub by_service: bool,
    pub request_bytes: u64,
    pub response_bytes: u64,
    pub request_ms: u64,
    pub kong_ms: u64,
    /// Where it went there.
    pub upstream_ms: Option<u64>,
}

/// Which of its numbers count; `old` also in the buckets of Kong 2.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    pub status: bool,
    pub latency: bool,
    pub bandwidth: bool,
    pub old: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Latencies {
    pub kong: Histogram<17>,
    pub upstream: Histogram<13>,
    pub request: Histogram<13>,
}

#[derive(Clone, Debug, Default)]
pub struct OldLatencies {
    pub kong: Histogram<26>,
    pub upstream: Histogram<26>,
    pub request: Histogram<26>,
}

#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// By status and whether the service answered.
    pub codes: Vec<((u16, bool), u64)>,
    pub ingress: u64,
    pub egress: u64,
    seen_s: u64,
}

#[derive(Clone, Debug, Default)]
pub struct Group {
    pub service: Box<str>,
    pub route: Box<str>,
    pub consumers: HashMap<Box<str>, Counts>,
    pub latencies: Option<Box<Latencies>>,
    pub old: Option<Box<OldLatencies>>,
    seen_s: u64,
}

#[derive(Default)]
struct Shard {
    /// By route; its service may have changed.
    groups: HashMap<Box<str>, Vec<Group>>,
    swept_s: u64,
}

pub struct Store {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    bytes: AtomicUsize,
    most: usize,
    dropped: AtomicU64,
    started: Instant,
}

impl Store {
    pub fn new(most: usize) -> Self {
        Self {
            shards: Default::default(),
            hasher: RandomState::new(),
            bytes: AtomicUsize::new(0),
            most,
            dropped: AtomicU64::new(0),
            started: Instant::now(),
        }
    }

    pub fn record(&self, seen: &Seen<'_>, wanted: Wanted) {
        // Time begins behind the pause, so that the first look is not put off.
        self.record_at(seen, wanted, self.started.elapsed().as_secs() + PAUSE_S);
    }

    fn record_at(&self, seen: &Seen<'_>, wanted: Wanted, now_s: u64) {
        let mut shard = self.shard(seen.route);
        if shard.add(seen, wanted, now_s) {
            return;
        }
        let missing = shard.missing(seen, wanted);
        if !self.has_room(&mut shard, missing, now_s) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.bytes.fetch_add(missing, Ordering::Relaxed);
        shard.make_place(seen, wanted);
        shard.add(seen, wanted, now_s);
    }

    fn has_room(&self, shard: &mut Shard, wanted: usize, now_s: u64) -> bool {
        let fits = || self.bytes.load(Ordering::Relaxed).saturating_add(wanted) <= self.most;
        if !fits() && now_s - shard.swept_s >= PAUSE_S {
            shard.swept_s = now_s;
            self.bytes.fetch_sub(shard.forget(|seen_s, _| now_s.saturating_sub(seen_s) < IDLE_S), Ordering::Relaxed);
        }
        fits()
    }

    fn shard(&self, route: &str) -> MutexGuard<'_, Shard> {
        let place = usize::try_from(self.hasher.hash_one(route) % SHARDS as u64).unwrap_or_default();
        self.shards[place].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything, in no order. A series of a route that is not among `routes` goes when nobody has added to it for long.
    pub fn all(&self, routes: &HashSet<&str>) -> Vec<Group> {
        self.all_at(routes, self.started.elapsed().as_secs() + PAUSE_S)
    }

    fn all_at(&self, routes: &HashSet<&str>, now_s: u64) -> Vec<Group> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let keep = |seen_s, route: &str| routes.contains(route) || now_s.saturating_sub(seen_s) < IDLE_S;
            self.bytes.fetch_sub(shard.forget(keep), Ordering::Relaxed);
            all.extend(shard.groups.values().flatten().cloned());
        }
        all
    }

    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// What it takes, and may take.
    pub fn sizes(&self) -> (usize, usize) {
        (self.bytes.load(Ordering::Relaxed), self.most)
    }
}

impl Shard {
    /// False, and nothing is counted, where a place is missing.
    fn add(&mut self, seen: &Seen<'_>, wanted: Wanted, now_s: u64) -> bool {
        let Some(group) = self.group(seen) else { return false };
        let Some(counts) = group.consumers.get_mut(seen.consumer) else { return false };
        if wanted.latency && group.latencies.is_none() || wanted.old && group.old.is_none() {
            return false;
        }
        if wanted.status {
            let Some(count) = counts.count_of(seen) else { return false };
            *count += 1;
        }
        if wanted.bandwidth {
            counts.ingress = counts.ingress.saturating_add(seen.request_bytes);
            counts.egress = counts.egress.saturating_add(seen.response_bytes);
        }
        (counts.seen_s, group.seen_s) = (now_s, now_s);
        group.observe(seen, wanted);
        true
    }

    fn group(&mut self, seen: &Seen<'_>) -> Option<&mut Group> {
        self.groups.get_mut(seen.route)?.iter_mut().find(|group| &*group.service == seen.service)
    }

    /// How many bytes the places take that `add` needs and that are not there.
    fn missing(&mut self, seen: &Seen<'_>, wanted: Wanted) -> usize {
        let of_latencies = |is_there: bool| if wanted.latency && !is_there { size_of::<Latencies>() } else { 0 };
        let of_old = |is_there: bool| if wanted.old && !is_there { size_of::<OldLatencies>() } else { 0 };
        let codes = usize::from(wanted.status);
        let Some(group) = self.group(seen) else {
            let of_group = size_of_group(seen.route, seen.service) + of_latencies(false) + of_old(false);
            return of_group + size_of_counts(seen.consumer, codes);
        };
        let of_counts = match group.consumers.get_mut(seen.consumer) {
            Some(counts) => usize::from(wanted.status && counts.count_of(seen).is_none()) * size_of_code(),
            None => size_of_counts(seen.consumer, codes),
        };
        of_counts + of_latencies(group.latencies.is_some()) + of_old(group.old.is_some())
    }

    fn make_place(&mut self, seen: &Seen<'_>, wanted: Wanted) {
        if self.group(seen).is_none() {
            let group = Group { service: seen.service.into(), route: seen.route.into(), ..Group::default() };
            self.groups.entry(seen.route.into()).or_default().push(group);
        }
        let Some(group) = self.group(seen) else { return };
        if wanted.latency {
            group.latencies.get_or_insert_default();
        }
        if wanted.old {
            group.old.get_or_insert_default();
        }
        if !group.consumers.contains_key(seen.consumer) {
            group.consumers.insert(seen.consumer.into(), Counts::default());
        }
        if let Some(counts) = group.consumers.get_mut(seen.consumer).filter(|_| wanted.status)
            && counts.count_of(seen).is_none()
        {
            counts.codes.push(((seen.code, seen.by_service), 0));
        }
    }

    /// Those for which `keeps` (when they were added to last, their route) is false; gives the bytes that they took.
    fn forget(&mut self, keeps: impl Fn(u64, &str) -> bool) -> usize {
        let mut freed = 0;
        self.groups.retain(|route, groups| {
            groups.retain_mut(|group| {
                let before = group.size();
                group.consumers.retain(|_, counts| keeps(counts.seen_s, route));
                let is_kept = keeps(group.seen_s, route);
                freed += before - if is_kept { group.size() } else { 0 };
                is_kept
            });
            !groups.is_empty()
        });
        freed
    }
}

impl Counts {
    fn count_of(&mut self, seen: &Seen<'_>) -> Option<&mut u64> {
        let key = (seen.code, seen.by_service);
        self.codes.iter_mut().find(|(other, _)| *other == key).map(|(_, count)| count)
    }
}

impl Group {
    fn observe(&mut self, seen: &Seen<'_>, wanted: Wanted) {
        let Seen { request_ms, kong_ms, upstream_ms, .. } = *seen;
        if let Some(latencies) = self.latencies.as_mut().filter(|_| wanted.latency) {
            latencies.request.observe(&UPSTREAM_BOUNDS, request_ms);
            latencies.kong.observe(&KONG_BOUNDS, kong_ms);
            upstream_ms.into_iter().for_each(|ms| latencies.upstream.observe(&UPSTREAM_BOUNDS, ms));
        }
        if let Some(old) = self.old.as_mut().filter(|_| wanted.old) {
            old.request.observe(&OLD_BOUNDS, request_ms);
            old.kong.observe(&OLD_BOUNDS, kong_ms);
            upstream_ms.into_iter().for_each(|ms| old.upstream.observe(&OLD_BOUNDS, ms));
        }
    }

    fn size(&self) -> usize {
        size_of_group(&self.route, &self.service)
            + self.latencies.as_ref().map_or(0, |_| size_of::<Latencies>())
            + self.old.as_ref().map_or(0, |_| size_of::<OldLatencies>())
            + self.consumers.iter().map(|(name, counts)| size_of_counts(name, counts.codes.len())).sum::<usize>()
    }
}

fn size_of_group(route: &str, service: &str) -> usize {
    2 * ENTRY + size_of::<Group>() + 2 * route.len() + service.len()
}

fn size_of_counts(consumer: &str, codes: usize) -> usize {
    ENTRY + size_of::<Counts>() + consumer.len() + codes * size_of_code()
}

fn size_of_code() -> usize {
    2 * size_of::<((u16, bool), u64)>()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Wanted = Wanted { status: true, latency: true, bandwidth: true, old: false };

    fn seen<'a>(route: &'a str, consumer: &'a str) -> Seen<'a> {
        Seen {
            service: "s",
            route,
            consumer,
            code: 200,
            by_service: true,
            request_bytes: 10,
            response_bytes: 20,
            request_ms: 3,
            kong_ms: 1,
            upstream_ms: Some(2),
        }
    }

    fn only(store: &Store, route: &str) -> Group {
        let mut all = store.all_at(&HashSet::from([route]), 20);
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    #[test]
    fn only_what_is_wanted_counts() {
        let store = Store::new(MOST_BYTES);
        store.record_at(&seen("r", ""), ALL, 10);
        store.record_at(&seen("r", ""), Wanted { status: true, ..Wanted::default() }, 10);
        store.record_at(&seen("r", ""), Wanted::default(), 10);
        let group = only(&store, "r");
        let counts = &group.consumers[""];
        assert_eq!(counts.codes, [((200, true), 2)]);
        assert_eq!((counts.ingress, counts.egress), (10, 20));
        let latencies = group.latencies.unwrap();
        assert_eq!((latencies.request.count(), latencies.kong.sum, latencies.upstream.sum), (1, 1, 2));
        assert!(group.old.is_none());
    }

    #[test]
    fn what_never_went_upstream_has_no_upstream_latency() {
        let store = Store::new(MOST_BYTES);
        store.record_at(&Seen { upstream_ms: None, ..seen("r", "") }, Wanted { old: true, ..ALL }, 10);
        let group = only(&store, "r");
        assert_eq!(group.latencies.unwrap().upstream.count(), 0);
        let old = group.old.unwrap();
        assert_eq!((old.upstream.count(), old.request.count()), (0, 1));
    }

    #[test]
    fn however_many_consumers_come_the_bytes_are_bounded() {
        let store = Store::new(64 * 1024);
        for number in 0..100_000 {
            store.record_at(&seen("r", &format!("consumer-{number}")), ALL, 10);
        }
        assert!(store.sizes().0 <= 64 * 1024);
        assert!(store.dropped() > 90_000);
        let before = only(&store, "r").consumers.len();
        // Those that are known go on counting, and make room when they are idle.
        store.record_at(&seen("r", "consumer-0"), ALL, 10 + IDLE_S);
        store.record_at(&seen("r", "new"), ALL, 10 + IDLE_S);
        let after = only(&store, "r").consumers;
        assert_eq!(after["consumer-0"].codes, [((200, true), 2)]);
        assert!(after.contains_key("new") && after.len() < before, "{before} {}", after.len());
    }

    #[test]
    fn series_of_routes_that_are_gone_go_when_they_are_idle() {
        let store = Store::new(MOST_BYTES);
        for route in ["gone", "there"] {
            store.record_at(&seen(route, "a"), ALL, 10);
        }
        let routes = HashSet::from(["there"]);
        assert_eq!(store.all_at(&routes, 10 + IDLE_S - 1).len(), 2);
        let left = store.all_at(&routes, 10 + IDLE_S);
        assert_eq!(left.iter().map(|group| &*group.route).collect::<Vec<_>>(), ["there"]);
        assert_eq!(store.sizes().0, left[0].size());
    }

    #[test]
    fn a_route_whose_service_has_changed_has_two_series() {
        let store = Store::new(MOST_BYTES);
        store.record_at(&seen("r", ""), ALL, 10);
        store.record_at(&Seen { service: "other", ..seen("r", "") }, ALL, 10);
        assert_eq!(store.all_at(&HashSet::from(["r"]), 10).len(), 2);
    }
}
