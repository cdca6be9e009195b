//! What providers were asked, once for all who need the answer, and kept for as long as it is good. Bounded in bytes,
//! whatever clients send.

use crate::waiting::{Completion, NotDone, Wait, calls};
use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A digest of the question and of all that the answer depends on.
pub type Key = [u8; 32];

/// Questions that are on their way at once.
const MOST_ASKED: usize = 64;
/// Requests that wait for one answer.
const MOST_WAITING: usize = 4096;
/// Of all answers that are kept, in bytes.
const LARGEST: usize = 16 << 20;
/// What keeping one costs besides its content.
const OVERHEAD: usize = 256;

/// An answer that has just come. `size` is in bytes; with a `lifetime` of zero only those get it who wait already.
pub struct Fresh<T> {
    pub value: T,
    pub lifetime: Duration,
    pub size: usize,
}

pub struct Answers<T> {
    state: Mutex<State<T>>,
}

struct State<T> {
    slots: HashMap<Key, Slot<T>>,
    /// Those that are kept, the oldest first.
    order: VecDeque<Place>,
    bytes: usize,
    asked: usize,
    serial: u64,
}

enum Slot<T> {
    Asked(Vec<Completion>),
    Known(Known<T>),
}

struct Known<T> {
    value: Arc<T>,
    until: Instant,
    serial: u64,
}

struct Place {
    key: Key,
    serial: u64,
    size: usize,
}

impl<T> Default for Answers<T> {
    fn default() -> Self {
        let state = State { slots: HashMap::new(), order: VecDeque::new(), bytes: 0, asked: 0, serial: 0 };
        Self { state: Mutex::new(state) }
    }
}

impl<T: Send + Sync + 'static> Answers<T> {
    pub fn known(&self, key: &Key) -> Option<Arc<T>> {
        self.lock().known(key, Instant::now())
    }

    /// The outcome is an `Arc<T>`. `work` runs on a thread that may block, unless somebody asks the same already, and has
    /// to end by itself near the timeout.
    pub fn ask(&'static self, key: Key, timeout: Duration, work: impl FnOnce() -> Fresh<T> + Send + 'static) -> Wait {
        Wait::new(timeout, move |completion| self.join(key, completion, work))
    }

    fn join(&'static self, key: Key, completion: Completion, work: impl FnOnce() -> Fresh<T> + Send + 'static) {
        let mut state = self.lock();
        if let Some(value) = state.known(&key, Instant::now()) {
            drop(state);
            return completion.done(value);
        }
        let is_asked = match state.slots.get_mut(&key) {
            Some(Slot::Asked(waiting)) if waiting.len() < MOST_WAITING => return waiting.push(completion),
            Some(Slot::Asked(_)) => true,
            _ => false,
        };
        if is_asked || state.asked >= MOST_ASKED {
            drop(state);
            return completion.fail(NotDone::TooMany);
        }
        state.asked += 1;
        state.slots.insert(key, Slot::Asked(vec![completion]));
        drop(state);
        if !calls::spawn(move || self.finish(&key, catch_unwind(AssertUnwindSafe(work)).ok())) {
            self.finish(&key, None);
        }
    }

    fn finish(&self, key: &Key, fresh: Option<Fresh<T>>) {
        let mut state = self.lock();
        let Some(Slot::Asked(waiting)) = state.slots.remove(key) else { return };
        state.asked -= 1;
        let value = fresh.map(|fresh| state.keep(*key, fresh));
        drop(state);
        // Without an answer they are dropped, which tells that there will be none.
        if let Some(value) = value {
            waiting.into_iter().for_each(|completion| completion.done(Arc::clone(&value)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn known(&self, key: &Key, now: Instant) -> Option<Arc<T>> {
        match self.slots.get(key) {
            Some(Slot::Known(known)) if now < known.until => Some(Arc::clone(&known.value)),
            _ => None,
        }
    }

    fn keep(&mut self, key: Key, fresh: Fresh<T>) -> Arc<T> {
        let (value, now) = (Arc::new(fresh.value), Instant::now());
        let until = now.checked_add(fresh.lifetime).filter(|until| *until > now);
        if let Some(until) = until {
            self.serial += 1;
            let size = fresh.size.saturating_add(OVERHEAD);
            self.slots.insert(key, Slot::Known(Known { value: Arc::clone(&value), until, serial: self.serial }));
            self.order.push_back(Place { key, serial: self.serial, size });
            self.bytes = self.bytes.saturating_add(size);
            self.make_room(now);
        }
        value
    }

    /// What is over goes as long as the oldest is; while there is too much the oldest goes anyway.
    fn make_room(&mut self, now: Instant) {
        while let Some(oldest) = self.order.front() {
            let is_good = match self.slots.get(&oldest.key) {
                Some(Slot::Known(known)) if known.serial == oldest.serial => Some(now < known.until),
                _ => None,
            };
            if is_good == Some(true) && self.bytes <= LARGEST {
                return;
            }
            if is_good.is_some() {
                self.slots.remove(&oldest.key);
            }
            self.bytes = self.bytes.saturating_sub(oldest.size);
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::waiting::testing::{PATIENCE, begun};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;

    const LONG: Duration = Duration::from_mins(1);

    fn answers() -> &'static Answers<u32> {
        Box::leak(Box::default())
    }

    fn fresh(value: u32, lifetime: Duration) -> Fresh<u32> {
        Fresh { value, lifetime, size: 4 }
    }

    fn asked(
        answers: &'static Answers<u32>,
        key: Key,
        work: impl FnOnce() -> Fresh<u32> + Send + 'static,
    ) -> Option<u32> {
        answers.ask(key, LONG, work).block().into::<Arc<u32>>().ok().map(|value| *value)
    }

    #[test]
    fn one_question_for_all_who_wait() {
        let (answers, count) = (answers(), Arc::new(AtomicUsize::new(0)));
        let (release, gate) = channel::<()>();
        let work = {
            let count = Arc::clone(&count);
            move || {
                gate.recv().unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                fresh(7, Duration::ZERO)
            }
        };
        let first = begun(answers.ask([1; 32], LONG, work));
        let others: Vec<_> = (0..5).map(|_| begun(answers.ask([1; 32], LONG, || unreachable!()))).collect();
        // Whoever asked first may leave.
        drop(first);
        release.send(()).unwrap();
        for (ticket, rung) in others {
            rung.recv_timeout(PATIENCE).unwrap();
            assert_eq!(ticket.take().unwrap().into::<Arc<u32>>(), Ok(Arc::new(7)));
        }
        assert_eq!(count.load(Ordering::SeqCst), 1);
        assert_eq!(answers.known(&[1; 32]), None);
        assert_eq!(asked(answers, [1; 32], || fresh(8, LONG)), Some(8));
        assert_eq!(asked(answers, [1; 32], || fresh(9, LONG)), Some(8));
        assert_eq!(asked(answers, [2; 32], || panic!("a fault on purpose")), None);
        assert_eq!(asked(answers, [2; 32], || fresh(9, LONG)), Some(9), "it is asked again");
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut state = State { slots: HashMap::new(), order: VecDeque::new(), bytes: 0, asked: 0, serial: 0 };
        let size = LARGEST / 4 - OVERHEAD;
        for number in 0..10_u8 {
            state.keep([number; 32], Fresh { value: number, lifetime: LONG, size });
            state.keep([number; 32], Fresh { value: number, lifetime: LONG, size });
        }
        assert!(state.bytes <= LARGEST && state.slots.len() <= 4 && state.order.len() <= 4);
        assert!(state.known(&[9; 32], Instant::now()).is_some() && state.known(&[0; 32], Instant::now()).is_none());
        state.keep([20; 32], Fresh { value: 0, lifetime: LONG, size: usize::MAX });
        assert!(state.slots.is_empty(), "nothing can be that large");
    }

    #[test]
    fn so_many_questions_at_once() {
        let answers = answers();
        let (release, gate) = channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let hanging = |number: u8| {
            let gate = Arc::clone(&gate);
            let work = move || {
                let _ = gate.lock().unwrap().recv();
                fresh(1, Duration::ZERO)
            };
            begun(answers.ask([number; 32], LONG, work))
        };
        let held: Vec<_> = (0..MOST_ASKED).map(|number| hanging(u8::try_from(number).unwrap())).collect();
        let (ticket, rung) = hanging(200);
        rung.recv_timeout(PATIENCE).unwrap();
        assert_eq!(ticket.take().unwrap().into::<Arc<u32>>(), Err(NotDone::TooMany));
        drop(release);
        for (ticket, rung) in held {
            rung.recv_timeout(PATIENCE).unwrap();
            assert_eq!(ticket.take().unwrap().into::<Arc<u32>>(), Ok(Arc::new(1)));
        }
    }
}
