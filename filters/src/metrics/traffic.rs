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

pub static ROUTES: LazyLock<Register> = LazyLock::new(Register::default);
pub static CONSUMERS: LazyLock<Register> = LazyLock::new(Register::default);
/// Of requests that no route takes.
pub static UNROUTED: LazyLock<Arc<Traffic>> = LazyLock::new(Arc::default);

/// A request that has ended. `status` is 0 where there was no answer.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    pub status: u16,
    pub ms: u64,
    pub denied_by: Option<&'static str>,
}

#[derive(Debug, Default)]
pub struct Traffic {
    classes: [AtomicU64; CLASSES.len()],
    times: Times,
    refusals: Mutex<Refusals>,
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
    pub fn add(&self, ending: Ending) {
        let class = usize::from(ending.status / 100);
        if let Some(count) = self.classes.get(class).or(self.classes.first()) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        // What follows an upgrade lasts as long as a client likes.
        if ending.status != SWITCHING_PROTOCOLS {
            self.times.add(ending.ms);
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
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = std::array::from_fn(|place| self.times.counts.get(place).map_or(0, read));
        Histogram::of(counts, read(&self.times.above), read(&self.times.sum))
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
        self.0.get_or_init(|| register.of(id)).add(ending);
    }
}

/// By the ids of objects, which outlive their versions.
#[derive(Default)]
pub struct Register(Mutex<Held>);

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
        let new = Arc::<Traffic>::default();
        held.by_id.insert(id.into(), Arc::clone(&new));
        new
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        let traffic = Traffic::default();
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
        let register = Register::default();
        assert!(register.find("r").is_none());
        for _ in 0..2 {
            Place::default().add(&register, "r", ending(200, None));
        }
        assert_eq!(register.find("r").unwrap().classes()[2], 2);
    }

    #[test]
    fn however_many_objects_come_and_go_few_are_held() {
        let (register, lasting) = (Register::default(), Place::default());
        lasting.add(&register, "lasting", ending(200, None));
        for number in 0..10 * FEWEST_HELD {
            Place::default().add(&register, &number.to_string(), ending(200, None));
        }
        assert!(register.held().by_id.len() <= FEWEST_HELD);
        assert_eq!(register.find("lasting").unwrap().classes()[2], 1);
    }
}
