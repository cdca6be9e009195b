//! One thread that ends what has waited for too long.

use super::{NotDone, Shared, settle};
use std::collections::BinaryHeap;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread;
use std::time::Instant;

pub static DEADLINES: Deadlines = Deadlines::new();

pub struct Deadlines {
    pending: Mutex<Pending>,
    is_earlier: Condvar,
}

struct Pending {
    heap: BinaryHeap<Entry>,
    added: u64,
    /// At this length those that have their outcome are swept out.
    sweep_at: usize,
    has_thread: bool,
}

/// Below this nothing is swept out.
const FEW: usize = 1024;

struct Entry {
    at: Instant,
    /// Of equal deadlines the first one added ends first.
    number: u64,
    shared: Weak<Shared>,
}

impl Entry {
    fn key(&self) -> (Instant, u64) {
        (self.at, self.number)
    }

    fn is_over(&self) -> bool {
        self.shared.strong_count() == 0
    }
}

/// The earliest is the greatest, as the heap wants it.
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.key().cmp(&self.key())
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Entry {}

impl Pending {
    /// Whether it ends before all others.
    fn add(&mut self, at: Instant, shared: &Arc<Shared>) -> bool {
        if self.heap.len() >= self.sweep_at {
            self.heap.retain(|entry| !entry.is_over());
            self.sweep_at = FEW.max(2 * self.heap.len());
        }
        self.added += 1;
        self.heap.push(Entry { at, number: self.added, shared: Arc::downgrade(shared) });
        self.heap.peek().is_some_and(|first| first.number == self.added)
    }

    fn take_due(&mut self, now: Instant) -> Vec<Arc<Shared>> {
        let mut due = Vec::new();
        while self.heap.peek().is_some_and(|first| first.at <= now || first.is_over()) {
            due.extend(self.heap.pop().and_then(|entry| entry.shared.upgrade()));
        }
        due
    }
}

impl Deadlines {
    const fn new() -> Self {
        let pending = Pending { heap: BinaryHeap::new(), added: 0, sweep_at: FEW, has_thread: false };
        Self { pending: Mutex::new(pending), is_earlier: Condvar::new() }
    }

    /// False: there is nobody to keep the deadline.
    pub fn add(&'static self, at: Instant, shared: &Arc<Shared>) -> bool {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if !pending.has_thread {
            let spawned = thread::Builder::new().name("policy-timer".into()).spawn(|| self.keep());
            pending.has_thread = spawned.is_ok();
        }
        if pending.has_thread && pending.add(at, shared) {
            self.is_earlier.notify_one();
        }
        pending.has_thread
    }

    fn keep(&self) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let now = Instant::now();
            let due = pending.take_due(now);
            if !due.is_empty() {
                drop(pending);
                due.iter().for_each(|shared| settle(shared, Err(NotDone::TooLate)));
                pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            pending = match pending.heap.peek().map(|first| first.at.duration_since(now)) {
                Some(left) => self.is_earlier.wait_timeout(pending, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.is_earlier.wait(pending).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use std::time::Duration;

    fn state() -> Arc<Shared> {
        Arc::new(Mutex::new(State { waker: None, outcome: None }))
    }

    fn pending() -> Pending {
        Deadlines::new().pending.into_inner().unwrap()
    }

    #[test]
    fn the_earliest_is_first_and_those_that_are_over_go_with_it() {
        let (mut pending, now) = (pending(), Instant::now());
        let [late, soon, gone] = [state(), state(), state()];
        let at = |milliseconds| now + Duration::from_millis(milliseconds);
        assert!(pending.add(at(30), &late));
        assert!(pending.add(at(10), &soon));
        assert!(!pending.add(at(20), &gone));
        drop(gone);
        assert!(pending.take_due(at(9)).is_empty());
        let due = pending.take_due(at(10));
        assert!(due.len() == 1 && Arc::ptr_eq(&due[0], &soon));
        assert_eq!(pending.heap.len(), 1, "what is over is not waited for");
    }

    #[test]
    fn what_is_over_is_swept_out() {
        let (mut pending, now) = (pending(), Instant::now());
        let kept: Vec<_> = (0..100).map(|_| state()).collect();
        for one in &kept {
            pending.add(now, one);
        }
        for _ in 0..100_000 {
            pending.add(now + Duration::from_mins(1), &state());
        }
        assert!(pending.heap.len() <= FEW + 1, "{}", pending.heap.len());
        assert_eq!(pending.take_due(now).len(), 100);
    }
}
