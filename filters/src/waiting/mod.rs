//! Answers from elsewhere. A stream pauses until one is there, and its worker goes on with others meanwhile: the outcome
//! comes from another thread, at the latest as `NotDone::TooLate` when its time is over.
//!
//! Two halves share one state: the stream holds the `Ticket`, whoever finds the answer the `Completion`. Only the first
//! outcome counts, and none wakes a stream that has gone.

pub mod calls;
mod deadlines;
pub mod jobs;

use deadlines::DEADLINES;
use std::any::Any;
use std::fmt::{self, Debug};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Has the worker of one stream call the filter again, from any thread.
pub trait Wake: Send + Debug {
    fn wake(&self);
}

/// Why an answer did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotDone {
    /// So many wait already that this one was not even asked for.
    TooMany,
    TooLate,
    /// Whoever looked for the answer gave up without one.
    Failed,
}

impl fmt::Display for NotDone {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::TooMany => "too many requests wait for it",
            Self::TooLate => "timeout",
            Self::Failed => "it failed on a fault in the policy module",
        })
    }
}

/// What came back, of the type that the plugin's own job or client gave to `Completion::done`.
#[derive(Debug)]
pub struct Outcome(Result<Box<dyn Any + Send>, NotDone>);

impl Outcome {
    /// `Failed` too if it is of another type.
    pub fn into<T: 'static>(self) -> Result<T, NotDone> {
        self.0?.downcast().map(|value| *value).map_err(|_| NotDone::Failed)
    }
}

/// What a plugin waits for, not begun yet.
pub struct Wait {
    timeout: Duration,
    begin: Box<dyn FnOnce(Completion)>,
}

impl Debug for Wait {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Wait({:?})", self.timeout)
    }
}

impl Wait {
    /// `begin` runs on the worker: it hands the completion over and returns at once.
    pub fn new(timeout: Duration, begin: impl FnOnce(Completion) + 'static) -> Self {
        Self { timeout, begin: Box::new(begin) }
    }

    /// For work that blocks: it runs on a thread of `jobs`. Of one `lane`, which is where it turns to (`ldap.example:389`),
    /// only a few run at once, so that a place that does not answer holds nobody else up. The work has to end by itself
    /// near its timeout: nobody waits for it then, but it keeps its thread.
    pub fn for_job<T: Send + 'static>(
        lane: impl Into<Box<str>>,
        timeout: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Self {
        let lane = lane.into();
        Self::new(timeout, move |completion| {
            jobs::JOBS.submit(lane, completion, Box::new(move |completion| completion.done(work())));
        })
    }

    /// For threads that may block: the outcome, when it is there.
    pub fn block(self) -> Outcome {
        let (ring, rung) = channel();
        let ticket = self.begin(Box::new(Ring(ring)));
        let _ = rung.recv();
        ticket.take().unwrap_or(Outcome(Err(NotDone::Failed)))
    }

    pub fn begin(self, waker: Box<dyn Wake>) -> Ticket {
        let shared = Arc::new(Mutex::new(State { waker: Some(waker), outcome: None }));
        let completion = Completion(Arc::clone(&shared));
        if DEADLINES.add(Instant::now() + self.timeout.min(LONGEST), &shared) {
            (self.begin)(completion);
        }
        Ticket(shared)
    }
}

#[derive(Debug)]
struct Ring(Sender<()>);

impl Wake for Ring {
    fn wake(&self) {
        let _ = self.0.send(());
    }
}

/// No request is of use to anybody after so long.
const LONGEST: Duration = Duration::from_hours(24);

struct State {
    /// None: the outcome is there, or nobody wants it.
    waker: Option<Box<dyn Wake>>,
    outcome: Option<Outcome>,
}

type Shared = Mutex<State>;

fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The waker is used under the lock, under which the stream takes it away when it ends: what it calls is there as long.
fn settle(shared: &Shared, outcome: Result<Box<dyn Any + Send>, NotDone>) {
    let mut state = lock(shared);
    if let Some(waker) = state.waker.take() {
        state.outcome = Some(Outcome(outcome));
        waker.wake();
    }
}

/// The stream's half.
pub struct Ticket(Arc<Shared>);

impl Ticket {
    /// The outcome, once, when it is there.
    pub fn take(&self) -> Option<Outcome> {
        lock(&self.0).outcome.take()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        lock(&self.0).waker = None;
    }
}

/// The other half. Dropped, it tells that there will be no answer.
pub struct Completion(Arc<Shared>);

impl Completion {
    pub fn done<T: Send + 'static>(self, value: T) {
        settle(&self.0, Ok(Box::new(value)));
    }

    pub fn fail(self, reason: NotDone) {
        settle(&self.0, Err(reason));
    }

    /// Whether anybody still waits for the answer.
    pub fn is_awaited(&self) -> bool {
        lock(&self.0).waker.is_some()
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        settle(&self.0, Err(NotDone::Failed));
    }
}

#[cfg(test)]
pub mod testing {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// Wakes a test that waits on the other end.
    #[derive(Debug)]
    pub struct Bell(pub Sender<()>);

    impl Wake for Bell {
        fn wake(&self) {
            let _ = self.0.send(());
        }
    }

    /// Begins to wait; the bell rings when the outcome is there.
    pub fn begun(wait: Wait) -> (Ticket, Receiver<()>) {
        let (bell, rung) = channel();
        (wait.begin(Box::new(Bell(bell))), rung)
    }

    pub const PATIENCE: Duration = Duration::from_secs(10);
}

#[cfg(test)]
mod tests {
    use super::testing::{PATIENCE, begun};
    use super::*;
    use std::sync::mpsc::channel;

    const LONG: Duration = Duration::from_mins(1);

    #[test]
    fn the_first_outcome_counts_and_is_taken_once() {
        let (hand, taken) = channel();
        let (ticket, rung) = begun(Wait::new(LONG, move |completion| hand.send(completion).unwrap()));
        assert!(ticket.take().is_none());
        let completion = taken.recv().unwrap();
        assert!(completion.is_awaited());
        completion.done(7_u32);
        rung.recv_timeout(PATIENCE).unwrap();
        assert_eq!(ticket.take().unwrap().into::<u32>(), Ok(7));
        assert!(ticket.take().is_none());
        assert!(rung.try_recv().is_err(), "woken once");
    }

    #[test]
    fn threads_may_block() {
        assert_eq!(Wait::new(LONG, |completion| completion.done(7_u32)).block().into::<u32>(), Ok(7));
        assert_eq!(Wait::new(LONG, drop).block().into::<u32>(), Err(NotDone::Failed));
        let kept = Arc::new(Mutex::new(None));
        let keep = Arc::clone(&kept);
        let wait = Wait::new(Duration::from_millis(20), move |completion| *keep.lock().unwrap() = Some(completion));
        assert_eq!(wait.block().into::<u32>(), Err(NotDone::TooLate));
    }

    #[test]
    fn who_gives_up_says_so() {
        for (begin, reason) in [
            (Box::new(drop) as Box<dyn FnOnce(Completion)>, NotDone::Failed),
            (Box::new(|completion: Completion| completion.fail(NotDone::TooMany)), NotDone::TooMany),
            (Box::new(|completion: Completion| completion.done("text")), NotDone::Failed),
        ] {
            let (ticket, rung) = begun(Wait::new(LONG, begin));
            rung.recv_timeout(PATIENCE).unwrap();
            assert_eq!(ticket.take().unwrap().into::<u32>(), Err(reason));
        }
    }

    #[test]
    fn nobody_wakes_a_stream_that_has_gone() {
        let (hand, taken) = channel();
        let (ticket, rung) = begun(Wait::new(LONG, move |completion| hand.send(completion).unwrap()));
        drop(ticket);
        let completion = taken.recv().unwrap();
        assert!(!completion.is_awaited());
        completion.done(());
        assert!(rung.recv().is_err(), "the bell went with the stream");
    }

    #[test]
    fn no_answer_is_waited_for_longer_than_its_time() {
        let (hand, taken) = channel();
        let short = Duration::from_millis(20);
        let started = Instant::now();
        let (ticket, rung) = begun(Wait::new(short, move |completion| hand.send(completion).unwrap()));
        rung.recv_timeout(PATIENCE).unwrap();
        assert!(started.elapsed() >= short);
        assert_eq!(ticket.take().unwrap().into::<()>(), Err(NotDone::TooLate));
        let completion = taken.recv().unwrap();
        assert!(!completion.is_awaited());
        completion.done(());
        assert!(ticket.take().is_none(), "what comes later is nobody's");
    }
}
