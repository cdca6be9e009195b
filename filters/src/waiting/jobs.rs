//! A few threads for work that blocks, shared fairly between the places that it turns to.

use super::{Completion, NotDone};
use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

pub static JOBS: std::sync::LazyLock<Jobs> = std::sync::LazyLock::new(Jobs::default);

const THREADS: usize = 16;
/// Of the threads, for one lane.
const ABREAST: usize = 4;
/// Jobs of one lane that wait for a thread.
const QUEUED: usize = 256;
const QUEUED_IN_ALL: usize = 2048;
/// A thread that has had no work for so long ends.
const IDLE: Duration = Duration::from_secs(10);

pub type Work = Box<dyn FnOnce(Completion) + Send>;

#[derive(Default)]
pub struct Jobs {
    state: Mutex<State>,
    is_ready: Condvar,
}

#[derive(Default)]
struct State {
    lanes: HashMap<Box<str>, Lane>,
    /// Lanes that have a job and may run one more, in the order of their turns.
    ready: VecDeque<Box<str>>,
    queued: usize,
    threads: usize,
    idle: usize,
}

#[derive(Default)]
struct Lane {
    queue: VecDeque<(Completion, Work)>,
    running: usize,
}

impl Lane {
    fn is_ready(&self) -> bool {
        !self.queue.is_empty() && self.running < ABREAST
    }
}

impl State {
    /// Gives the completion back if there is no room.
    fn add(&mut self, name: Box<str>, completion: Completion, work: Work) -> Result<(), Completion> {
        let waiting = self.lanes.get(&name).map_or(0, |lane| lane.queue.len());
        if waiting >= QUEUED || self.queued >= QUEUED_IN_ALL {
            return Err(completion);
        }
        let lane = self.lanes.entry(name.clone()).or_default();
        let was_ready = lane.is_ready();
        lane.queue.push_back((completion, work));
        self.queued += 1;
        if lane.is_ready() && !was_ready {
            self.ready.push_back(name);
        }
        Ok(())
    }

    fn next(&mut self) -> Option<(Box<str>, Completion, Work)> {
        let name = self.ready.pop_front()?;
        let lane = self.lanes.get_mut(&name)?;
        let (completion, work) = lane.queue.pop_front()?;
        lane.running += 1;
        self.queued -= 1;
        if lane.is_ready() {
            self.ready.push_back(name.clone());
        }
        Some((name, completion, work))
    }

    fn finished(&mut self, name: Box<str>) {
        let Some(lane) = self.lanes.get_mut(&name) else { return };
        let was_ready = lane.is_ready();
        lane.running -= 1;
        if lane.queue.is_empty() && lane.running == 0 {
            self.lanes.remove(&name);
        } else if lane.is_ready() && !was_ready {
            self.ready.push_back(name);
        }
    }
}

impl Jobs {
    pub fn submit(&'static self, lane: Box<str>, completion: Completion, work: Work) {
        let mut state = self.lock();
        if let Err(completion) = state.add(lane, completion, work) {
            drop(state);
            return completion.fail(NotDone::TooMany);
        }
        self.staff(&mut state);
    }

    /// Sees to it that somebody takes the next job; who takes it sees to the one behind.
    fn staff(&'static self, state: &mut State) {
        if state.ready.is_empty() {
            return;
        }
        if state.idle > 0 {
            self.is_ready.notify_one();
        } else if state.threads < THREADS {
            let spawned = thread::Builder::new().name("policy-job".into()).spawn(|| self.work());
            state.threads += usize::from(spawned.is_ok());
        }
    }

    fn work(&'static self) {
        let mut state = self.lock();
        loop {
            if let Some((lane, completion, work)) = state.next() {
                self.staff(&mut state);
                drop(state);
                if completion.is_awaited() {
                    // A completion that unwinding drops tells the stream.
                    let _ = catch_unwind(AssertUnwindSafe(|| work(completion)));
                }
                state = self.lock();
                state.finished(lane);
                continue;
            }
            state.idle += 1;
            let (locked, waited) = self.is_ready.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = locked;
            state.idle -= 1;
            if waited.timed_out() && state.ready.is_empty() {
                state.threads -= 1;
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{PATIENCE, begun};
    use super::super::{Ticket, Wait};
    use super::*;
    use std::sync::mpsc::{Receiver, channel};

    const LONG: Duration = Duration::from_mins(1);

    fn outcome<T: 'static>((ticket, rung): &(Ticket, Receiver<()>)) -> Result<T, NotDone> {
        rung.recv_timeout(PATIENCE).unwrap();
        ticket.take().unwrap().into()
    }

    #[test]
    fn a_fault_is_told_and_the_thread_goes_on() {
        for _ in 0..2 * THREADS {
            let failing = begun(Wait::for_job("fault", LONG, || -> u32 { panic!("a fault on purpose") }));
            assert_eq!(outcome::<u32>(&failing), Err(NotDone::Failed));
        }
        assert_eq!(outcome::<u32>(&begun(Wait::for_job("fault", LONG, || 1_u32 + 1))), Ok(2));
    }

    #[test]
    fn a_lane_that_hangs_holds_no_other_up_and_is_bounded() {
        let (release, gate) = channel::<()>();
        let gate = std::sync::Arc::new(Mutex::new(gate));
        let (start, started) = channel();
        let hanging = || {
            let (gate, start) = (std::sync::Arc::clone(&gate), start.clone());
            begun(Wait::for_job("hangs", LONG, move || {
                start.send(()).unwrap();
                let _ = gate.lock().unwrap().recv();
            }))
        };
        let mut held: Vec<_> = (0..ABREAST).map(|_| hanging()).collect();
        held.iter().for_each(|_| started.recv_timeout(PATIENCE).unwrap());
        held.extend((0..QUEUED).map(|_| hanging()));
        assert_eq!(outcome::<()>(&hanging()), Err(NotDone::TooMany));
        assert_eq!(outcome::<u32>(&begun(Wait::for_job("other", LONG, || 3_u32))), Ok(3));
        assert!(started.try_recv().is_err(), "no more than {ABREAST} at once");
        drop(release);
        held.iter().for_each(|one| assert_eq!(outcome::<()>(one), Ok(())));
    }

    #[test]
    fn what_nobody_waits_for_is_not_begun() {
        let jobs: &'static Jobs = Box::leak(Box::default());
        let (begun_work, has_begun) = channel();
        let gone = Wait::new(LONG, move |completion| {
            let work = Box::new(move |_| begun_work.send(()).unwrap());
            jobs.state.lock().unwrap().add("lane".into(), completion, work).ok().unwrap();
        });
        drop(begun(gone));
        let next =
            begun(Wait::new(LONG, |completion| jobs.submit("lane".into(), completion, Box::new(|c| c.done(())))));
        assert_eq!(outcome::<()>(&next), Ok(()));
        assert!(has_begun.recv().is_err(), "its work was dropped");
    }
}
