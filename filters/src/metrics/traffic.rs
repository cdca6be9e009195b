//! What is counted of every request, whatever plugins there are: by route, and by consumer. A count stands where its
//! object is, so a request adds to a few numbers and looks nothing up.
//!
//! There are as many as routes and consumers that requests have met, whatever clients send: what an object's next version
//! finds by the id is forgotten when no object holds it any more and many have come since.

use crate::metrics::histogram::Histogram;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};

/// In milliseconds, as the sidecars of a mesh have them (`envoy/telemetry/keys.py`).
pub const BOUNDS: [u64; 24] =
    [1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 75, 100, 150, 200, 300, 500, 750, 1000, 1500, 2000, 3000, 5000, 10000, 30000];
/// By the first digit of the status; a request without an answer has none.
pub const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
/// A plugin of a user's own may answer with any status: what comes after so many is counted as status 0.
const MOST_REFUSALS: usize = 64;
const SWITCHING_PROTOCOLS: u16 = 101;
/// So many are held before those are looked for that no object holds.
const FEWEST_HELD: usize = 1024;

pub static ROUTES: LazyLock<Register> = LazyLock::new(|| Register::new(true));
/// How long their requests take is not kept.
pub static CONSUMERS: LazyLock<Register> = LazyLock::new(|| Register::new(false));
/// Of requests that no route takes.
pub static UNROUTED: LazyLock<Arc<Traffic>> = LazyLock::new(|| Arc::new(Traffic::timed()));

/// A request that has ended. `status` is 0 where there was no answer.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    pub status: u16,
    pub ms: u64,
    pub denied_by: Option<&'static str>,
}

/// What the plugin proxy-cache found for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cached {
    Hit,
    /// It is asked for upstream; whether the answer may be kept is another matter.
    Miss,
    /// Something is there that does not do any more.
    Refresh,
    /// It is not looked for.
    Bypass,
}

pub const CACHED: [(Cached, &str); 4] =
    [(Cached::Hit, "hit"), (Cached::Miss, "miss"), (Cached::Refresh, "refresh"), (Cached::Bypass, "bypass")];

#[derive(Debug, Default)]
pub struct Traffic {
    classes: [AtomicU64; CLASSES.len()],
    times: Option<Box<Times>>,
    refusals: Mutex<Refusals>,
    cached: [AtomicU64; CACHED.len()],
}

/// By plugin and status.
pub type Refusals = Vec<((&'static str, u16), u64)>;

#[derive(Debug, Default)]
struct Times {
    counts: [AtomicU64; BOUNDS.len()],
    above: AtomicU64,
    sum: AtomicU64,
}

impl Traffic {
    fn timed() -> Self {
        Self { times: Some(Box::default()), ..Self::default() }
    }

    pub fn add(&self, ending: Ending) {
        let class = usize::from(ending.status / 100);
        if let Some(count) = self.classes.get(class).or(self.classes.first()) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        // What follows an upgrade lasts as long as a client likes.
        if let Some(times) = self.times.as_ref().filter(|_| ending.status != SWITCHING_PROTOCOLS) {
            times.add(ending.ms);
        }
        if let Some(policy) = ending.denied_by {
            self.refuse(policy, ending.status);
        }
    }

    fn refuse(&self, policy: &'static str, status: u16) {
        let mut refusals = self.refusals();
        let is_full = refusals.len() >= MOST_REFUSALS;
        let find = |refusals: &Refusals, key| refusals.iter().position(|(other, _)| *other == key);
        let place = find(&refusals, (policy, status)).or_else(|| find(&refusals, (policy, 0)).filter(|_| is_full));
        match place.and_then(|place| refusals.get_mut(place)) {
            Some((_, count)) => *count += 1,
            None => refusals.push(((policy, if is_full { 0 } else { status }), 1)),
        }
    }

    fn refusals(&self) -> MutexGuard<'_, Refusals> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As they are now, in the order of `CLASSES`.
    pub fn classes(&self) -> [u64; CLASSES.len()] {
        std::array::from_fn(|place| self.classes.get(place).map_or(0, |count| count.load(Ordering::Relaxed)))
    }

    pub fn durations(&self) -> Histogram<{ BOUNDS.len() }> {
        let Some(times) = &self.times else { return Histogram::default() };
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = std::array::from_fn(|place| times.counts.get(place).map_or(0, read));
        Histogram::of(counts, read(&times.above), read(&times.sum))
    }

    fn count(&self, found: Cached) {
        let place = CACHED.iter().position(|(one, _)| *one == found);
        if let Some(count) = place.and_then(|place| self.cached.get(place)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// In the order of `CACHED`.
    pub fn cached(&self) -> impl Iterator<Item = u64> + '_ {
        self.cached.iter().map(|count| count.load(Ordering::Relaxed))
    }

    pub fn denied(&self) -> Refusals {
        self.refusals().clone()
    }
}

impl Times {
    fn add(&self, ms: u64) {
        let place = BOUNDS.partition_point(|bound| *bound < ms);
        self.counts.get(place).unwrap_or(&self.above).fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(ms, Ordering::Relaxed);
    }
}

/// Where an object keeps its count: nothing before the first request that meets it.
#[derive(Debug, Default)]
pub struct Place(OnceLock<Arc<Traffic>>);

impl Place {
    pub fn add(&self, register: &Register, id: &str, ending: Ending) {
        self.of(register, id).add(ending);
    }

    pub fn count(&self, register: &Register, id: &str, found: Cached) {
        self.of(register, id).count(found);
    }

    fn of(&self, register: &Register, id: &str) -> &Traffic {
        self.0.get_or_init(|| register.of(id))
    }
}

/// By the ids of objects, which outlive their versions.
pub struct Register {
    held: Mutex<Held>,
    is_timed: bool,
}

struct Held {
    by_id: HashMap<Box<str>, Arc<Traffic>>,
    look_at: usize,
}

impl Default for Held {
    fn default() -> Self {
        Self { by_id: HashMap::new(), look_at: FEWEST_HELD }
    }
}

impl Register {
    fn new(is_timed: bool) -> Self {
        Self { held: Mutex::default(), is_timed }
    }

    pub fn find(&self, id: &str) -> Option<Arc<Traffic>> {
        self.held().by_id.get(id).cloned()
    }

    fn of(&self, id: &str) -> Arc<Traffic> {
        let mut held = self.held();
        if let Some(found) = held.by_id.get(id) {
            return Arc::clone(found);
        }
        if held.by_id.len() >= held.look_at {
            held.by_id.retain(|_, traffic| Arc::strong_count(traffic) > 1);
            held.look_at = FEWEST_HELD.max(2 * held.by_id.len());
        }
        let new = Arc::new(if self.is_timed { Traffic::timed() } else { Traffic::default() });
        held.by_id.insert(id.into(), Arc::clone(&new));
        new
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ending(status: u16, denied_by: Option<&'static str>) -> Ending {
        Ending { status, ms: 4, denied_by }
    }

    #[test]
    fn a_request_counts_in_its_class_and_its_bucket() {
        let traffic = Traffic::timed();
        for status in [0, 101, 200, 204, 404, 503, 999] {
            traffic.add(ending(status, None));
        }
        assert_eq!(traffic.classes(), [2, 1, 2, 0, 1, 1]);
        let durations = traffic.durations();
        assert_eq!((durations.count(), durations.sum), (6, 24));
        assert_eq!(durations.cumulated(&BOUNDS).next(), Some((5, 6)));
        assert!(traffic.denied().is_empty());
    }

    #[test]
    fn refusals_are_counted_by_plugin_and_status_and_are_few() {
        let traffic = Traffic::default();
        for status in [401, 401, 403] {
            traffic.add(ending(status, Some("acl")));
        }
        assert_eq!(traffic.denied(), [(("acl", 401), 2), (("acl", 403), 1)]);
        for status in 500..1000 {
            traffic.add(ending(status, Some("functions")));
        }
        let denied = traffic.denied();
        assert_eq!(denied.len(), MOST_REFUSALS + 1);
        assert_eq!(denied.iter().map(|(_, count)| count).sum::<u64>(), 503);
        assert_eq!(denied[MOST_REFUSALS].0, ("functions", 0));
    }

    #[test]
    fn the_next_version_of_an_object_goes_on_counting() {
        let register = Register::new(false);
        assert!(register.find("r").is_none());
        for _ in 0..2 {
            Place::default().add(&register, "r", ending(200, None));
        }
        let traffic = register.find("r").unwrap();
        assert_eq!((traffic.classes()[2], traffic.durations().count()), (2, 0));
    }

    #[test]
    fn what_the_cache_found_is_counted_apart() {
        let (register, place) = (Register::new(true), Place::default());
        for found in [Cached::Hit, Cached::Hit, Cached::Miss, Cached::Bypass] {
            place.count(&register, "r", found);
        }
        let traffic = register.find("r").unwrap();
        assert_eq!(traffic.cached().collect::<Vec<_>>(), [2, 1, 0, 1]);
        assert_eq!(traffic.classes().iter().sum::<u64>(), 0);
    }

    #[test]
    fn however_many_objects_come_and_go_few_are_held() {
        let (register, lasting) = (Register::new(true), Place::default());
        lasting.add(&register, "lasting", ending(200, None));
        for number in 0..10 * FEWEST_HELD {
            Place::default().add(&register, &number.to_string(), ending(200, None));
        }
        assert!(register.held().by_id.len() <= FEWEST_HELD);
        assert_eq!(register.find("lasting").unwrap().classes()[2], 1);
    }
}
